"""The looks at a route that are due: at one whole day each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from sqlalchemy import Connection

from routectl.errors import StoreError
from routectl.policy import THRESHOLD, Reason, threshold_value
from routectl.records import IdKind, Population
from routectl.request import BY_POLICY
from routectl.store import routes
from routectl.store.drift_checks import NewLook, drift_checks
from routectl.store.models import DriftCheck, Route
from routectl.store.recent import newest_decision, newest_time
from routectl.store.requests import RequestTable, request_table
from routectl.store.scores import noise_of
from routectl.workflow.drifting.days import (
    DAY,
    WEEK,
    after,
    daily_shares,
    day_number,
    day_text,
    looked_at,
    midnight,
    number_of,
)
from routectl.workflow.drifting.looks import Alarm, Drift, LoggedDecisions
from routectl.workflow.policies.activated import Activated
from routectl.workflow.policies.deciding import (
    UNSCORED,
    decided,
    fact_columns,
    fact_numbers,
    router_ids,
)
from routectl.workflow.policies.logged import COLUMNS, deciders, rule_answers

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from routectl.calibration.drift import Baseline

LAST_HOUR = timedelta(hours=1)
"""Of a day, that its log has to reach before it is looked at: else it may have arrived in part."""

WAITS_FOR_SCORES = WEEK
"""How long a day with requests that lack a score is not looked at."""

MOST_UNSCORED = 0.01
"""Share of requests without a score up to which nothing is said of it."""


_LOGGED = ("prompt_id", "proxy_fingerprint", *COLUMNS)


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
    return Looking(connection, row, active, population, now).drift()


class Looking:
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
        self._connection, self.row, self._now = connection, row, now
        self.active = active
        self._calibration, self._policy = active.calibration, active.policy
        self.population = population
        self._routers = router_ids(connection, active.policy)
        self._names = routes.names_of(connection, row)
        self._tolerance = DEFAULT_TOLERANCE if row.drift_tolerance is None else row.drift_tolerance

    def drift(self) -> Drift:
        """The stored looks, and those at the days that are over and were not looked at yet."""
        stored = drift_checks(self._connection, self.row.id, self._calibration.id)
        traffic = stored.get(Alarm.TRAFFIC.value, [])
        rows, days, waits = self._due(self._first_due(stored))
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
        looks = drift_checks(self._connection, self.row.id, self._calibration.id)
        baseline = self._baseline(looks.get(Alarm.TRAFFIC.value, []))
        return Drift(baseline=baseline, tolerance=self._tolerance, looks=looks)

    @property
    def calibrated(self) -> Population:
        """The requests of the calibration."""
        return Population.from_json(self._calibration.population)

    def newest(self) -> datetime | None:
        """The time of the newest request."""
        return newest_time(self._connection, self.population, before=self._now)

    def compared(self, population: Population) -> RequestTable:
        """Requests as `effects` compares them."""
        return request_table(
            self._connection,
            population,
            self._policy.extraction_version,
            routers=self._routers,
            columns=("prompt_id",),
        )

    @property
    def end(self) -> datetime:
        """Until when the calibration's requests are. Of the day on which it was made a part was
        still to come, so that this day is the first of the later ones."""
        until = self.calibrated.until
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
        rows = self._read(replace(self.calibrated, until=midnight(self.end)))
        return baseline_of(daily_shares(rows, self._model(rows), self._policy))

    def _first_due(self, stored: Mapping[str, Sequence[DriftCheck]]) -> int:
        """The number of the first day that no look is at."""
        looked_at = [day_number(row.day) for rows in stored.values() for row in rows[-1:]]
        return max(number_of(self.end), *(day + 1 for day in looked_at), 0)

    def _due(self, first: int) -> tuple[RequestTable, range, bool]:
        """The requests from a day on, the days of them that are whole, and whether one has to
        wait for scores."""
        import numpy as np

        since = datetime.fromtimestamp(first * 86_400, UTC)
        population = replace(self.population, since=since, until=midnight(self._now))
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
        today = replace(self.population, since=midnight(self._now))
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
        log = routes.activations(self._connection, self.row.id)
        activations = {
            IdKind.ACTIVATION.ref(a.id) for a in log if a.calibration_id == self._calibration.id
        }
        columns = (rows.values["proxy_route"], rows.values["proxy_activation"], deciders(rows))
        return np.array(
            [
                route in self._names and activation in activations and by in BY_POLICY
                for route, activation, by in zip(*columns, strict=True)
            ],
            dtype=np.bool_,
        )

    def decisions(self) -> LoggedDecisions:
        """What the log has of decisions by this calibration that no look is at yet."""
        import numpy as np

        stored = drift_checks(self._connection, self.row.id, self._calibration.id)
        rows, days, _ = self._due(self._first_due(stored))
        today = self._read(replace(self.population, since=midnight(self._now)), columns=_LOGGED)
        count = fell_back = whole = 0.0
        for table in (rows, today):
            logged = self._logged(table)
            if logged.any():
                count += float(table.weight[logged].sum())
                fell_back += float(table.weight[logged & self._fell_back(table)].sum())
                of_days = np.isin(np.floor(table.time / 86_400), days)
                whole += float(table.weight[logged & of_days].sum())
        return LoggedDecisions(count, fell_back / count if count else None, whole)

    def _fell_back(self, rows: RequestTable) -> NDArray[np.bool_]:
        import numpy as np

        unscored = (Reason.TIMEOUT.value, Reason.NO_SCORE.value)
        return np.array([reason in unscored for _, reason in rule_answers(rows)], dtype=np.bool_)

    def _proxy(
        self, stored: Sequence[DriftCheck], rows: RequestTable, days: range
    ) -> list[NewLook]:
        import numpy as np

        from routectl.calibration.drift import LIMIT, proxy_e_values

        logged = self._logged(rows)
        if not logged.any():
            return []
        by_score = (Reason.THRESHOLD.value, Reason.SEGMENT_THRESHOLD.value)
        rule = rule_answers(rows)
        fingerprints = [router.fingerprint for router in self._policy.routers]
        comparable = logged & np.array(
            [
                reason in by_score and fingerprint in fingerprints
                for (_, reason), fingerprint in zip(
                    rule, rows.values["proxy_fingerprint"], strict=True
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
                is_other = rule[index][0] != side
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
        fell_back = self._fell_back(rows)
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
