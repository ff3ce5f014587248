"""What the page of `routectl report` says, in words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from routectl import __version__
from routectl.cli import targets
from routectl.cli.calibration_table import grounds, warnings
from routectl.cli.console import dollars, minute, percent, when
from routectl.cli.policy_text import checkpoint_words, mode_text, runs_text
from routectl.cli.saving_table import quality, saving
from routectl.policy import ALWAYS_STRONG, LIVE, SHADOW, THRESHOLD
from routectl.prices import CURRENCY
from routectl.records import IdKind
from routectl.report.page import Figure, Page, Part, Section, Table

if TYPE_CHECKING:
    from routectl.calibration import Interval
    from routectl.workflow.activating import Activated
    from routectl.workflow.pricing import Costs
    from routectl.workflow.recorded import RecordedCalibration
    from routectl.workflow.reporting import Examples, ReportedRoute

NEWEST = 20
"""Activations that the history lists."""
LONGEST = 600
"""Characters of a prompt that are shown."""

WORDS = (
    ("Route", "The name that clients call. Each request is answered by one of its models."),
    ("Strong model, weak model", "The expensive model and the cheap one."),
    (
        "Score",
        "A router's estimate, from the text of the request alone, of how likely the strong model's "
        "answer is the better one: 0 to 1.",
    ),
    ("Threshold", "A request goes to the strong model if its score is the threshold or more."),
    ("Share", "The part of the requests that goes to the strong model."),
    (
        "Interval",
        "Where the true value lies with the stated confidence, as far as the sample can tell. The "
        "long run is the mean of all requests like these; the next requests vary more.",
    ),
    ("A month", "30 days at the rate of the requests that the figures were computed from."),
    ("USD", "US dollars, at the prices that are listed with the assumptions."),
    ("UTC", "All times and days are in Coordinated Universal Time."),
    (
        "Quality, APGR",
        "How much of the strong model's lead in quality the router keeps, averaged over all "
        "shares: 0.5 is what drawing lots gives.",
    ),
    ("Effective sample", "As many independent requests as would give the same certainty."),
    ("Undecided", "Requests so near the threshold that another machine may decide them otherwise."),
)

_NOT_IN_GROUNDS = frozenset({"calibration", "made by", "note", "router", "model pair"})
"""What the section on what runs says of a calibration."""


def page(reported: Sequence[ReportedRoute], now: datetime) -> Page:
    """The page on routes.

    Args:
        now: when it is made; aware.
    """
    return Page(
        title="LLM routing report",
        made=f"Made {when(now)} with routectl {__version__}. It says what is recorded by then.",
        parts=[_part(route) for route in reported],
        words=WORDS,
    )


def _part(route: ReportedRoute) -> Part:
    active = route.active
    if active is None:
        return Part(
            name=route.name,
            summary="Nothing runs yet: no threshold was ever activated for this route.",
            sections=[Section(title="What is declared", facts=_declared(route))],
        )
    sections = [_what_runs(route, active)]
    result = route.calibration
    if result is not None:
        if result.costs is not None:
            sections.append(_savings(result.costs, active))
        sections.append(_assumptions(result))
    if route.examples is not None:
        sections.append(_examples(route.examples))
    sections.append(_history(route.activations))
    return Part(
        name=route.name,
        summary=_summary(active),
        figures=list(_figures(result)) if result is not None else (),
        sections=sections,
    )


def _summary(active: Activated) -> str:
    policy = active.policy
    strong, weak = _models(active)
    if policy.rule != THRESHOLD:
        model = strong if policy.rule == ALWAYS_STRONG else weak
        return f"Every request goes to {model}, since {when(active.created_at)}."
    since = f"since {when(active.created_at)}"
    if policy.mode == SHADOW:
        return (
            f"Every request goes to {strong}, {since}: the threshold is in shadow, so what it "
            "would decide is logged, and the savings below are what it would save."
        )
    text = f"Each request goes to {strong} or to {weak}, as the router decides, {since}."
    if policy.mode not in (None, LIVE):
        text += f" The mode is {mode_text(policy)}: only that part of the requests is decided so."
    return text


def _models(active: Activated) -> tuple[str, str]:
    """The strongest and the weakest model, in words."""
    models = active.policy.models
    return models[-1] or "the strong model", models[0] or "the weak model"


def _figures(result: RecordedCalibration) -> Iterator[Figure]:
    costs, certainty = result.costs, result.choice.certainty
    if result.suggestion is not None:
        yield Figure("Saving", "not known", "The route declares no models, so there are no prices.")
    elif costs is None or isinstance(costs.month, str):
        yield Figure("Saving", "not known", _sentence(saving(costs)))
    else:
        month = costs.month
        saved = round(month.saved, 2)
        against = f"of {month.always_strong:,.2f} {CURRENCY} for always {costs.strong.model}"
        share = "" if month.saved_share is None else f"{percent(abs(month.saved_share))} "
        yield Figure(
            "Saves a month" if saved >= 0 else "Costs more a month",
            f"{abs(saved):,.2f} {CURRENCY}",
            f"{share}{against}, at {month.requests:,.0f} requests in 30 days",
        )
    yield Figure(
        "Requests to the strong model",
        percent(result.choice.cut.strong_fraction),
        f"{_interval(certainty.long_run)} in the long run",
    )
    yield Figure(
        f"Of the next {certainty.next_requests:,} requests",
        _range(certainty.next_share),
        f"go to the strong model ({percent(certainty.next_share.confidence, 0)} interval)",
    )


def _what_runs(route: ReportedRoute, active: Activated) -> Section:
    policy, chosen, result = active.policy, active.calibration, route.calibration
    facts = [*_declared(route), ("runs", runs_text(policy))]
    if policy.rule == THRESHOLD:
        facts += [
            ("threshold", policy.thresholds[0] if policy.thresholds else "-"),
            ("router", ", ".join([policy.routers[0].spec.name, *checkpoint_words(policy)])),
            ("mode", mode_text(policy)),
            ("without a score", policy.fallback or "not set"),
        ]
    facts += [
        ("activation", f"{IdKind.ACTIVATION.ref(active.id)}, {when(active.created_at)}"),
        ("activated by", active.actor),
        ("why", active.note or "no note was left"),
    ]
    if active.restores is not None:
        facts.append(("brings back", IdKind.ACTIVATION.ref(active.restores)))
    if chosen is not None:
        made = f"{IdKind.CALIBRATION.ref(chosen.id)}, {when(chosen.created_at)}, by {chosen.actor}"
        facts.append(("calibration", made))
        if chosen.note:
            facts.append(("its note", chosen.note))
    if result is not None:
        facts.append(("target", targets.full(result.choice.target)))
        facts.append(("quality", quality(result)))
    return Section(title="What runs", facts=facts)


def _declared(route: ReportedRoute) -> list[tuple[str, str]]:
    declared = route.declared
    if declared.strong is None or declared.weak is None:
        return [("models", "none declared")]
    return [("strong model", declared.strong), ("weak model", declared.weak)]


def _savings(costs: Costs, active: Activated) -> Section:
    spent, month = costs.spending, costs.month
    amounts = {
        "as it runs": spent.this_threshold,
        "the same share, drawn by lot": spent.random,
        f"always {costs.strong.model}": spent.always_strong,
        f"always {costs.weak.model}": spent.always_weak,
    }
    per_1000 = dollars(list(amounts.values()))
    rows = [list(pair) for pair in zip(amounts, per_1000, strict=True)]
    headers = ["requests go to", f"{CURRENCY} per 1,000 requests"]
    sentences = [
        "What the same requests cost with each way to decide, at the prices below and with the "
        "tokens that the log has."
    ]
    if isinstance(month, str):
        sentences.append(_sentence(f"there is no monthly figure: {month}"))
    else:
        a_month = [month.requests / 1000 * amount for amount in amounts.values()]
        for row, text in zip(rows, dollars(a_month), strict=True):
            row.append(text)
        headers.append(f"{CURRENCY} a month")
    if active.policy.mode not in (None, LIVE):
        sentences.append(f"It runs in mode {mode_text(active.policy)}; the figures are of live.")
    return Section(
        title="What it saves",
        sentences=sentences,
        tables=[
            Table(
                title="Costs, by who decides",
                headers=headers,
                rows=rows,
                numeric=range(1, len(headers)),
                highlighted=0,
            )
        ],
    )


def _assumptions(result: RecordedCalibration) -> Section:
    facts = [(name, text) for name, text in grounds(result) if name not in _NOT_IN_GROUNDS]
    return Section(
        title="What it rests on",
        facts=facts,
        remarks=[_sentence(text) for text in warnings(result)],
    )


def _examples(examples: Examples) -> Section:
    tables = [
        Table(
            title=title,
            headers=["score", "prompt"],
            rows=[(f"{text.win_rate:.5f}", _cut_short(text.text)) for text in texts],
            numeric=[0],
        )
        for title, texts in (
            ("Just strong enough: these go to the strong model", examples.strong),
            ("Just below: these go to the weak model", examples.weak),
        )
        if texts
    ]
    return Section(
        title="Prompts next to the threshold",
        sentences=["From the requests of your own traffic. Keep this file as you keep the log."],
        tables=tables,
    )


def _cut_short(text: str) -> str:
    if len(text) <= LONGEST:
        return text
    return f"{text[:LONGEST]}... ({len(text):,} characters in all)"


def _history(activations: Sequence[Activated]) -> Section:
    sentences = []
    if len(activations) > NEWEST:
        sentences.append(f"The newest {NEWEST} of {len(activations):,} activations.")
    return Section(
        title="History",
        sentences=sentences,
        tables=[
            Table(
                title="Activations, newest first",
                headers=["id", "time (UTC)", "runs", "strong", "by", "why"],
                rows=[_activation_row(entry) for entry in activations[:NEWEST]],
                numeric=[3],
                highlighted=0,
            )
        ],
    )


def _activation_row(entry: Activated) -> tuple[str, ...]:
    calibration, policy = entry.calibration, entry.policy
    runs = runs_text(policy)
    if policy.mode not in (None, LIVE):
        runs += f", {mode_text(policy)}"
    if calibration is not None:
        runs += f" ({IdKind.CALIBRATION.ref(calibration.id)})"
    if entry.restores is not None:
        runs += f", back to {IdKind.ACTIVATION.ref(entry.restores)}"
    return (
        IdKind.ACTIVATION.ref(entry.id),
        minute(entry.created_at),
        runs,
        percent(None if calibration is None else calibration.strong_fraction),
        entry.actor,
        entry.note or "-",
    )


def _range(interval: Interval) -> str:
    return f"{100 * interval.low:.1f} to {100 * interval.high:.1f} %"


def _interval(interval: Interval) -> str:
    return f"{_range(interval)} ({percent(interval.confidence, 0)} interval)"


def _sentence(text: str) -> str:
    """A remark of the terminal as a sentence."""
    return f"{text[:1].upper()}{text[1:]}{'' if text.endswith('.') else '.'}"
