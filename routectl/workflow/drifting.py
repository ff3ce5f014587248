"""Looks at drift: does the traffic of a route still have the share that it was calibrated for?

A look is at one whole day, and is stored. `status` takes those that are due, `drift` shows them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING

from sqlalchemy import Connection

from routectl.errors import StoreError
from routectl.policy import THRESHOLD, Policy, Reason, threshold_value
from routectl.records import IdKind, Population
from routectl.store import routes
from routectl.store.drift_checks import NewLook, drift_checks
from routectl.store.engine import Location
from routectl.store.models import DriftCheck, Route
from routectl.store.opening import open_store
from routectl.store.recent import newest_decision, newest_time
from routectl.store.requests import RequestTable, request_table
from routectl.store.scores import noise_of
from routectl.workflow.activating import Activated, activated
from routectl.workflow.deciding import (
    UNSCORED,
    decided,
    fact_columns,
    fact_numbers,
    router_ids,
)
from routectl.workflow.routing import RouteInUse, in_use, picked_route

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from routectl.calibration.drift import Baseline, DailyShares, Delay, NextLook

DAY = timedelta(days=1)
WEEK = timedelta(days=7)
_EPOCH = date(1970, 1, 1)

LAST_HOUR = timedelta(hours=1)
"""Of a day, that its log has to reach before it is looked at: else it may have arrived in part."""

WAITS_FOR_SCORES = WEEK
"""How long a day with requests that lack a score is not looked at."""

MOST_UNSCORED = 0.01
"""Share of requests without a score up to which nothing is said of it."""


class Alarm(StrEnum):
    """What a look is about."""

    TRAFFIC = "traffic"
    """The share of requests whose score reaches the threshold."""
    PROXY = "proxy"
    """Prompts that the proxy decides otherwise than the stored score and the policy say."""
    FALLBACK = "fallback"
    """Requests that the proxy could not score in time, or at all."""


@dataclass(frozen=True, slots=True)
class Ringing:
    """An alarm that rings."""

    alarm: Alarm
    day: str
    """That was looked at last."""
    since: str
    """From which day on it has rung without a break."""
    share: float
    """Of that last day."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Drift:
    """What is known of a route's drift since its calibration."""

    baseline: Baseline | None
    """None where the calibration's days are too few or have no times; of `status` also as long as
    there is no day to look at."""
    tolerance: float
    looks: Mapping[str, Sequence[DriftCheck | NewLook]]
    """By alarm, in the order of their days, those of today among them."""
    new: tuple[NewLook, ...] = ()
    """Those that are not stored yet."""
    waits_for_scores: bool = False
    """A day that is over is not looked at, because requests lack a score."""

    @property
    def ringing(self) -> list[Ringing]:
        """The alarms that ring now."""
        ringing = []
        for alarm in Alarm:
            looks = self.looks.get(alarm.value, ())
            since = None
            for look in reversed(looks):
                if not look.rang:
                    break
                since = look.day
            if since is not None:
                last = looks[-1]
                ringing.append(Ringing(alarm, last.day, since, last.share or 0.0))
        return ringing

    @property
    def e_value(self) -> float | None:
        """The largest of the alarms' last ones; None before the first look."""
        last = [looks[-1].e_value for looks in self.looks.values() if looks]
        return max(last, default=None)


def drift_of(
    connection: Connection,
    row: Route,
    active: Activated,
    population: Population,
    now: datetime,
) -> Drift | None:
    """The stored looks of a route, and those that are due.

    Args:
        population: of the active policy, without a window.

    Returns:
        None where no calibration is active.
    """
    if active.calibration is None or active.policy.rule != THRESHOLD:
        return None
    return _Looking(connection, row, active, population, now).drift()


class _Looking:
    """The looks at one route."""

    def __init__(
        self,
        connection: Connection,
        row: Route,
        active: Activated,
        population: Population,
        now: datetime,
    ) -> None:
        from routectl.calibration.drift import DEFAULT_TOLERANCE

        assert active.calibration is not None
        self._connection, self._row, self._now = connection, row, now
        self._active = active
        self._calibration, self._policy = active.calibration, active.policy
        self._population = population
        self._routers = router_ids(connection, active.policy)
        self._names = routes.names_of(connection, row)
        self._tolerance = DEFAULT_TOLERANCE if row.drift_tolerance is None else row.drift_tolerance

    def drift(self) -> Drift:
        stored = drift_checks(self._connection, self._row.id, self._calibration.id)
        traffic = stored.get(Alarm.TRAFFIC.value, [])
        looked_at = [day_number(row.day) for rows in stored.values() for row in rows[-1:]]
        rows, days, waits = self._due(max(number_of(self._end), *(day + 1 for day in looked_at), 0))
        baseline = self._baseline(traffic) if days or traffic else None
        new: list[NewLook] = []
        if baseline is not None:
            new += self._traffic(baseline, traffic, rows, days)
        new += self._proxy(stored.get(Alarm.PROXY.value, []), rows, days)
        new += self._fallback(stored.get(Alarm.FALLBACK.value, []), rows, days)
        looks: dict[str, list[DriftCheck | NewLook]] = {
            alarm: list(of_alarm) for alarm, of_alarm in stored.items()
        }
        for look in new:
            looks.setdefault(look.alarm, []).append(look)
        return Drift(
            baseline=baseline,
            tolerance=self._tolerance,
            looks=looks,
            new=tuple(new),
            waits_for_scores=waits,
        )

    def stored(self) -> Drift:
        """The looks that are stored, with the baseline."""
        looks = drift_checks(self._connection, self._row.id, self._calibration.id)
        baseline = self._baseline(looks.get(Alarm.TRAFFIC.value, []))
        return Drift(baseline=baseline, tolerance=self._tolerance, looks=looks)

    def report(self, so_far: Drift) -> DriftReport:
        """The stored looks with what the next ones can say, where there is a baseline."""
        from routectl.calibration.drift import delay, next_look

        baseline, traffic = so_far.baseline, so_far.looks.get(Alarm.TRAFFIC.value, ())
        assert baseline is not None
        last = day_number(traffic[-1].day) if traffic else number_of(self._end) - 1
        return DriftReport(
            route=self._row.name,
            active=self._active,
            drift=so_far,
            next_day=day_text(last + 1),
            next_look=next_look(baseline, self._tolerance, looked_at(traffic), after=last),
            delay=delay(baseline, self._tolerance, after=last),
            effects=self._effects(),
        )

    def _effects(self) -> EffectSizes | None:
        """How the requests since the calibration differ, of the last 7 days."""
        newest = newest_time(self._connection, self._population, before=self._now)
        since = midnight(self._end)
        if newest is None or newest <= since:
            return None
        population = Population.from_json(self._calibration.population)
        before = self._compared(replace(population, until=since))
        last = self._compared(replace(self._population, since=max(since, newest - WEEK)))
        return _effects(before, last)

    def _compared(self, population: Population) -> RequestTable:
        return request_table(
            self._connection,
            population,
            self._policy.extraction_version,
            routers=self._routers,
            columns=("prompt_id",),
        )

    @property
    def _end(self) -> datetime:
        """Until when the calibration's requests are. Of the day on which it was made a part was
        still to come, so that this day is the first of the later ones."""
        until = Population.from_json(self._calibration.population).until
        made = self._calibration.created_at
        return made if until is None else min(made, until)

    def _baseline(self, traffic: Sequence[DriftCheck]) -> Baseline | None:
        """That of the first look, which stays, or that of the calibration's population."""
        from routectl.calibration.days import FEWEST_DAYS
        from routectl.calibration.drift import Baseline, baseline_of

        if traffic:
            try:
                stored = dict(traffic[0].details["baseline"])
                for name in ("weekday_shares", "weekday_requests"):
                    stored[name] = tuple(stored[name])
                return Baseline(**stored)
            except (KeyError, TypeError, ValueError):
                raise StoreError(
                    f"the look at drift of {traffic[0].day} is damaged: restore the database from "
                    "a copy"
                ) from None
        days = self._calibration.details.get("days")
        if days is not None and days < FEWEST_DAYS:
            return None
        population = Population.from_json(self._calibration.population)
        rows = self._read(replace(population, until=midnight(self._end)))
        return baseline_of(daily_shares(rows, self._model(rows), self._policy))

    def _due(self, first: int) -> tuple[RequestTable, range, bool]:
        """The requests from a day on, the days of them that are whole, and whether one has to
        wait for scores."""
        import numpy as np

        since = datetime.fromtimestamp(first * 86_400, UTC)
        population = replace(self._population, since=since, until=midnight(self._now))
        logged = newest_decision(self._connection, self._names, before=self._now)
        rows = self._read(population, columns=() if logged is None else _LOGGED)
        if not len(rows):
            return rows, range(first, first), False
        newest = datetime.fromtimestamp(float(rows.time.max()), UTC)
        after = self._newest_of_today()
        if after is None and newest < midnight(newest) + DAY - LAST_HOUR:
            newest -= DAY
        last = number_of(newest)
        numbers = np.floor(rows.time / 86_400).astype(np.int64)
        lacks = rows.has_prompt & np.isnan(rows.scores).any(axis=1)
        for day in range(first, last + 1):
            of_day = numbers == day
            weight = float(rows.weight[of_day & rows.has_prompt].sum())
            lacking = float(rows.weight[of_day & lacks].sum())
            is_late = self._now - datetime.fromtimestamp(day * 86_400, UTC) > WAITS_FOR_SCORES
            if lacking > MOST_UNSCORED * weight and not is_late:
                return rows, range(first, day), True
        return rows, range(first, last + 1), False

    def _newest_of_today(self) -> datetime | None:
        today = replace(self._population, since=midnight(self._now))
        return newest_time(self._connection, today, before=self._now + LAST_HOUR)

    def _read(self, population: Population, columns: Sequence[str] = ()) -> RequestTable:
        return request_table(
            self._connection,
            population,
            self._policy.extraction_version,
            routers=self._routers,
            columns=tuple(dict.fromkeys((*fact_columns(self._policy), *columns))),
            numbers=fact_numbers(self._policy),
        )

    def _model(self, rows: RequestTable) -> NDArray[np.int64]:
        return decided(self._policy, rows.scores, rows)

    def _traffic(
        self,
        baseline: Baseline,
        stored: Sequence[DriftCheck],
        rows: RequestTable,
        days: range,
    ) -> list[NewLook]:
        from routectl.calibration.drift import LIMIT, e_values, expected_shares

        now = daily_shares(rows, self._model(rows), self._policy, days)
        if not len(now):
            return []
        later = after(looked_at(stored), now)
        evidence = e_values(baseline, self._tolerance, later)[len(stored) :]
        expected = expected_shares(baseline, now.numbers)
        details = {"baseline": asdict(baseline), "tolerance": self._tolerance}
        return [
            NewLook(
                alarm=Alarm.TRAFFIC.value,
                day=day_text(int(number)),
                requests=float(requests),
                share=float(share),
                e_value=float(e_value),
                rang=bool(e_value >= LIMIT),
                details=details | {"expected": float(usual)},
            )
            for number, requests, share, e_value, usual in zip(
                now.numbers, now.requests, now.shares, evidence, expected, strict=True
            )
        ]

    def _logged(self, rows: RequestTable) -> NDArray[np.bool_]:
        """Which requests the proxy decided by an activation of this calibration."""
        import numpy as np

        if "proxy_route" not in rows.values:
            return np.zeros(len(rows), dtype=np.bool_)
        log = routes.activations(self._connection, self._row.id)
        activations = {
            IdKind.ACTIVATION.ref(a.id) for a in log if a.calibration_id == self._calibration.id
        }
        return np.array(
            [
                route in self._names and activation in activations
                for route, activation in zip(
                    rows.values["proxy_route"], rows.values["proxy_activation"], strict=True
                )
            ],
            dtype=np.bool_,
        )

    def _proxy(
        self, stored: Sequence[DriftCheck], rows: RequestTable, days: range
    ) -> list[NewLook]:
        import numpy as np

        from routectl.calibration.drift import LIMIT, proxy_e_values

        logged = self._logged(rows)
        if not logged.any():
            return []
        by_score = (Reason.THRESHOLD.value, Reason.SEGMENT_THRESHOLD.value)
        fingerprints = [router.fingerprint for router in self._policy.routers]
        comparable = logged & np.array(
            [
                reason in by_score and fingerprint in fingerprints
                for reason, fingerprint in zip(
                    rows.values["proxy_reason"], rows.values["proxy_fingerprint"], strict=True
                )
            ],
            dtype=np.bool_,
        )
        model = self._model(rows)
        comparable &= (model != UNSCORED) & ~self._undecided(rows)
        strongest = len(self._policy.models) - 1
        sides = {0: "weak", strongest: "strong"}
        counts: list[tuple[int, float, float, float]] = []
        numbers = np.floor(rows.time / 86_400)
        for day in days:
            chosen = np.flatnonzero(comparable & (numbers == day))
            # By prompt: many requests of one prompt are one decision.
            differs: dict[int, bool] = {}
            for index in chosen:
                side = sides.get(int(model[index]), str(model[index]))
                prompt = rows.values["prompt_id"][index]
                is_other = rows.values["proxy_decision"][index] != side
                differs[prompt] = differs.get(prompt, False) or is_other
            if differs:
                weight = float(rows.weight[chosen].sum())
                counts.append((day, weight, len(differs), sum(differs.values())))
        prompts = [float(row.details["prompts"]) for row in stored] + [c[2] for c in counts]
        differing = [float(row.details["differing"]) for row in stored] + [c[3] for c in counts]
        evidence = proxy_e_values(np.array(prompts), np.array(differing))[len(stored) :]
        return [
            NewLook(
                alarm=Alarm.PROXY.value,
                day=day_text(day),
                requests=weight,
                share=other / prompts_of_day,
                e_value=float(e_value),
                rang=bool(e_value >= LIMIT),
                details={"prompts": prompts_of_day, "differing": other},
            )
            for (day, weight, prompts_of_day, other), e_value in zip(counts, evidence, strict=True)
        ]

    def _undecided(self, rows: RequestTable) -> NDArray[np.bool_]:
        """Whose score is so near a threshold that the router's noise can turn the decision."""
        import numpy as np

        undecided = np.zeros(len(rows), dtype=np.bool_)
        cuts = (self._policy.thresholds, *self._policy.segments.values())
        texts = {text for thresholds in cuts for text in thresholds}
        for column, router in enumerate(self._routers):
            if router is None:
                continue
            noise = noise_of(self._connection, router)
            for text in texts:
                undecided |= np.abs(rows.scores[:, column] - threshold_value(text)) <= noise
        return undecided

    def _fallback(
        self, stored: Sequence[DriftCheck], rows: RequestTable, days: range
    ) -> list[NewLook]:
        import numpy as np

        from routectl.calibration.drift import LIMIT, fallback_e_values

        logged = self._logged(rows)
        if not logged.any():
            return []
        unscored = (Reason.TIMEOUT.value, Reason.NO_SCORE.value)
        fell_back = np.array([reason in unscored for reason in rows.values["proxy_reason"]])
        numbers = np.floor(rows.time / 86_400)
        counts = []
        for day in days:
            of_day = logged & (numbers == day)
            weight = float(rows.weight[of_day].sum())
            if weight:
                counts.append((day, weight, float(rows.weight[of_day & fell_back].sum()) / weight))
        shares = np.array([*(row.share or 0.0 for row in stored), *(c[2] for c in counts)])
        evidence = fallback_e_values(shares)[len(stored) :]
        return [
            NewLook(
                alarm=Alarm.FALLBACK.value,
                day=day_text(day),
                requests=weight,
                share=share,
                e_value=float(e_value),
                rang=bool(e_value >= LIMIT),
                details={},
            )
            for (day, weight, share), e_value in zip(counts, evidence, strict=True)
        ]


def _effects(before: RequestTable, last: RequestTable) -> EffectSizes | None:
    import numpy as np

    times = last.time[~np.isnan(last.time)]
    if not len(before) or not len(times):
        return None
    end = np.nanmax(before.time) if not np.isnan(before.time).all() else np.nan
    # A comparison with NaN is False, so that without times there is no last week.
    is_last_week = before.time > end - WEEK.total_seconds()
    prompts = np.array([p or -1 for p in before.values["prompt_id"]], dtype=np.int64)
    last_prompts = np.array([p or -1 for p in last.values["prompt_id"]], dtype=np.int64)
    return EffectSizes(
        days=len(np.unique(np.floor(times / 86_400))),
        higher_score=_higher(before.scores, last.scores),
        same_prompts=_share_among(last_prompts, last.weight, prompts),
        same_prompts_before=_share_among(
            prompts[is_last_week], before.weight[is_last_week], prompts[~is_last_week]
        ),
        tokens=_ratio(
            before, last, before.tokens_in + before.tokens_out, last.tokens_in + last.tokens_out
        ),
        cost=_ratio(before, last, before.cost, last.cost),
    )


def _higher(before: NDArray[np.float64], last: NDArray[np.float64]) -> float | None:
    """Probability that a score of the second is higher, ties counted half."""
    import numpy as np

    first, second = (scores[:, 0][~np.isnan(scores[:, 0])] for scores in (before, last))
    if not len(first) or not len(second):
        return None
    first = np.sort(first)
    below = np.searchsorted(first, second, "left") + np.searchsorted(first, second, "right")
    return float(below.mean()) / 2 / len(first)


def _share_among(
    prompts: NDArray[np.int64], weight: NDArray[np.float64], others: NDArray[np.int64]
) -> float | None:
    """Weighted share of the requests whose prompt is among others."""
    import numpy as np

    has_prompt = prompts >= 0
    total = float(weight[has_prompt].sum())
    if not total or not len(others):
        return None
    return float(weight[has_prompt & np.isin(prompts, others)].sum()) / total


def _ratio(
    before: RequestTable,
    last: RequestTable,
    amounts_before: NDArray[np.float64],
    amounts: NDArray[np.float64],
) -> float | None:
    """Of weighted means."""
    import numpy as np

    means = []
    for table, values in ((before, amounts_before), (last, amounts)):
        is_known = ~np.isnan(values)
        weight = float(table.weight[is_known].sum())
        if not weight:
            return None
        means.append(float(table.weight[is_known] @ values[is_known]) / weight)
    return means[1] / means[0] if means[0] else None


_LOGGED = (
    "prompt_id",
    "proxy_route",
    "proxy_activation",
    "proxy_decision",
    "proxy_reason",
    "proxy_fingerprint",
)


def population_of(route: RouteInUse, active: Activated) -> Population:
    """The requests that an active policy is about: its calibration's filters, without a window;
    of what is unconditional, those of the route."""
    if active.calibration is None:
        return route.population(Population())
    stored = Population.from_json(active.calibration.population)
    return replace(stored, since=None, until=None, routed=route.routed)


@dataclass(frozen=True, slots=True)
class EffectSizes:
    """How the last 7 days differ from the calibration's requests. No alarm looks at them; None
    where nothing is known."""

    days: int
    higher_score: float | None
    """Probability that a score of the last days is higher than one of the calibration's; 0.5: they
    are alike."""
    same_prompts: float | None
    """Share of the last days' requests whose prompt the calibration's requests have, too."""
    same_prompts_before: float | None
    """The same of the calibration's last 7 days and its days before."""
    tokens: float | None
    """Mean tokens of a request, against the calibration's: 1 is alike."""
    cost: float | None
    """Mean booked cost of a request, likewise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DriftReport:
    """What `routectl drift` shows of a route."""

    route: str
    active: Activated | None
    drift: Drift | None
    """None where no calibration is active."""
    next_day: str | None = None
    """The day that the next look is at."""
    next_look: NextLook | None = None
    delay: Delay | None = None
    effects: EffectSizes | None = None


def drift(location: Location, *, route: str | None) -> list[DriftReport]:
    """The looks at drift that are stored, and what the next ones can say.

    Args:
        route: of this one alone; None: of all.

    Raises:
        StoreError: there is no such route.
    """
    now = datetime.now(UTC)
    with open_store(location) as store, store.read() as connection:
        if route is None:
            rows = routes.routes(connection)
        else:
            row = picked_route(connection, route)
            rows = [] if row is None else [row]
        return [_report(connection, row, now) for row in rows]


def _report(connection: Connection, row: Route, now: datetime) -> DriftReport:
    log = routes.activations(connection, row.id)
    if not log:
        return DriftReport(route=row.name, active=None, drift=None)
    active = activated(connection, log[-1], row.name, active=True)
    population = population_of(in_use(connection, row), active)
    if active.calibration is None or active.policy.rule != THRESHOLD:
        return DriftReport(route=row.name, active=active, drift=None)
    looking = _Looking(connection, row, active, population, now)
    so_far = looking.stored()
    if so_far.baseline is None:
        return DriftReport(route=row.name, active=active, drift=so_far)
    return looking.report(so_far)


def daily_shares(
    rows: RequestTable, model: NDArray[np.int64], policy: Policy, days: range | None = None
) -> DailyShares:
    """The scored requests by day, days without one left out.

    Args:
        model: of each request, as `decided` gives it.
        days: only these; None: all.
    """
    import numpy as np

    from routectl.calibration.drift import DailyShares

    chosen = (model != UNSCORED) & ~np.isnan(rows.time)
    numbers = np.floor(rows.time[chosen] / 86_400).astype(np.int64)
    weight, is_strong = rows.weight[chosen], model[chosen] == len(policy.models) - 1
    if days is not None:
        within = (numbers >= days.start) & (numbers < days.stop)
        numbers, weight, is_strong = numbers[within], weight[within], is_strong[within]
    present, index = np.unique(numbers, return_inverse=True)
    count = len(present)
    return DailyShares(
        present,
        np.bincount(index, weight, minlength=count).astype(np.float64),
        np.bincount(index, weight * is_strong, minlength=count).astype(np.float64),
    )


def looked_at(stored: Sequence[DriftCheck | NewLook]) -> DailyShares:
    """The days of looks at the traffic."""
    import numpy as np

    from routectl.calibration.drift import DailyShares

    requests = np.array([row.requests for row in stored], dtype=np.float64)
    shares = np.array([row.share or 0.0 for row in stored], dtype=np.float64)
    numbers = np.array([day_number(row.day) for row in stored], dtype=np.int64)
    return DailyShares(numbers, requests, requests * shares)


def after(first: DailyShares, then: DailyShares) -> DailyShares:
    """Days, and those that follow them."""
    import numpy as np

    from routectl.calibration.drift import DailyShares

    return DailyShares(
        np.concatenate((first.numbers, then.numbers)),
        np.concatenate((first.requests, then.requests)),
        np.concatenate((first.strong, then.strong)),
    )


def midnight(time: datetime) -> datetime:
    """The beginning of a time's day, UTC."""
    return time.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)


def number_of(time: datetime) -> int:
    """Days since 1970-01-01."""
    return (time.astimezone(UTC).date() - _EPOCH).days


def day_number(day: str) -> int:
    """Days since 1970-01-01 of a day such as 2026-11-29."""
    return (date.fromisoformat(day) - _EPOCH).days


def day_text(number: int) -> str:
    """The day of a number."""
    return (_EPOCH + timedelta(days=number)).isoformat()


def drift_limit() -> float:
    """The e-value at which an alarm rings."""
    from routectl.calibration.drift import LIMIT

    return LIMIT
