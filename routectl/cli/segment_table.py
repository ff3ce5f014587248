"""How the segments of a calibration are shown."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from routectl.cli.console import Console, percent, percent_range, width
from routectl.cli.policy_text import segment_count, segment_word

if TYPE_CHECKING:
    from routectl.calibration import Interval, SegmentCut, SegmentedCut
    from routectl.policy import Policy
    from routectl.workflow.calibrating.recorded import RecordedCalibration


def print_segments(console: Console, policy: Policy, segmented: SegmentedCut | None) -> None:
    """A row for each segment with a threshold of its own, and one for the rest."""
    if segmented is None:
        return
    console.line()
    headers, rows = columns(policy, segmented)
    console.table(rows, headers=headers, wrapped=(0,))
    for line in rule_lines(policy, segmented):
        console.line(line)


def columns(policy: Policy, segmented: SegmentedCut) -> tuple[list[str], list[list[str]]]:
    """The headers of a table of segments, and its rows."""
    cuts = segmented.cuts
    has_guarantee = any(cut.guaranteed is not None for cut in cuts)
    has_saving = any(cut.saved_a_month is not None for cut in cuts)
    headers = [
        segment_word(policy.segment_field),
        "requests",
        "threshold",
        "strong",
        _long_run(cuts),
    ]
    headers += ["at most"] * has_guarantee + ["USD saved a month"] * has_saving
    rows = [
        [
            "(default)" if cut.segment is None else cut.segment,
            f"{cut.requests:,}",
            cut.threshold,
            percent(cut.strong_fraction, 2),
            _range(cut.long_run),
            *([percent(cut.guaranteed, 2)] * has_guarantee),
            *(["-" if cut.saved_a_month is None else f"{cut.saved_a_month:z,.2f}"] * has_saving),
        ]
        for cut in cuts
    ]
    return headers, rows


def rule_lines(policy: Policy, segmented: SegmentedCut) -> list[str]:
    """Which segments have a threshold of their own, and who gets the default, wrapped."""
    word, fewest = segment_word(policy.segment_field), segmented.fewest_independent
    pooled = segmented.pooled
    others = f"{pooled:,} smaller one{'' if pooled == 1 else 's'}, " if pooled else ""
    text = (
        f"A {word} has a threshold of its own from {fewest} independent requests on. The default "
        f"is for all others: {others}requests without a {word}, and any {word} that is not listed."
    )
    if segmented.default_from_all:
        text += f" Those are fewer than {fewest} independent requests, so it was chosen on all."
    return textwrap.wrap(text, width())


def missed_in_segments(facts: Mapping[str, Any]) -> str:
    """The segments whose share is too far from the target, as a sentence."""
    return f"the target is missed by more than the tolerance in a segment: {_shares(facts)}"


def segment_shares(segmented: SegmentedCut) -> str:
    """The same, as a part of one."""
    missed = {cut.segment or "": cut.strong_fraction for cut in segmented.missed}
    return f"in a segment: {_shares(missed)}"


def _shares(by_name: Mapping[str, Any]) -> str:
    return ", ".join(
        f"{name or 'the default'} {percent(share, 2)}" for name, share in by_name.items()
    )


def threshold_text(result: RecordedCalibration) -> str:
    """The threshold; where segments have their own, what it is for."""
    threshold, policy = result.choice.cut.threshold, result.policy
    if not policy.segments:
        return threshold
    others = segment_count(policy.segment_field, len(policy.segments))
    return f"{threshold}, and of their own for {others}"


def _long_run(cuts: tuple[SegmentCut, ...]) -> str:
    confidence = next((c.long_run.confidence for c in cuts if c.long_run is not None), 0.95)
    return f"long run ({percent(confidence, 0)})"


def _range(interval: Interval | None) -> str:
    return "-" if interval is None else percent_range(interval.low, interval.high)
