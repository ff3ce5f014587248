"""The whole answer: a threshold for a target, what it achieves, and how sure that is."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from routectl.calibration.arrays import Integers
from routectl.calibration.certainty import Certainty, certainty_of
from routectl.calibration.clusters import dense
from routectl.calibration.cut import Cut
from routectl.calibration.effective_size import Dependence
from routectl.calibration.money import Month, changes_model, month_of_cut
from routectl.calibration.sample import ScoredSample
from routectl.calibration.segments import (
    SegmentedCut,
    Segments,
    fit_segments,
    guaranteed_share,
)
from routectl.calibration.self_check import SelfCheck, check_in_time
from routectl.calibration.targets import StrongFraction, Target
from routectl.errors import UsageError
from routectl.policy import meets, threshold_value


@dataclass(frozen=True, slots=True)
class Choice:
    """A threshold and what can be said about it. Plain values; `asdict` gives JSON."""

    target: Target
    cut: Cut
    certainty: Certainty
    self_check: SelfCheck | None
    self_check_skipped: str | None
    """Why there is no self check; None where there is one."""
    month: Month | None = None
    """What 30 days cost; None where no month or no price is known."""
    changes_model: float | None = None
    """Share of the requests whose conversation's request before goes to the other model, which
    has no prompt cache of it; None where no prices or no conversations with times are known."""
    segmented: SegmentedCut | None = None
    """The segments' own thresholds. `cut` is then that of the whole policy: its threshold and gap
    are the default's, and no cut is next to it. None where there are no segments."""


def choose(
    sample: ScoredSample,
    target: Target,
    *,
    noise: float,
    excluded_weight: float = 0.0,
    confidence: float = 0.95,
    next_requests: int = 1000,
    segments: Segments | None = None,
    pooled: int = 0,
) -> Choice:
    """Choose the threshold that meets a target.

    Args:
        noise: the largest difference between two scores of one prompt by this router.
        excluded_weight: weighted requests of the population that have no score.
        confidence: of both intervals, in (0, 1).
        next_requests: N of the statement about the next N requests, at least 1.
        segments: of the sample's requests, where each is to have a threshold of its own. What is
            said of certainty is then of all of them together.
        pooled: segments that have too few requests to be among them.

    Raises:
        UsageError: the confidence or N is out of range.
        CalibrationError: no cut has what the target asks for, or no segment is large enough.
    """
    if not 0.0 < confidence < 1.0:
        raise UsageError(
            f"A confidence lies between 0 and 1, for example 0.95, not at {confidence}."
        )
    if next_requests < 1:
        raise UsageError(f"The next requests are at least 1, not {next_requests}.")

    # Once, because both the whole sample and its earlier part ask who shares a conversation.
    sample = replace(sample, conversations=_numbered(sample.conversations))
    dependence = Dependence.of(sample.weights, sample.prompts, sample.conversations, sample.times)
    fitted = None
    if segments is None:
        cut = target.cut(
            sample.cut_table(), noise, lambda t: dependence.size(meets(sample.win_rates, t))
        )
    elif isinstance(target, StrongFraction):
        fitted = fit_segments(
            sample, segments, target, noise=noise, confidence=confidence, pooled=pooled
        )
        size = dependence.size(meets(sample.win_rates, fitted.thresholds))
        cut = replace(fitted.cut, guaranteed=guaranteed_share(size, target))
    else:
        raise UsageError(
            "Segments get the same share of their requests each, so they take a strong fraction; "
            "any other target is one of all requests together."
        )
    # Whether a share would have held: other targets are about more than the scores of some days.
    share = target if isinstance(target, StrongFraction) else StrongFraction(cut.strong_fraction)
    checked = check_in_time(sample, share, noise=noise, confidence=confidence, fitted=fitted)
    thresholds = threshold_value(cut.threshold) if fitted is None else fitted.thresholds
    is_strong = meets(sample.win_rates, thresholds)
    month = changes = None
    if sample.strong_cost is not None and sample.weak_cost is not None:
        changes = changes_model(is_strong, sample.weights, sample.conversations, sample.times)
        if sample.month is not None:
            month = month_of_cut(
                sample.month,
                dependence,
                is_strong,
                sample.strong_cost,
                sample.weak_cost,
                confidence,
            )
    return Choice(
        target=target,
        cut=cut,
        certainty=certainty_of(
            sample,
            dependence,
            cut,
            noise=noise,
            excluded_weight=excluded_weight,
            confidence=confidence,
            next_requests=next_requests,
            thresholds=None if fitted is None else fitted.thresholds,
        ),
        self_check=checked if isinstance(checked, SelfCheck) else None,
        self_check_skipped=checked if isinstance(checked, str) else None,
        month=month,
        changes_model=changes,
        segmented=None if fitted is None else fitted.segmented,
    )


def _numbered(conversations: Integers) -> Integers:
    """The same conversations by numbers from 0, which are quicker to tell apart than keys are."""
    has_conversation = conversations >= 0
    if not has_conversation.any():
        return conversations
    numbers = np.full_like(conversations, -1)
    numbers[has_conversation] = dense(conversations[has_conversation])[0]
    return numbers
