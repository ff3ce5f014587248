"""The curve of `routectl report`: what other thresholds than the one that runs would give."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from routectl.cli.console import percent
from routectl.policy import threshold_value
from routectl.prices import CURRENCY
from routectl.records import IdKind
from routectl.report.page import Chart, Curve, Section

if TYPE_CHECKING:
    from routectl.calibration import Cut
    from routectl.workflow.calibrating.pricing import Costs
    from routectl.workflow.calibrating.what_if import WhatIf


def what_if_section(answer: WhatIf, costs: Costs | None) -> Section:
    """Share, money where it is known, quality where it was measured, threshold.

    Args:
        costs: of the calibration that runs.
    """
    cuts = [row.cut for row in answer.figures]
    headers = ["strong share"]
    texts = [[percent(cut.strong_fraction) for cut in cuts]]
    charts = []
    amounts = _amounts(answer, costs)
    if amounts is not None:
        unit, spent, saved = amounts
        headers += [f"{CURRENCY} {unit}", f"{CURRENCY} saved {unit}"]
        texts += [[f"{amount:z,.2f}" for amount in column] for column in (spent, saved)]
        charts.append(Chart(f"US dollars {unit}", spent))
    else:
        charts.append(Chart("Threshold", [threshold_value(cut.threshold) for cut in cuts]))
    evaluated = answer.evaluated
    if evaluated is not None:
        ref = IdKind.EVALUATION.ref(evaluated.evaluation_id)
        qualities = [row.quality for row in answer.figures if row.quality is not None]
        headers.append(f"quality ({ref})")
        texts.append([f"{mean:.3f}" for mean in qualities])
        charts.append(Chart(f"Mean quality, by evaluation {ref}", qualities))
    headers.append("threshold")
    texts.append([cut.threshold for cut in cuts])
    sentences = [
        "What each threshold would give, for the same requests and with the same assumptions. The "
        "ring is what runs now."
    ]
    if evaluated is not None:
        judged = "your traffic" if evaluated.on_traffic else evaluated.benchmark
        sentences.append(
            f"The quality is the mean of {answer.judged:,} judged prompts of {judged}, "
            f"answered by {evaluated.strong_model} and {evaluated.weak_model}, in the judgements' "
            "own unit. It is an estimate, and differences between near shares may be chance."
        )
    if not answer.as_calibrated:
        sentences.append(
            f"Of the {answer.requests:,} requests with a score that are stored now: some came or "
            "went since the calibration, so its own figures differ a little."
        )
    return Section(
        title="What if",
        sentences=sentences,
        curve=Curve(
            title="What each share for the strong model would give",
            label="Share of the requests for the strong model",
            shares=[cut.strong_fraction for cut in cuts],
            headers=headers,
            rows=list(zip(*texts, strict=True)),
            charts=charts,
            in_table=sorted({answer.current, *(_nearest(cuts, step / 10) for step in range(11))}),
            numeric=range(1, len(headers)),
            current=answer.current,
        ),
    )


def _nearest(cuts: Sequence[Cut], share: float) -> int:
    return min(range(len(cuts)), key=lambda index: abs(cuts[index].strong_fraction - share))


def _amounts(
    answer: WhatIf, costs: Costs | None
) -> tuple[str, Sequence[float], Sequence[float]] | None:
    """The unit of money; what each cut costs, and what it saves against always-strong."""
    if costs is None:
        return None
    months = [row.month for row in answer.figures if row.month is not None]
    if months and not isinstance(costs.month, str):
        spent = [month.this_threshold for month in months]
        return "a month", spent, [month.saved for month in months]
    spendings = [row.cut.spending for row in answer.figures if row.cut.spending is not None]
    if len(spendings) < len(answer.figures):
        return None
    return (
        "per 1,000 requests",
        [spending.this_threshold for spending in spendings],
        [spending.always_strong - spending.this_threshold for spending in spendings],
    )
