"""How many independent requests a sample is worth: weights and dependence in one number."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from routectl.calibration.arrays import Booleans, Floats, Integers
from routectl.calibration.clusters import Clusters, Ids, dense, variance_by
from routectl.calibration.days import (
    FEWEST_DAYS,
    CalendarDays,
    DayVariation,
    day_variation,
    is_alike,
)

ClusterKind = Literal["conversation", "prompt"]
Deciding = Literal["conversation", "prompt", "day", "week"]

RECURS_FROM = 10
"""From this many days on, a prompt on at least half of them is told from a burst."""

SURE_FROM = 28
"""From this many days on, a prompt on at least half of them is named no longer."""

NAMED_FROM = 0.05
"""Share of the requests from which a recurring prompt is named."""

_COMPARED_AT = 0.95
"""The confidence at which two ways of clustering are compared."""

_EQUAL = 1e-9
"""Effective sizes closer than this, relatively, are equal."""


@dataclass(frozen=True, slots=True, eq=False)
class EffectiveSize:
    """What a strong fraction rests on. research/statistics.md derives each number."""

    requests: int
    """Requests in the sample, unweighted."""
    clusters: int
    cluster_kind: ClusterKind
    """What the units are: of the two ways to tell them, the one with the smaller effective size."""
    decided_by: Deciding
    """Whose variance is the largest: that of the units, of days, or of weeks."""
    share: float
    """The strong fraction p that this belongs to."""
    variance: float
    """V, the variance of p over samples of units and days; 0 where p is 0 or 1."""
    n_eff: float
    """p(1-p)/V, at most `requests`. Where p is 0 or 1, or there is one cluster, V says nothing
    and this is Kish's effective number of clusters."""
    degrees_of_freedom: float | None
    """Of V; None where `n_eff` does not come from V."""
    n_eff_of_units: float
    """`n_eff` and `degrees_of_freedom` if units alone were dependent."""
    degrees_of_freedom_of_units: float | None
    days: int
    """Calendar days (UTC) with a request; 0 where no time is known."""
    variation: DayVariation | None = None
    """None below 5 days, where p is 0 or 1, or there is one cluster: nothing is then said of
    other days."""

    def corrected(self, confidence: float) -> float:
        """`n_eff` after the t correction of Korn and Graubard (1998): what intervals use."""
        return self.corrected_at(self.requests, confidence)

    def corrected_one_sided(self, confidence: float) -> float:
        """The same for a limit on one side."""
        return self.corrected(2 * confidence - 1)

    def corrected_at(self, requests: float, confidence: float) -> float:
        """The same for a sample of another size of the same traffic.

        The effective size and its degrees of freedom grow in proportion to the requests; so do the
        days.
        """
        growth = requests / self.requests
        return _corrected(
            self.n_eff * growth, requests, self.degrees_of_freedom, growth, confidence
        )

    def corrected_of_units(self, confidence: float) -> float:
        """`n_eff_of_units` after the t correction."""
        df = self.degrees_of_freedom_of_units
        return _corrected(self.n_eff_of_units, self.requests, df, 1.0, confidence)

    def corrected_with(self, added_variance: float, confidence: float) -> float:
        """`n_eff` after the t correction if V were larger by so much."""
        if added_variance <= 0.0 or self.variance <= 0.0:
            return self.corrected(confidence)
        variance = self.share * (1 - self.share) / self.n_eff
        return self.corrected(confidence) * variance / (variance + added_variance)

    @property
    def days_are_alike(self) -> bool:
        """One day is like the next, and days differ by more than chance."""
        variation = self.variation
        if variation is None or variation.between == 0.0:
            return False
        return is_alike(variation.lag_1_correlation, self.days)


def _corrected(
    n_eff: float, requests: float, df: float | None, growth: float, confidence: float
) -> float:
    from scipy.special import stdtrit

    if df is None or requests <= 1 or confidence <= 0.0:
        return n_eff
    tail = (1 - confidence) / 2
    ratio = stdtrit(requests - 1, tail) / stdtrit(df * growth, tail)
    return float(n_eff * min(1.0, ratio**2))


@dataclass(frozen=True, slots=True, eq=False)
class _Units:
    """One way to tell which requests are one unit."""

    kind: ClusterKind
    clusters: Clusters
    within_days: Clusters | None
    """Of the requests that have a day: those of one unit and one day. None: as `clusters`."""


@dataclass(frozen=True, slots=True, eq=False)
class Dependence:
    """Which requests of a sample depend on each other: all that does not depend on a cut."""

    weights: Floats
    """Shape (n,), in units of the largest."""
    unit: float
    """Requests that a weight of 1 stands for."""
    calendar: CalendarDays
    is_timed: Booleans | None
    """Shape (n,); None where all requests have a day, or none has."""
    days: Clusters | None
    """Of the requests that have a day; None below 5 days."""
    units: tuple[_Units, ...]
    recurring: Integers
    """Prompts on at least half of the days, from 10 days on; they are no clusters."""
    recurring_share: float
    """Their weighted share of the requests."""
    named: Integers
    """Below 28 days, the prompts of at least 5 % of the requests that are on at least half of the
    days. Below 10 days they are clusters."""
    prompts: int
    """Distinct prompts."""

    @classmethod
    def of(
        cls, weights: Floats, prompts: Integers, conversations: Integers, times: Floats
    ) -> Dependence:
        """
        Requests of one conversation, and requests with one prompt, are not independent. Where
        conversations are known the units are conversations (requests without one: equal
        prompts), else equal prompts.

        Args:
            weights: float64[n], above 0.
            prompts: int64[n], ids from 0.
            conversations: int64[n], ids from 0, -1 where unknown.
            times: seconds since 1970 in UTC, NaN where unknown, float64[n].
        """
        unit = float(weights.max())
        weights = weights / unit  # the unit cancels; equal weights become exactly 1
        calendar = CalendarDays.of(times)
        has_day = calendar.of_request >= 0
        is_timed = None if has_day.all() or not len(calendar) else has_day
        by_prompt, prompt_count = dense(prompts)
        days = None
        if len(calendar) >= FEWEST_DAYS:
            of_request = calendar.of_request
            days = (
                Clusters.in_order(of_request, len(calendar), weights)
                if is_timed is None
                else Clusters.in_order(of_request[is_timed], len(calendar), weights[is_timed])
            )
        enough_days = len(calendar) >= RECURS_FROM
        if enough_days:
            frequent = 2 * np.bincount(by_prompt) >= len(calendar)
        else:
            frequent = _is_heavy(by_prompt, weights)
        has_recurring = _has_recurring(by_prompt, frequent, calendar)
        alone = has_recurring if enough_days else has_recurring[:0]
        ids, count = by_prompt, prompt_count
        if len(alone):
            ids = by_prompt.copy()
            ids[alone] = prompt_count + np.arange(len(alone))
            ids, count = dense(ids)
        kinds: list[tuple[ClusterKind, Ids, int]] = [("prompt", ids, count)]
        has_conversation = conversations >= 0
        if has_conversation.any():
            by_conversation, conversation_count = dense(conversations[has_conversation])
            mixed = ids + conversation_count
            mixed[has_conversation] = by_conversation
            kinds.insert(0, ("conversation", *dense(mixed)))
        return cls(
            weights=weights,
            unit=unit,
            calendar=calendar,
            is_timed=is_timed,
            days=days,
            units=tuple(
                _Units(
                    kind,
                    Clusters.of(ids, count, weights),
                    None if days is None else _within_days(ids, count, calendar, is_timed, weights),
                )
                for kind, ids, count in kinds
            ),
            recurring=np.unique(prompts[alone]),
            recurring_share=float(weights[alone].sum() / weights.sum()),
            named=_named(prompts, by_prompt, has_recurring, weights, calendar),
            prompts=prompt_count,
        )

    def size(self, strong: Booleans) -> EffectiveSize:
        """The effective size behind the weighted share of `strong`, bool[n].

        Of the two ways to tell units, the one whose corrected effective size is smaller.
        """
        n = len(strong)
        share = float(self.weights[strong].sum()) / float(self.weights.sum())
        sizes = [self._of_units(units, strong, share) for units in self.units]
        varied = None
        if all(size.degrees_of_freedom is not None for size in sizes):
            varied = self._varied(strong)
        if varied is not None:
            variation, between_factor = varied
            # (n - 1) / n, so that independent requests of equal weight have n_eff = n.
            variation = replace(variation, variance=variation.variance * (n - 1) / n)
            within = [
                size.variance
                if units.within_days is None
                else self._within(units.within_days, strong) * (n - 1) / n
                for size, units in zip(sizes, self.units, strict=True)
            ]
            # Days differ by what exceeds the chance of whichever units vary most.
            between = max(0.0, variation.variance - max(within)) * between_factor
            variation = replace(variation, between=between)
            sizes = [
                self._with_days(size, variation, variance_within)
                for size, variance_within in zip(sizes, within, strict=True)
            ]
        smallest = min(size.corrected(_COMPARED_AT) for size in sizes)
        return next(
            size for size in sizes if size.corrected(_COMPARED_AT) <= smallest * (1 + _EQUAL)
        )

    def _of_units(self, units: _Units, strong: Booleans, share: float) -> EffectiveSize:
        """As if days were alike."""
        n = len(strong)
        clusters = units.clusters
        n_eff, variance, df = clusters.kish, 0.0, None
        if len(clusters) > 1 and 0.0 < share < 1.0:
            spread = share * (1 - share)
            residuals = clusters.residuals(strong, self.weights, share)
            by_unit = variance_by(residuals, clusters.weight, clusters.squares, spread)
            # (n - 1) / n, so that independent requests of equal weight have n_eff = n.
            variance, df = by_unit.value * (n - 1) / n, by_unit.degrees_of_freedom
            n_eff = min(float(n), spread / variance) if variance > 0 else float(n)
        return EffectiveSize(
            requests=n,
            clusters=len(clusters),
            cluster_kind=units.kind,
            decided_by=units.kind,
            share=share,
            variance=variance,
            n_eff=n_eff,
            degrees_of_freedom=df,
            n_eff_of_units=n_eff,
            degrees_of_freedom_of_units=df,
            days=len(self.calendar),
        )

    def _with_days(
        self, size: EffectiveSize, variation: DayVariation, within: float
    ) -> EffectiveSize:
        """V = V_unit + V_day - V_unit&day (Cameron, Gelbach and Miller 2011), or by weeks.

        Args:
            within: the variance by units within days.
        """
        df = size.degrees_of_freedom
        assert df is not None
        by_unit, by_day = size.variance, variation.variance
        variance = max(by_unit, by_unit + by_day - within)
        if self.is_timed is None:
            variance = max(variance, by_day)
        decided_by: Deciding = size.cluster_kind
        # Where the units' variance is the larger, its degrees of freedom count: with those of the
        # days, 14 days of independent requests took 1.3 times the ideal width.
        if variance > by_unit and variation.between > 0.0:
            decided_by, df = "day", min(df, variation.degrees_of_freedom)
        size = replace(size, variation=variation)
        weeks = variation.by_weeks
        if weeks is not None and size.days_are_alike:
            variance, df = max(variance, weeks.value), weeks.degrees_of_freedom
            decided_by = "week"
        n, spread = size.requests, size.share * (1 - size.share)
        return replace(
            size,
            decided_by=decided_by,
            variance=variance,
            n_eff=min(float(n), spread / variance) if variance > 0 else float(n),
            degrees_of_freedom=df,
        )

    def _varied(self, strong: Booleans) -> tuple[DayVariation, float] | None:
        if self.days is None:
            return None
        strong, weights = self._timed(strong)
        strong_weight = self.days.strong_weight(strong, weights)
        return day_variation(self.calendar, self.days, strong_weight, unit=self.unit)

    def _within(self, clusters: Clusters, strong: Booleans) -> float:
        """The variance of the share by units within days, of the requests that have a day."""
        strong, weights = self._timed(strong)
        share = float(weights[strong].sum()) / float(weights.sum())
        residuals = clusters.residuals(strong, weights, share)
        return variance_by(residuals, clusters.weight, clusters.squares, share * (1 - share)).value

    def _timed(self, strong: Booleans) -> tuple[Booleans, Floats]:
        if self.is_timed is None:
            return strong, self.weights
        return strong[self.is_timed], self.weights[self.is_timed]


def effective_size(
    strong: Booleans,
    weights: Floats,
    prompts: Integers,
    conversations: Integers,
    times: Floats | None = None,
) -> EffectiveSize:
    """The effective size behind the weighted share of `strong`; see `Dependence.of`.

    Args:
        strong: bool[n], which requests go to the strong model.
        times: None where no time is known.
    """
    if times is None:
        times = np.full(len(strong), np.nan)
    return Dependence.of(weights, prompts, conversations, times).size(strong)


def _within_days(
    ids: Ids, count: int, calendar: CalendarDays, is_timed: Booleans | None, weights: Floats
) -> Clusters | None:
    """The clusters of requests of one unit and one day; None where the units are these."""
    day = calendar.of_request
    if is_timed is not None:
        ids, day, weights = ids[is_timed], day[is_timed], weights[is_timed]
    day_of = np.empty(count, dtype=np.intp)
    day_of[ids] = day
    elsewhere = np.flatnonzero(day != day_of[ids])
    if len(elsewhere):
        pairs, pair_count = dense(ids[elsewhere] * len(calendar) + day[elsewhere])
        ids = ids.copy()
        ids[elsewhere] = count + pairs
        count += pair_count
    elif is_timed is None:
        return None
    if is_timed is None:  # each unit keeps a request of its own day, so there are no holes
        return Clusters.of(ids, count, weights)
    return Clusters.of(*dense(ids), weights)


def _is_heavy(by_prompt: Ids, weights: Floats) -> Booleans:
    """Which prompts are at least 5 % of the requests, and more than one; bool[prompts]."""
    weight = np.bincount(by_prompt, weights)
    heavy: Booleans = (weight >= NAMED_FROM * weight.sum()) & (np.bincount(by_prompt) > 1)
    return heavy


def _named(
    prompts: Integers, by_prompt: Ids, has_recurring: Ids, weights: Floats, calendar: CalendarDays
) -> Integers:
    if not len(has_recurring) or len(calendar) >= SURE_FROM:
        return prompts[:0]
    is_heavy = _is_heavy(by_prompt, weights)
    return np.unique(prompts[has_recurring[is_heavy[by_prompt[has_recurring]]]])


def _has_recurring(by_prompt: Ids, frequent: Booleans, calendar: CalendarDays) -> Ids:
    """The requests whose prompt is frequent and has a request on at least half of the days.

    Args:
        frequent: bool[prompts].
    """
    candidates, day_count = np.flatnonzero(frequent), len(calendar)
    if not len(candidates):
        return candidates
    number = np.full(len(frequent), -1, dtype=np.intp)
    number[candidates] = np.arange(len(candidates))
    has_candidate = np.flatnonzero(frequent[by_prompt])
    candidate, day = number[by_prompt[has_candidate]], calendar.of_request[has_candidate]
    is_timed = day >= 0
    pairs = candidate[is_timed] * day_count + day[is_timed]
    is_present = np.bincount(pairs, minlength=len(candidates) * day_count) > 0
    days_present = is_present.reshape(len(candidates), day_count).sum(axis=1)
    chosen: Ids = has_candidate[(2 * days_present >= day_count)[candidate]]
    return chosen
