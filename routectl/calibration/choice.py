"""The whole answer: a threshold for a target, what it achieves, and how sure that is."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from routectl.calibration.cut_table import CutTable, cut_table
from routectl.calibration.effective_size import ClusterKind, dense, effective_size
from routectl.calibration.intervals import (
    Interval,
    long_run_interval,
    next_requests_interval,
    requests_for_half_width,
)
from routectl.calibration.picking import ROUNDING, Tie, pick, threshold_text, tie_at
from routectl.calibration.sample import Booleans, Floats, Integers, ScoredSample
from routectl.calibration.self_check import SelfCheck, check_in_time
from routectl.errors import UsageError
from routectl.policy import meets, threshold_value

ROUGH_BELOW = 100
"""Clusters below which every statement about certainty is rough."""

UNDECIDED_WARNING = 0.005
"""Share of requests within the noise of the threshold above which a warning is due."""


@dataclass(frozen=True, slots=True)
class Choice:
    """A threshold and what can be said about it. Plain values; `asdict` gives JSON."""

    target: float
    """The strong fraction that was asked for."""
    at_most: bool
    threshold: str
    """Exactly the text to export: a request goes to the strong model iff score >= threshold."""
    gap_lower: float
    """Every threshold above this and up to `gap_upper` splits the sample alike. The gap of an
    all-strong cut starts at 0 and contains it."""
    gap_upper: float
    requests: int
    """Requests with a score, unweighted."""
    prompts: int
    """Distinct prompts among them."""
    clusters: int
    cluster_kind: ClusterKind
    n_eff: float
    """Independent requests that the sample is worth, for this share."""
    n_eff_corrected: float
    """`n_eff` after the t correction; the n of both intervals."""
    degrees_of_freedom: float | None
    """None where the share is 0 or 1, or there is a single cluster."""
    design_effect: float
    """requests / n_eff_corrected."""
    strong_fraction: float
    """Weighted share of the requests that goes to the strong model."""
    next_share_below: float | None
    """The achievable shares beside it; None at the ends."""
    next_share_above: float | None
    tie: Tie | None
    """The tie that keeps the target out of reach, if one does."""
    lowest_share: float | None
    """The lowest share that any threshold up to 1 achieves, where the target is below it
    because scores equal 1.0; else None."""
    long_run: Interval
    """For the share of all requests to come, at this threshold."""
    next_requests: int
    next_share: Interval
    """For the share of the next `next_requests` requests. Wider than `long_run`."""
    requests_for_half_the_width: int
    """Requests that a long-run interval of half this width takes."""
    requests_for_one_point: int
    """Requests that a long-run interval of +-1 point takes."""
    rough: bool
    """There are fewer than 100 clusters."""
    undecided: float
    """Weighted share of the requests whose score is so near the threshold that the noise can
    turn the decision."""
    many_undecided: bool
    """`undecided` is above 0.5 %."""
    token_share: float | None
    """Share of the tokens that goes to the strong model; None where no tokens are known."""
    tokens_known: float
    """Weighted share of the requests whose tokens are known."""
    spend_share: float | None
    """The same for what the proxy booked."""
    spend_known: float
    excluded: float
    """Weighted requests of the population that have no score."""
    strong_fraction_low: float
    """The strong fraction if all excluded requests went to the weak model, and below, if all
    went to the strong one."""
    strong_fraction_high: float
    self_check: SelfCheck | None
    self_check_skipped: str | None
    """Why there is no self check; None where there is one."""


def choose(
    sample: ScoredSample,
    *,
    strong_fraction: float,
    at_most: bool = False,
    noise: float,
    excluded_weight: float = 0.0,
    confidence: float = 0.95,
    next_requests: int = 1000,
) -> Choice:
    """Choose the threshold whose strong fraction is nearest the target.

    Args:
        strong_fraction: the target, in [0, 1].
        at_most: never above the target, where the scores allow it.
        noise: the largest difference between two scores of one prompt by this router.
        excluded_weight: weighted requests of the population that have no score.
        confidence: of both intervals, in (0, 1).
        next_requests: N of the statement about the next N requests, at least 1.

    Raises:
        UsageError: the target, the confidence or N is out of range.
    """
    if not 0.0 <= strong_fraction <= 1.0:
        raise UsageError(f"A strong fraction lies between 0 and 1, not at {strong_fraction}.")
    if not 0.0 < confidence < 1.0:
        raise UsageError(
            f"A confidence lies between 0 and 1, for example 0.95, not at {confidence}."
        )
    if next_requests < 1:
        raise UsageError(f"The next requests are at least 1, not {next_requests}.")

    # Once, because both the whole sample and its earlier part ask who shares a conversation.
    sample = replace(sample, conversations=_numbered(sample.conversations))
    table = cut_table(sample.win_rates, sample.weights)
    cut = pick(table, strong_fraction, at_most=at_most)
    text = threshold_text(table, cut, strong_fraction, noise)
    # From here on the exported text decides, as it will in the proxy.
    threshold = threshold_value(text)
    strong = meets(sample.win_rates, threshold)
    size = effective_size(strong, sample.weights, sample.prompts, sample.conversations)
    long_run = long_run_interval(size, confidence)
    corrected = size.corrected(confidence)
    undecided = _share(
        sample.weights,
        (sample.win_rates >= threshold - noise) & (sample.win_rates < threshold + noise),
    )
    strong_requests, requests = float(table.requests[cut]), float(table.requests[-1])
    checked = check_in_time(
        sample, strong_fraction, at_most=at_most, noise=noise, confidence=confidence
    )
    return Choice(
        target=strong_fraction,
        at_most=at_most,
        threshold=text,
        gap_lower=max(0.0, float(table.lower[cut])),
        gap_upper=float(table.upper[cut]),
        requests=len(sample),
        prompts=dense(sample.prompts)[1],
        clusters=size.clusters,
        cluster_kind=size.cluster_kind,
        n_eff=size.n_eff,
        n_eff_corrected=corrected,
        degrees_of_freedom=size.degrees_of_freedom,
        design_effect=len(sample) / corrected,
        # In units of the largest weight, equal weights are whole numbers and shares are exact.
        strong_fraction=_share(sample.weights / sample.weights.max(), strong),
        next_share_below=_share_beside(table, cut - 1),
        next_share_above=_share_beside(table, cut + 1),
        tie=tie_at(table, strong_fraction, float(sample.weights.max())),
        lowest_share=(
            float(table.share[0]) if table.share[0] > strong_fraction + ROUNDING else None
        ),
        long_run=long_run,
        next_requests=next_requests,
        next_share=next_requests_interval(size, next_requests, confidence),
        requests_for_half_the_width=requests_for_half_width(
            size, (long_run.high - long_run.low) / 4, confidence
        ),
        requests_for_one_point=requests_for_half_width(size, 0.01, confidence),
        rough=size.clusters < ROUGH_BELOW,
        undecided=undecided,
        many_undecided=undecided > UNDECIDED_WARNING,
        token_share=_share_of_amount(sample.tokens, sample.weights, strong),
        tokens_known=_share(sample.weights, np.isfinite(sample.tokens)),
        spend_share=_share_of_amount(sample.spend, sample.weights, strong),
        spend_known=_share(sample.weights, np.isfinite(sample.spend)),
        excluded=excluded_weight,
        strong_fraction_low=strong_requests / (requests + excluded_weight),
        strong_fraction_high=(strong_requests + excluded_weight) / (requests + excluded_weight),
        self_check=checked if isinstance(checked, SelfCheck) else None,
        self_check_skipped=checked if isinstance(checked, str) else None,
    )


def _numbered(conversations: Integers) -> Integers:
    """The same conversations by numbers from 0, which are quicker to tell apart than keys are."""
    known = conversations >= 0
    if not known.any():
        return conversations
    numbers = np.full_like(conversations, -1)
    numbers[known] = dense(conversations[known])[0]
    return numbers


def _share_beside(table: CutTable, index: int) -> float | None:
    return float(table.share[index]) if 0 <= index < len(table) else None


def _share(weights: Floats, chosen: Booleans) -> float:
    return float(weights[chosen].sum() / weights.sum())


def _share_of_amount(amounts: Floats, weights: Floats, strong: Booleans) -> float | None:
    known = np.isfinite(amounts)
    total = float((amounts[known] * weights[known]).sum())
    return float((amounts * weights)[known & strong].sum()) / total if total > 0 else None
