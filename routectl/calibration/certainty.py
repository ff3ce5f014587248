"""How sure a cut is, what could not be seen, and what a reader must be warned of."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from routectl.calibration.arrays import Booleans, Floats, Integers
from routectl.calibration.cut import Cut
from routectl.calibration.days import FEWEST_DAYS
from routectl.calibration.effective_size import (
    RECURS_FROM,
    ClusterKind,
    Deciding,
    Dependence,
)
from routectl.calibration.intervals import (
    Interval,
    long_run_interval,
    next_requests_interval,
    requests_for_half_width,
)
from routectl.calibration.sample import ScoredSample
from routectl.calibration.segments import SegmentedCut
from routectl.calibration.self_check import SelfCheck
from routectl.calibration.targets import Budget, Target
from routectl.policy import meets, threshold_value

ROUGH_BELOW = 10
"""Degrees of freedom below which the intervals are rough: the standard error is itself known to
a quarter at best."""

MANY_UNDECIDED = 0.005
"""Share of requests within the noise of the threshold above which a warning is due."""


@dataclass(frozen=True, slots=True)
class RecurringPrompt:
    """A prompt that many requests have on many days."""

    prompt: int
    """The id of its row in `prompts`."""
    share: float
    """Its weighted share of the requests."""
    strong: bool
    """Whether its requests go to the strong model."""


@dataclass(frozen=True, slots=True)
class WithoutPrompts:
    """The share of the requests that have none of some prompts."""

    requests: int
    strong_fraction: float
    long_run: Interval


@dataclass(frozen=True, slots=True)
class Certainty:
    """What a cut rests on. Plain values; `asdict` gives JSON."""

    requests: int
    """Requests with a score, unweighted."""
    prompts: int
    """Distinct prompts among them."""
    clusters: int
    """Units: conversations, or prompts."""
    cluster_kind: ClusterKind
    days: int | None
    """Calendar days (UTC) with a request; 0 where no time is known, None in a record of before
    days were looked at."""
    weeks: int
    """Whole weeks from the first of them to the last."""
    untimed: float
    """Weighted share of the requests without a time."""
    decided_by: Deciding
    """Whose variance is the largest, and decides the intervals: that of the units
    (`cluster_kind`), of days or of weeks. Units below 5 days: the intervals are of these days."""
    lag_1_correlation: float | None
    """Of one day's share and the next one's, after the weekdays are taken out; None below 14 days,
    or where no day follows another."""
    days_are_alike: bool
    """That correlation exceeds its standard error, and days differ by more than chance."""
    n_eff: float
    """Independent requests that the sample is worth, for this share."""
    n_eff_corrected: float
    """`n_eff` after the t correction; the n of both intervals."""
    degrees_of_freedom: float | None
    """None where the share is 0 or 1, or there is a single cluster."""
    long_run: Interval
    """For the share of all requests to come, at this threshold."""
    next_requests: int
    next_share: Interval
    """For the share of the next `next_requests` requests. Wider than `long_run`."""
    requests_for_one_point: int
    """Requests that a long-run interval of +-1 point takes, of the same traffic and as many a
    day."""
    days_for_one_point: int | None
    """The days that these are; None below 5 days."""
    recurring_prompts: int
    """Prompts that recur on at least half of the days, from 10 days on. They are part of every
    day, and not clusters."""
    recurring_share: float
    """Their weighted share of the requests."""
    named_prompts: tuple[RecurringPrompt, ...]
    """Below 28 days, the prompts of at least 5 % of the requests and on at least half of the days:
    they may be a long burst. Below 10 days each is one cluster."""
    without_named: WithoutPrompts | None
    """Below 10 days, the requests that have none of these; None where there is no such prompt or
    request."""
    undecided: float
    """Weighted share of the requests whose score is so near the threshold that the noise can
    turn the decision."""
    excluded: float
    """Weighted requests of the population that have no score."""
    strong_fraction_low: float
    """The strong fraction if all excluded requests went to the weak model, and below, if all
    went to the strong one."""
    strong_fraction_high: float

    @property
    def rough(self) -> bool:
        """The variance rests on fewer than 10 degrees of freedom."""
        df = self.degrees_of_freedom
        return (self.n_eff - 1 if df is None else df) < ROUGH_BELOW

    @property
    def many_undecided(self) -> bool:
        """`undecided` is above 0.5 %."""
        return self.undecided > MANY_UNDECIDED


def certainty_of(
    sample: ScoredSample,
    dependence: Dependence,
    cut: Cut,
    *,
    noise: float,
    excluded_weight: float,
    confidence: float,
    next_requests: int,
    thresholds: Floats | None = None,
) -> Certainty:
    """How sure the share of a cut is.

    Args:
        dependence: of this sample.
        cut: of this sample.
        noise: the largest difference between two scores of one prompt by this router.
        excluded_weight: weighted requests of the population that have no score.
        confidence: of both intervals, in (0, 1).
        next_requests: N of the statement about the next N requests, at least 1.
        thresholds: of each request, float64[n], where segments have their own; None: the cut's.
    """
    # The exported text decides, as it will in the proxy.
    threshold = threshold_value(cut.threshold) if thresholds is None else thresholds
    strong = meets(sample.win_rates, threshold)
    size = dependence.size(strong)
    weight = float(sample.weights.sum())
    strong_weight = cut.strong_fraction * weight
    variation, calendar = size.variation, dependence.calendar
    for_one_point = requests_for_half_width(size, 0.01, confidence)
    return Certainty(
        requests=len(sample),
        prompts=dependence.prompts,
        clusters=size.clusters,
        cluster_kind=size.cluster_kind,
        days=len(calendar),
        weeks=calendar.whole_weeks,
        untimed=float(sample.weights[calendar.of_request < 0].sum()) / weight,
        decided_by=size.decided_by,
        lag_1_correlation=None if variation is None else variation.lag_1_correlation,
        days_are_alike=size.days_are_alike,
        n_eff=size.n_eff,
        n_eff_corrected=size.corrected(confidence),
        degrees_of_freedom=size.degrees_of_freedom,
        long_run=long_run_interval(size, confidence),
        next_requests=next_requests,
        next_share=next_requests_interval(size, next_requests, confidence),
        requests_for_one_point=for_one_point,
        days_for_one_point=(
            None if variation is None else math.ceil(for_one_point / size.requests * len(calendar))
        ),
        recurring_prompts=len(dependence.recurring),
        recurring_share=dependence.recurring_share,
        named_prompts=_described(sample, dependence.named, strong),
        without_named=(
            _without(sample, dependence.named, strong, confidence)
            if len(calendar) < RECURS_FROM
            else None
        ),
        undecided=_undecided(sample, threshold, noise, weight),
        excluded=excluded_weight,
        strong_fraction_low=strong_weight / (weight + excluded_weight),
        strong_fraction_high=(strong_weight + excluded_weight) / (weight + excluded_weight),
    )


def _described(
    sample: ScoredSample, prompts: Integers, strong: Booleans
) -> tuple[RecurringPrompt, ...]:
    weight = float(sample.weights.sum())
    described = []
    for prompt in prompts:
        has_it = sample.prompts == prompt
        share = float(sample.weights[has_it].sum()) / weight
        described.append(RecurringPrompt(int(prompt), share, bool(strong[has_it][0])))
    return tuple(sorted(described, key=lambda prompt: -prompt.share))


def _without(
    sample: ScoredSample, prompts: Integers, strong: Booleans, confidence: float
) -> WithoutPrompts | None:
    if not len(prompts):
        return None
    rest = ~np.isin(sample.prompts, prompts)
    if not rest.any():
        return None
    dependence = Dependence.of(
        sample.weights[rest], sample.prompts[rest], sample.conversations[rest], sample.times[rest]
    )
    size = dependence.size(strong[rest])
    return WithoutPrompts(len(strong[rest]), size.share, long_run_interval(size, confidence))


def _undecided(
    sample: ScoredSample, threshold: float | Floats, noise: float, weight: float
) -> float:
    near: Booleans = (sample.win_rates >= threshold - noise) & (
        sample.win_rates < threshold + noise
    )
    return float(sample.weights[near].sum()) / weight


CaveatCode = Literal[
    "scores_of_one",
    "tie",
    "pays_for_all_strong",
    "no_times",
    "one_day",
    "few_days",
    "rough",
    "unsure_prompts",
    "recurring_prompts",
    "days_are_alike",
    "untimed",
    "many_undecided",
    "check_in_time_failed",
    "cost_unknown",
    "longer_than_read",
    "segments_missed",
]


@dataclass(frozen=True, slots=True)
class Caveat:
    """Something that a reader must know before they use the threshold; the printer words it."""

    code: CaveatCode
    facts: Mapping[str, float | str] = field(default_factory=dict)
    """By name; shares are in [0, 1]."""


def caveats(
    target: Target,
    cut: Cut,
    certainty: Certainty,
    self_check: SelfCheck | None,
    longer_than_read: float,
    segmented: SegmentedCut | None = None,
) -> list[Caveat]:
    """What a reader must be warned of, the gravest first.

    Args:
        longer_than_read: weighted share of the requests whose prompt is longer than the router
            reads.
        segmented: where segments have thresholds of their own. Of those that miss the target the
            facts are the shares, by name; "" is the default.
    """
    due: list[Caveat] = []
    if cut.lowest_share is not None:
        due.append(Caveat("scores_of_one", {"lowest_share": cut.lowest_share}))
    elif cut.tie is not None:
        tie, aim = cut.tie, target.aim(cut)
        assert aim is not None  # a tie keeps it out of reach
        due.append(
            Caveat(
                "tie",
                {
                    "target": aim,
                    "score": tie.score,
                    "requests": tie.requests,
                    "share_below": tie.share_below,
                    "share_above": tie.share_above,
                },
            )
        )
    if isinstance(target, Budget) and cut.affordable_share == 1.0:
        due.append(Caveat("pays_for_all_strong", {"budget": target.usd}))
    missed = [] if segmented is None else segmented.missed
    if missed:
        shares = {cut.segment or "": cut.strong_fraction or 0.0 for cut in missed}
        due.append(Caveat("segments_missed", shares))
    due += _about_days(certainty)
    if certainty.named_prompts:
        due.append(_recurring_prompts(certainty))
    if certainty.many_undecided:
        due.append(Caveat("many_undecided", {"undecided": certainty.undecided}))
    if self_check is not None and not self_check.inside:
        due.append(Caveat("check_in_time_failed", {"rate": 1 - self_check.confidence}))
    if cut.spending is not None and cut.spending.known_share < 1:
        due.append(Caveat("cost_unknown", {"unknown": 1 - cut.spending.known_share}))
    if longer_than_read > 0:
        due.append(Caveat("longer_than_read", {"longer_than_read": longer_than_read}))
    return due


def _about_days(certainty: Certainty) -> list[Caveat]:
    """What the days of the requests leave unsaid, and how rough the rest is."""
    due: list[Caveat] = []
    if certainty.days is None:
        pass
    elif certainty.days == 0:
        due.append(Caveat("no_times"))
    elif certainty.days == 1:
        due.append(Caveat("one_day"))
    elif certainty.days < FEWEST_DAYS:
        due.append(Caveat("few_days", {"days": certainty.days}))
    if certainty.rough:
        due.append(
            Caveat(
                "rough",
                {
                    "degrees_of_freedom": certainty.degrees_of_freedom or 0.0,
                    "clusters": certainty.clusters,
                    "cluster_kind": certainty.cluster_kind,
                    "days": certainty.days or 0,
                    "weeks": certainty.weeks,
                    "decided_by": certainty.decided_by,
                },
            )
        )
    if certainty.days_are_alike and certainty.lag_1_correlation is not None:
        due.append(
            Caveat(
                "days_are_alike",
                {"correlation": certainty.lag_1_correlation, "weeks": certainty.weeks},
            )
        )
    if certainty.days and certainty.untimed > 0:
        due.append(Caveat("untimed", {"untimed": certainty.untimed}))
    return due


def _recurring_prompts(certainty: Certainty) -> Caveat:
    named = certainty.named_prompts
    facts: dict[str, float | str] = {
        "prompts": ", ".join(str(prompt.prompt) for prompt in named),
        "count": len(named),
        "share": sum(prompt.share for prompt in named),
        "days": certainty.days or 0,
    }
    if (certainty.days or 0) >= RECURS_FROM:
        return Caveat("recurring_prompts", facts)
    rest = certainty.without_named
    if rest is not None:
        facts |= {
            "rest_share": rest.strong_fraction,
            "rest_low": rest.long_run.low,
            "rest_high": rest.long_run.high,
        }
    return Caveat("unsure_prompts", facts)
