"""Figures with their intervals, as people read them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from routectl.evaluation.bootstrap import Comparison, Estimate

_WORDS = {"better": "yes", "worse": "no", "can't tell": "can't tell"}


def number_text(estimate: Estimate) -> str:
    """A figure with its interval; digits by its size."""
    assert estimate.value is not None
    digits = 3 if abs(estimate.value) < 1 else 2
    text = f"{estimate.value:.{digits}f}"
    if estimate.low == estimate.high:
        return text
    return f"{text} ({end_text(estimate.low, digits)}-{end_text(estimate.high, digits)})"


def end_text(value: float, digits: int) -> str:
    """An end of an interval; "any" where it is not bounded."""
    return "any" if math.isinf(value) else f"{value:.{digits}f}"


def cpt_text(estimate: Estimate) -> str:
    """A strong fraction with its interval, in percent; never, where it is never reached."""
    if estimate.value is None:
        return "never"
    text = f"{100 * estimate.value:.1f} %"
    if estimate.low == estimate.high:
        return text
    high = "never" if math.isinf(estimate.high) else f"{100 * estimate.high:.1f}"
    low = "0" if math.isinf(estimate.low) else f"{100 * estimate.low:.1f}"
    return f"{text} ({low}-{high})"


def comparison_cells(comparison: Comparison) -> tuple[str, str]:
    """Whether one is better; and the difference with its interval."""
    ends = (comparison.low, comparison.high)
    low, high = (f"{end:+.3f}" if math.isfinite(end) else "any" for end in ends)
    value = "-" if comparison.difference is None else f"{comparison.difference:+.3f}"
    return _WORDS[comparison.verdict], f"{value} ({low} to {high})"
