"""The output of `routectl label`: the answer first."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING

from routectl.cli import judging_options
from routectl.cli.console import Console, pair_text, percent
from routectl.records import IdKind

if TYPE_CHECKING:
    from routectl.evaluation.answering import Answer
    from routectl.evaluation.bootstrap import Estimate
    from routectl.workflow.labelling import LabelledRouter, LabelReport

ROUGH_BELOW = 100
"""Prompts: of fewer, a stated 95 % held the truth less often (research/statistics.md)."""


def print_label(console: Console, report: LabelReport) -> None:
    """The answer for each router, then the figures, then what was done."""
    if not report.routers:
        tally = report.judging.tally
        console.line(
            f"can't tell: --max-cost lasted for the verdicts of {tally.judged:,} of "
            f"{report.judging.prompts:,} prompts."
        )
    for labelled in report.routers:
        console.line(f"{answer_sentence(labelled, report)}.")
    if report.routers:
        console.line()
        console.table(
            [_row(labelled) for labelled in report.routers],
            headers=["router", "APGR", "CPT(50%)", "CPT(80%)", "evaluation"],
        )
        console.line()
        for labelled in report.routers:
            if labelled.router.model_pair is not None:
                console.line(
                    f"{labelled.router.name} decides between {pair_text(labelled.router)}."
                )
    console.line()
    console.table(list(_facts(report)))


def answer_sentence(labelled: LabelledRouter, report: LabelReport) -> str:
    """Whether a router is better than random on this traffic, with the figure that says so."""
    answer, name, pair = labelled.answer, labelled.router.name, report.judging.pair
    apgr = answer.figures["APGR"]
    if apgr is None:
        gap = _gap_words(answer.gap, report)
        if answer.gap_is == "reversed":
            return f"no: on this traffic {pair.weak} is the better model ({gap})"
        return (
            f"can't tell: on this traffic {pair.strong} is not shown to be better than {pair.weak} "
            f"({gap}), so there is no gap for {name} to recover{_needed(answer, report)}"
        )
    words = {
        "yes": f"yes: {name} is better than random on this traffic",
        "no": f"no: {name} is worse than random on this traffic",
        "can't tell": f"can't tell whether {name} is better than random on this traffic",
    }[answer.better_than_random]
    figure = _interval(apgr).replace(" (", ", ").rstrip(")")
    return f"{words} (APGR {figure}; random has 0.5){_needed(answer, report)}"


def _needed(answer: Answer, report: LabelReport) -> str:
    if answer.needed is None:
        return ""
    if answer.needed > report.distinct:
        return f"; the {report.distinct:,} prompts of this population are too few to tell"
    return f"; --sample {answer.needed} would tell, roughly"


def _row(labelled: LabelledRouter) -> tuple[str, ...]:
    figures = labelled.answer.figures
    return (
        labelled.router.name,
        _interval(figures["APGR"]),
        *(_interval(figures[name], share=True) for name in ("CPT(50%)", "CPT(80%)")),
        IdKind.EVALUATION.ref(labelled.evaluation_id),
    )


def _facts(report: LabelReport) -> Iterator[tuple[str, str]]:
    judging, tally, shares = report.judging, report.judging.tally, report.shares
    yield "models", f"{judging.pair} (strong / weak)"
    yield "judge", f"{judging.judge}, instructions {judging.judge_prompt}"
    if shares is not None:
        yield "strong won", f"{percent(shares.strong_won)} of the requests"
        yield "weak won", percent(shares.weak_won)
        yield (
            "ties",
            f"{percent(shares.ties)}; {tally.disagreed:,} of {tally.ties:,} tied prompts because "
            f"the orders differ, {tally.equal_answers:,} because the answers are equal",
        )
    if report.routers:
        gap = report.routers[0].answer.gap
        yield "gap", _gap_words(gap, report)
    decided = tally.first_place + tally.second_place
    if decided:
        share = judging_options.count_and_share(tally.first_place, decided)
        yield "first place", f"{share} of verdicts for a model"
    strata = f", from {report.strata} strata of the score" if report.strata else ""
    yield (
        "prompts",
        f"{tally.judged:,} with a verdict of {judging.prompts:,} drawn{strata}; "
        f"{report.distinct:,} in all",
    )
    yield (
        "requests",
        f"{report.requests:,.0f}; the drawn prompts make up "
        f"{percent(report.own_requests / report.requests)} of them, and stand for all",
    )
    if report.excluded:
        words = ", ".join(f"{weight:,.0f} {why}" for why, weight in report.excluded.items())
        yield "not drawn from", f"{words} requests, whose prompt is not there"
    if judging.output is not None:
        yield "battles", str(judging.output)
    yield from judging_options.rows_of_the_work(judging)
    if report.routers and tally.judged < ROUGH_BELOW:
        yield "intervals", f"rough: {tally.judged:,} prompts are few"
    yield "complete", "yes" if judging.complete else "no"


def _gap_words(gap: Estimate, report: LabelReport) -> str:
    """How much more often the strong model won than the weak one, in points of the requests."""
    value, low, high = (f"{100 * end:.1f}" for end in (gap.value or 0.0, gap.low, gap.high))
    pair = report.judging.pair
    return f"{pair.strong} won {value} points more than {pair.weak}: {low} to {high}"


def _interval(estimate: Estimate | None, *, share: bool = False) -> str:
    """A figure with its interval."""
    if estimate is None:
        return "-"

    def shown(value: float | None) -> str:
        if value is None or math.isinf(value):
            return "never"
        return f"{100 * value:.1f}" if share else f"{value:.3f}"

    unit = " %" if share and estimate.value is not None else ""
    if math.isinf(estimate.low):
        return f"{shown(estimate.value)}{unit} (unbounded)"
    return f"{shown(estimate.value)}{unit} ({shown(estimate.low)} to {shown(estimate.high)})"


def label_json(report: LabelReport) -> dict[str, object]:
    """The report for programs; an end that is not bounded is null."""
    return {
        "answer": report.routers[0].answer.better_than_random if report.routers else "can't tell",
        "routers": [_router_json(labelled) for labelled in report.routers],
        "shares": report.shares and asdict(report.shares),
        "strata": report.strata,
        "distinct_prompts": report.distinct,
        "requests": report.requests,
        "requests_of_drawn_prompts": report.own_requests,
        "excluded": report.excluded,
        "confidence": report.confidence,
        "kept": str(report.kept),
        "judging": judging_options.judging_json(report.judging),
    }


def _router_json(labelled: LabelledRouter) -> dict[str, object]:
    answer = labelled.answer
    return {
        "router": labelled.router.name,
        "fingerprint": labelled.router.fingerprint,
        "model_pair": labelled.router.model_pair,
        "scored_as": dict(labelled.router.scored_as),
        "evaluation": labelled.evaluation_id,
        "better_than_random": answer.better_than_random,
        "gap_is": answer.gap_is,
        "gap": answer.gap.to_json(),
        "figures": {name: figure and figure.to_json() for name, figure in answer.figures.items()},
        "prompts_needed": answer.needed,
    }
