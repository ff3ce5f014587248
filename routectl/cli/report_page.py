"""What the page of `routectl report` says, in words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING

from routectl import __version__
from routectl.cli import targets
from routectl.cli.activation_table import expiry_text
from routectl.cli.calibration_table import grounds, warnings
from routectl.cli.console import dollar_range, dollars, minute, percent, percent_range, when
from routectl.cli.drift_table import LOOK_HEADERS, facts, look_rows
from routectl.cli.policy_text import checkpoint_words, mode_text, runs_text
from routectl.cli.saving_table import quality, saving
from routectl.cli.savings_table import BILL_HEADERS, bill_rows, cautions, counts, headline
from routectl.cli.segment_table import columns, rule_lines, threshold_text
from routectl.cli.status_table import drift_reason
from routectl.cli.what_if_section import what_if_section
from routectl.policy import ALWAYS_STRONG, LIVE, SHADOW, THRESHOLD
from routectl.prices import CURRENCY
from routectl.records import IdKind
from routectl.report.page import Figure, Page, Part, Section, Table

if TYPE_CHECKING:
    from routectl.calibration import Interval
    from routectl.workflow.calibrating.pricing import Costs, Month
    from routectl.workflow.calibrating.recorded import RecordedCalibration
    from routectl.workflow.drifting import Drift, DriftReport
    from routectl.workflow.policies.activated import Activated
    from routectl.workflow.watching.reporting import Examples, ReportedRoute
    from routectl.workflow.watching.saving import Savings

NEWEST = 20
"""Activations, and looks at drift, that are listed."""
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
    (
        "Alarm, e-value",
        "Evidence, day after day, that the traffic or the proxy is no longer as calibrated. From a "
        "stated limit on the alarm rings, by chance in at most 5 % of years.",
    ),
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
        parts=[_part(route, now) for route in reported],
        words=WORDS,
    )


def _part(route: ReportedRoute, now: datetime) -> Part:
    active, result = route.active, route.calibration
    if active is None:
        return Part(
            name=route.name,
            summary="Nothing runs yet: no threshold was ever activated for this route.",
            sections=[Section(title="What is declared", facts=_declared(route))],
        )
    sections = [_what_runs(route, active, now)]
    if result is not None and result.costs is not None:
        sections.append(_savings(result.costs, active))
    if route.savings is not None:
        sections.append(_logged(route.savings))
    if result is not None:
        if route.what_if is not None:
            sections.append(what_if_section(route.what_if, result.costs))
        if result.choice.segmented is not None:
            sections.append(_segments(result))
        if route.drift.drift is not None:
            sections.append(_drift(route.drift, route.drift.drift))
        sections.append(_assumptions(result))
    if route.examples is not None:
        sections.append(_examples(route.examples))
    sections.append(_history(route.activations, now))
    return Part(
        name=route.name,
        summary=_summary(active),
        alerts=list(_alerts(active, route.drift.drift, now)),
        figures=[*(() if result is None else _figures(result)), _expiry(active, now)],
        sections=sections,
    )


def _alerts(active: Activated, drift: Drift | None, now: datetime) -> Iterator[str]:
    for ringing in () if drift is None else drift.ringing:
        yield _sentence(drift_reason(asdict(ringing)))
    if active.expires_at is not None and active.expires_at <= now:
        yield (
            f"This activation expired on {when(active.expires_at)}: decide again, on fresh traffic."
        )


def _expiry(active: Activated, now: datetime) -> Figure:
    if active.expires_at is None:
        return Figure("Expires", "never", "Nobody set a day to look at it again.")
    if active.expires_at <= now:
        return Figure("Expired", f"{active.expires_at:%Y-%m-%d}", when(active.expires_at))
    days = (active.expires_at - now).days
    return Figure(
        "Expires", f"{active.expires_at:%Y-%m-%d}", f"in {days:,} days, {when(active.expires_at)}"
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
        interval = month.saving_interval
        sure = "" if interval is None else f"{_amount_interval(interval)} in the long run; "
        yield Figure(
            "Saves a month" if saved >= 0 else "Costs more a month",
            f"{abs(saved):,.2f} {CURRENCY}",
            f"{sure}{share}{against}, at {month.requests:,.0f} requests in 30 days",
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


def _what_runs(route: ReportedRoute, active: Activated, now: datetime) -> Section:
    policy, chosen, result = active.policy, active.calibration, route.calibration
    facts = [*_declared(route), ("runs", runs_text(policy))]
    if policy.rule == THRESHOLD:
        facts += [
            ("threshold", "-" if result is None else threshold_text(result)),
            ("router", ", ".join([policy.routers[0].spec.name, *checkpoint_words(policy)])),
            ("mode", mode_text(policy)),
            ("without a score", policy.fallback or "not set"),
        ]
    facts += [
        ("activation", f"{IdKind.ACTIVATION.ref(active.id)}, {when(active.created_at)}"),
        ("activated by", active.actor),
        ("expiry", "none" if active.expires_at is None else expiry_text(active.expires_at, now)),
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
        "What the same requests cost with each way to decide. Prices, tokens and the length of a "
        "month are among the assumptions below."
    ]
    if isinstance(month, str):
        sentences.append(_sentence(f"there is no monthly figure: {month}"))
    else:
        for row, text in zip(rows, dollars(_a_month(month, list(amounts.values()))), strict=True):
            row.append(text)
        headers.append(f"{CURRENCY} a month")
        for which, interval in (
            ("In the long run a month", month.saving_interval),
            ("The next month", month.next_saving_interval),
        ):
            if interval is not None:
                sentences.append(f"{which} saves {_amount_interval(interval)}.")
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


def _segments(result: RecordedCalibration) -> Section:
    segmented = result.choice.segmented
    assert segmented is not None
    headers, rows = columns(result.policy, segmented)
    return Section(
        title="Segments",
        sentences=[" ".join(rule_lines(result.policy, segmented))],
        tables=[
            Table(
                title="Each with a threshold of its own",
                headers=headers,
                rows=rows,
                numeric=[1, 2, 3, *range(5, len(headers))],
            )
        ],
    )


def _drift(report: DriftReport, drift: Drift) -> Section:
    looks = look_rows(drift)[:NEWEST]
    return Section(
        title="Does it still hold",
        sentences=["Each whole day (UTC) is looked at once, against the calibration."],
        facts=facts(report, drift),
        tables=[
            Table(
                title=f"Looks, newest first, {NEWEST} at most",
                headers=[*LOOK_HEADERS[:-1], "alarm rings"],
                rows=[(*cells[:-1], cells[-1] or "no") for cells in looks],
                numeric=[2, 3, 4, 5],
            )
        ]
        if looks
        else (),
    )


def _a_month(month: Month, per_1000: Sequence[float]) -> list[float | None]:
    """The ways to decide in US dollars a month, in the order of those per 1,000 requests."""
    _, random, strong, weak = per_1000
    if month.always_weak is None:  # an older record, at one rate for all requests
        return [month.requests / 1000 * amount for amount in per_1000]
    # Drawn by lot, the cost lies between both models' as far as the share says.
    part = (random - weak) / (strong - weak) if strong != weak else 0.0
    drawn = month.always_weak + part * (month.always_strong - month.always_weak)
    return [month.this_threshold, drawn, month.always_strong, month.always_weak]


def _logged(result: Savings) -> Section:
    return Section(
        title="What it has saved, by the log",
        sentences=[headline(result)],
        tables=[
            Table(
                title="Actual cost of the last 30 days, next to what was projected",
                headers=BILL_HEADERS,
                rows=bill_rows(result),
                numeric=[1, 2, 3],
                highlighted=0,
            )
        ],
        facts=counts(result),
        remarks=[_sentence(text) for text in (*result.notes, *cautions(result))],
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


def _history(activations: Sequence[Activated], now: datetime) -> Section:
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
                rows=[_activation_row(entry, now) for entry in activations[:NEWEST]],
                numeric=[1, 3],
                highlighted=0,
            )
        ],
    )


def _activation_row(entry: Activated, now: datetime) -> tuple[str, ...]:
    calibration, policy = entry.calibration, entry.policy
    runs = runs_text(policy)
    if policy.mode not in (None, LIVE):
        runs += f", {mode_text(policy)}"
    if calibration is not None:
        runs += f" ({IdKind.CALIBRATION.ref(calibration.id)})"
    if entry.restores is not None:
        runs += f", back to {IdKind.ACTIVATION.ref(entry.restores)}"
    if entry.expires_at is not None:
        runs += f"; {expiry_text(entry.expires_at, now)}"
    return (
        IdKind.ACTIVATION.ref(entry.id),
        minute(entry.created_at),
        runs,
        percent(entry.strong_fraction),
        entry.actor,
        entry.note or "-",
    )


def _amount_interval(interval: Interval) -> str:
    at = percent(interval.confidence, 0)
    return f"{dollar_range(interval.low, interval.high)} {CURRENCY} ({at} interval)"


def _range(interval: Interval) -> str:
    return percent_range(interval.low, interval.high)


def _interval(interval: Interval) -> str:
    return f"{_range(interval)} ({percent(interval.confidence, 0)} interval)"


def _sentence(text: str) -> str:
    """A remark of the terminal as a sentence."""
    return f"{text[:1].upper()}{text[1:]}{'' if text.endswith('.') else '.'}"
