"""Segments: parts of the traffic with a threshold of their own, and a default for the rest."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from routectl.calibration.arrays import Booleans, Floats, Integers
from routectl.calibration.clusters import Ids
from routectl.calibration.cut import Cut, Spending
from routectl.calibration.effective_size import Dependence, EffectiveSize
from routectl.calibration.intervals import Interval, long_run_interval, upper_limit
from routectl.calibration.sample import ScoredSample
from routectl.calibration.targets import StrongFraction
from routectl.errors import CalibrationError
from routectl.policy import meets, threshold_value

FEWEST_INDEPENDENT = 100
"""Independent requests (the corrected effective size at its own threshold) from which a segment
has a threshold of its own: the long-run share is then known to about 10 points. Smaller segments
are pooled."""

_COMPARED_AT = 0.95
"""The confidence of that corrected size, whatever that of the intervals is."""


@dataclass(frozen=True, slots=True, eq=False)
class Segments:
    """Which segment each of n requests is of."""

    names: tuple[str, ...]
    of_request: Integers
    """int64[n]: index into `names`, -1 for a request that is of none of these."""

    def at(self, rows: Ids | Booleans) -> Segments:
        """The same of some of the requests."""
        return Segments(self.names, self.of_request[rows])

    def members(self) -> tuple[list[Ids], Ids]:
        """The requests of each segment, and those of none; ascending."""
        order = np.argsort(self.of_request, kind="stable")
        bounds = np.searchsorted(self.of_request[order], np.arange(-1, len(self.names) + 1))
        parts = [order[a:b] for a, b in pairwise(bounds)]
        return parts[1:], parts[0]


@dataclass(frozen=True, slots=True)
class SegmentCut:
    """A segment with its threshold, or the default with the requests that it decides.

    Plain values; `asdict` gives JSON. What is None in a default that decides no request of the
    sample is None because of that.
    """

    segment: str | None
    """None: the default."""
    requests: int
    """Requests with a score, unweighted."""
    weight: float
    """Requests of the population that these stand for."""
    threshold: str
    strong_fraction: float | None
    """Weighted, at the threshold's text."""
    long_run: Interval | None
    """For the share of all requests of this segment to come."""
    n_eff_corrected: float | None
    """What its sample is worth, in independent requests, after the t correction."""
    guaranteed: float | None
    """What the long-run share is not above, with the target's guarantee; None where it has none."""
    missed_by: float | None
    """How far the share is from the target, where that is more than the tolerance."""
    spending: Spending | None
    """None where of no request the cost with both models is known."""
    saved_a_month: float | None = None
    """US dollars against always-strong, its part of what the whole policy saves; None where no
    month is known."""


@dataclass(frozen=True, slots=True)
class SegmentedCut:
    """The thresholds of all segments. Plain values; `asdict` gives JSON."""

    cuts: tuple[SegmentCut, ...]
    """Those with a threshold of their own, the most requests first; then the default."""
    fewest_independent: int
    """Independent requests from which a segment has a threshold of its own."""
    pooled: int
    """Segments that have fewer, and get the default."""
    default_from_all: bool
    """The default's threshold was chosen on all requests, because those that it decides are fewer
    than `fewest_independent` independent ones."""

    @property
    def policy_thresholds(self) -> dict[str, tuple[str, ...]]:
        """Segment -> its one threshold, as a policy holds them; without the default."""
        return {cut.segment: (cut.threshold,) for cut in self.cuts if cut.segment is not None}

    @property
    def missed(self) -> list[SegmentCut]:
        """Those whose share is further from the target than the tolerance."""
        return [cut for cut in self.cuts if cut.missed_by is not None]


@dataclass(frozen=True, slots=True, eq=False)
class Fitted:
    """What a fit of all segments gives."""

    cut: Cut
    """Of the whole policy: its threshold and gap are the default's, its shares are of all."""
    segmented: SegmentedCut
    segments: Segments
    """Those with a threshold of their own, in the order of their cuts."""
    thresholds: Floats
    """float64[n]: what each request's score is compared with."""


def fit_segments(
    sample: ScoredSample,
    segments: Segments,
    target: StrongFraction,
    *,
    noise: float,
    confidence: float,
    pooled: int = 0,
) -> Fitted:
    """Choose a threshold for each segment that is large enough, and one for the rest.

    Args:
        segments: of the sample's requests.
        noise: the largest difference between two scores of one prompt by this router.
        confidence: of the intervals, in (0, 1).
        pooled: segments that are not among `segments` because they have too few requests.

    Raises:
        CalibrationError: no segment is large enough, or one cannot meet the target.
    """
    own: list[tuple[str, Ids, Cut]] = []
    members, rest = segments.members()
    for name, rows in zip(segments.names, members, strict=True):
        cut = _own_cut(sample.at(rows), target, noise, name) if len(rows) else None
        if cut is None:
            rest = np.concatenate((rest, rows))
        else:
            own.append((name, rows, cut))
    if not own:
        raise CalibrationError(
            f"No segment is worth {FEWEST_INDEPENDENT} independent requests, from which one gets a "
            "threshold of its own: leave --by out, or take more days."
        )
    own.sort(key=lambda entry: (-len(entry[1]), entry[0]))
    rest.sort()
    from_all = not len(rest) or _independent_at_median(sample.at(rest)) < FEWEST_INDEPENDENT
    default = _cut(sample if from_all else sample.at(rest), target, noise)

    thresholds = np.full(len(sample), threshold_value(default.threshold))
    of_request = np.full(len(sample), -1, dtype=np.int64)
    for number, (_, rows, cut) in enumerate(own):
        thresholds[rows], of_request[rows] = threshold_value(cut.threshold), number
    saved = _saved_a_month(sample, thresholds)
    parts: list[tuple[str | None, Ids, Cut]] = [*own]
    if len(rest):
        parts.append((None, rest, default))
    cuts = [
        replace(
            # The text decides the rest's own share, also where it was chosen on all requests.
            _described(name, sample.at(rows), cut, target, confidence),
            saved_a_month=None if saved is None else float(saved[rows].sum()),
        )
        for name, rows, cut in parts
    ]
    if not len(rest):
        cuts.append(SegmentCut(None, 0, 0.0, default.threshold, None, None, None, None, None, None))
    return Fitted(
        cut=_whole(sample, thresholds, default),
        segmented=SegmentedCut(
            tuple(cuts), FEWEST_INDEPENDENT, pooled + len(segments.names) - len(own), from_all
        ),
        segments=Segments(tuple(name for name, _, _ in own), of_request),
        thresholds=thresholds,
    )


def refitted_thresholds(
    earlier: ScoredSample,
    fitted: Fitted,
    is_earlier: Booleans,
    is_later: Booleans,
    target: StrongFraction,
    *,
    noise: float,
) -> tuple[str, Floats, Floats]:
    """The thresholds that an earlier part of a sample gives, for the same segments.

    Args:
        earlier: the earlier requests.
        fitted: what the whole sample gave.
        is_earlier: bool[n], which requests of the whole sample these are.
        is_later: bool[n], which ones they are tried on.

    Returns:
        The default's text, and what each earlier and each later request is compared with. A segment
        without an earlier request gets the default.

    Raises:
        CalibrationError: a segment cannot meet the target.
    """
    segments, later = fitted.segments.at(is_earlier), fitted.segments.at(is_later)
    members, rest = segments.members()
    on_all = fitted.segmented.default_from_all or not len(rest)
    default = _cut(earlier if on_all else earlier.at(rest), target, noise).threshold
    values = [
        threshold_value(_cut(earlier.at(rows), target, noise).threshold if len(rows) else default)
        for rows in members
    ]
    # The last one is what -1 takes.
    by_number = np.array([*values, threshold_value(default)])
    return default, by_number[segments.of_request], by_number[later.of_request]


def whole_cut(sample: ScoredSample, strong: Booleans, threshold: str) -> Cut:
    """What a split of the sample achieves that need not be one threshold's: without its gap.

    Args:
        strong: bool[n].
        threshold: the text that the cut is to hold.
    """
    # As scores of 0 and 1 the split is a cut of its own table, at any threshold between.
    table = replace(sample, win_rates=strong.astype(np.float64)).cut_table()
    return replace(
        Cut.of(table, table.at(0.5), threshold), next_share_below=None, next_share_above=None
    )


def _saved_a_month(sample: ScoredSample, thresholds: Floats) -> Floats | None:
    """What each request adds to what a month saves, US dollars, float64[n]."""
    if sample.month is None or sample.strong_cost is None or sample.weak_cost is None:
        return None
    spared = sample.strong_cost - sample.weak_cost
    is_known = np.isfinite(spared)
    spared[is_known & meets(sample.win_rates, thresholds)] = 0.0
    return sample.month.shares(spared)


def _whole(sample: ScoredSample, thresholds: Floats, default: Cut) -> Cut:
    cut = whole_cut(sample, meets(sample.win_rates, thresholds), default.threshold)
    return replace(cut, gap_lower=default.gap_lower, gap_upper=default.gap_upper)


def _cut(sample: ScoredSample, target: StrongFraction, noise: float) -> Cut:
    dependence = _dependence(sample)
    return target.cut(
        sample.cut_table(), noise, lambda t: dependence.size(meets(sample.win_rates, t))
    )


def _own_cut(sample: ScoredSample, target: StrongFraction, noise: float, name: str) -> Cut | None:
    """The cut of a segment; None where it is too small to have one.

    Raises:
        CalibrationError: it is large enough, and cannot meet the target.
    """
    if len(sample) < FEWEST_INDEPENDENT:
        return None
    try:
        cut = _cut(sample, target, noise)
    except CalibrationError as error:
        if _independent_at_median(sample) < FEWEST_INDEPENDENT:
            return None
        raise CalibrationError(f"In segment {name!r}: {error}") from None
    size = _dependence(sample).size(meets(sample.win_rates, threshold_value(cut.threshold)))
    return cut if size.corrected(_COMPARED_AT) >= FEWEST_INDEPENDENT else None


def _independent_at_median(sample: ScoredSample) -> float:
    strong = meets(sample.win_rates, float(np.median(sample.win_rates)))
    return _dependence(sample).size(strong).corrected(_COMPARED_AT)


def _dependence(sample: ScoredSample) -> Dependence:
    return Dependence.of(sample.weights, sample.prompts, sample.conversations, sample.times)


def _described(
    name: str | None, sample: ScoredSample, cut: Cut, target: StrongFraction, confidence: float
) -> SegmentCut:
    strong = meets(sample.win_rates, threshold_value(cut.threshold))
    size = _dependence(sample).size(strong)
    achieved = whole_cut(sample, strong, cut.threshold)
    return SegmentCut(
        segment=name,
        requests=len(sample),
        weight=float(sample.weights.sum()),
        threshold=cut.threshold,
        strong_fraction=achieved.strong_fraction,
        long_run=long_run_interval(size, confidence),
        n_eff_corrected=size.corrected(confidence),
        guaranteed=guaranteed_share(size, target),
        missed_by=target.missed_by(achieved),
        spending=achieved.spending,
    )


def guaranteed_share(size: EffectiveSize, target: StrongFraction) -> float | None:
    """What the long-run share is not above, with the confidence that a target asks for; None where
    it asks for none."""
    if target.guarantee is None:
        return None
    if target.share == 0.0 and size.share == 0.0:
        return 0.0  # its threshold means never
    return upper_limit(size.share, size.corrected_one_sided(target.guarantee), target.guarantee)
