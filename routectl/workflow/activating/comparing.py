"""`routectl diff`: what of the traffic two policies decide otherwise."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from sqlalchemy import Connection

from routectl.errors import InputError, UsageError
from routectl.extraction import EXTRACTION_VERSION
from routectl.policy import LIVE, THRESHOLD
from routectl.records import IdKind, Population
from routectl.store.engine import Location
from routectl.store.opening import open_store
from routectl.store.populations import overview, times
from routectl.store.requests import RequestTable, request_table
from routectl.workflow.policies.deciding import (
    FACT_COLUMNS,
    UNSCORED,
    NamedPolicy,
    decided,
    named_policy,
    prices_of,
    router_ids,
)
from routectl.workflow.reporter import Reporter
from routectl.workflow.routes.in_use import RouteInUse, in_use
from routectl.workflow.traffic.populations import (
    refuse_a_population_without_requests,
    say_other_versions,
)

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from routectl.calibration import TrafficMonth

WINDOW = timedelta(days=7)
"""What is looked at where nobody says since when: this long before the newest request."""
SEGMENT_FIELDS = ("team", "model_group")
MOST_SEGMENTS = 5
"""Of each field: those with the most requests that move."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Moves:
    """Requests that two policies decide otherwise; each counts for as many as it stands for."""

    requests: float
    """Of all that both decide."""
    stronger: float
    """That the second policy gives a stronger model than the first."""
    weaker: float
    strong_before: float
    """That the first policy gives the strongest model."""
    strong_after: float
    cost_before: float | None
    """US dollars in 30 days; None where it is not known."""
    cost_after: float | None

    @property
    def moved(self) -> float:
        """All that get another model."""
        return self.stronger + self.weaker

    @property
    def cost_change(self) -> float | None:
        """US dollars in 30 days that the second policy costs more."""
        if self.cost_before is None or self.cost_after is None:
            return None
        return self.cost_after - self.cost_before


@dataclass(frozen=True, slots=True)
class SegmentMoves:
    """The moves within one value of a field."""

    field: str
    value: str | None
    moves: Moves


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """What of a route's traffic two policies decide otherwise."""

    route: str
    before: NamedPolicy
    after: NamedPolicy
    population: Population
    first: datetime | None
    """Of the requests that both decide; None where none has a time."""
    last: datetime | None
    all: Moves
    unscored: float
    """Requests with a prompt that a router of the two has not scored."""
    without_prompt: float
    segments: Sequence[SegmentMoves]
    """By field, then those with the most moves first."""
    month: TrafficMonth | None
    """How the costs are scaled; None where none is known."""
    no_cost: str | None
    """Why no cost is known."""


def diff(
    location: Location,
    before: tuple[IdKind, int],
    after: tuple[IdKind, int],
    window: Population,
    reporter: Reporter,
) -> Difference:
    """What of the newest traffic of a route its second policy decides otherwise than its first.

    Args:
        before, after: ids of calibrations or activations.
        window: conditions and times that go before those of the route; without a time, the seven
            days up to the newest request.

    Raises:
        StoreError: there is none of an id.
        UsageError: they belong to two routes.
        InputError: there is no request, or none that both have scored.
    """
    with open_store(location) as store, store.read() as connection:
        first, second = (named_policy(connection, *name) for name in (before, after))
        if first.route.id != second.route.id:
            raise UsageError(
                f"{first.ref} is of route {first.route.name!r} and {second.ref} of "
                f"{second.route.name!r}, and a request belongs to one of the two: compare two of "
                "one route"
            )
        return difference(connection, first, second, window, reporter)


def difference(
    connection: Connection,
    first: NamedPolicy,
    second: NamedPolicy,
    window: Population,
    reporter: Reporter,
) -> Difference:
    """What the second policy of a route decides otherwise than the first, as `diff` says it."""
    import numpy as np

    from routectl.calibration import TrafficMonth

    route = in_use(connection, first.route)
    population = recent(
        connection, traffic_compared(connection, route, first, second), window, WINDOW
    )
    counts = overview(connection, population, EXTRACTION_VERSION)
    refuse_a_population_without_requests(connection, counts, population)
    _say_what_is_unusual((first, second), counts.other_versions, reporter)
    ids = [router_ids(connection, named.policy) for named in (first, second)]
    table = request_table(
        connection,
        population,
        EXTRACTION_VERSION,
        routers=[*ids[0], *ids[1]],
        columns=tuple(dict.fromkeys((*SEGMENT_FIELDS, *FACT_COLUMNS))),
    )
    was = decided(first.policy, table.scores[:, : len(ids[0])], table)
    now = decided(second.policy, table.scores[:, len(ids[0]) :], table)
    both = table.has_prompt & (was != UNSCORED) & (now != UNSCORED)
    if not both.any():
        raise InputError(_nothing_is_scored(first, second, was, now))
    costs, no_cost = _costs(route, first, second, table, was, now, both)
    month = TrafficMonth.of(np.where(both, table.time, np.nan), table.weight)
    if costs is not None and isinstance(month, str):
        costs, no_cost = None, f"{month}, so there is no month"

    def moves(rows: NDArray[np.bool_]) -> Moves:
        weight = table.weight[rows]
        before, after = was[rows], now[rows]
        dollars: list[float | None] = [None, None]
        if costs is not None and isinstance(month, TrafficMonth):
            dollars = [month.amount(cost, rows) for cost in costs]
        strongest = [len(named.policy.models) - 1 for named in (first, second)]
        return Moves(
            requests=float(weight.sum()),
            stronger=float(weight[after > before].sum()),
            weaker=float(weight[after < before].sum()),
            strong_before=float(weight[before == strongest[0]].sum()),
            strong_after=float(weight[after == strongest[1]].sum()),
            cost_before=dollars[0],
            cost_after=dollars[1],
        )

    first_time, last_time = first_and_last(table.time[both])
    return Difference(
        route=route.name,
        before=first,
        after=second,
        population=population,
        first=first_time,
        last=last_time,
        all=moves(both),
        unscored=float(table.weight[table.has_prompt & ~both].sum()),
        without_prompt=float(table.weight[~table.has_prompt].sum()),
        segments=[
            SegmentMoves(field, value, moves(rows))
            for field in SEGMENT_FIELDS
            for value, rows in _largest(table, field, both, was != now)
        ],
        month=None if costs is None or isinstance(month, str) else month,
        no_cost=no_cost,
    )


def traffic_compared(connection: Connection, route: RouteInUse, *named: NamedPolicy) -> Population:
    """The requests of a route: as it declares them, else those of the newest of the policies'
    calibrations, without its window."""
    if route.declared.population is not None:
        return route.population(Population())
    for policy in reversed(named):
        if policy.calibration is not None:
            stored = Population.from_json(policy.calibration.population)
            return replace(stored, since=None, until=None, routed=route.routed)
    return route.population(Population())


def recent(
    connection: Connection, traffic: Population, window: Population, usual: timedelta
) -> Population:
    """The traffic within a window; without a beginning, as long as usual up to its newest
    request."""
    fields = {condition.field for condition in window.where}
    kept = tuple(c for c in traffic.where if c.field not in fields)
    chosen = replace(traffic, where=(*kept, *window.where), since=window.since, until=window.until)
    if chosen.since is None:
        _, newest = times(connection, EXTRACTION_VERSION, chosen)
        if newest is not None:
            chosen = replace(chosen, since=newest - usual)
    return chosen


def first_and_last(times: NDArray[np.float64]) -> tuple[datetime | None, datetime | None]:
    """The earliest of some times and the latest; None where there is none.

    Args:
        times: seconds since 1970 in UTC, NaN where unknown, float64[n].
    """
    import numpy as np

    present = times[np.isfinite(times)]
    if not len(present):
        return None, None
    first, last = (
        datetime.fromtimestamp(float(end), UTC) for end in (present.min(), present.max())
    )
    return first, last


def _say_what_is_unusual(
    named: Sequence[NamedPolicy], other_versions: int, reporter: Reporter
) -> None:
    for policy in named:
        mode = policy.policy.mode
        if mode not in (None, LIVE):
            reporter.note(f"{policy.ref} runs in mode {mode}, and is compared as if it were live")
        version = policy.policy.extraction_version
        if policy.policy.rule == THRESHOLD and version != EXTRACTION_VERSION:
            reporter.note(
                f"{policy.ref} decides on texts of version {version} of the text extraction, and "
                f"the scores are of version {EXTRACTION_VERSION}"
            )
    say_other_versions(other_versions, reporter)


def _nothing_is_scored(
    first: NamedPolicy, second: NamedPolicy, was: NDArray[np.int64], now: NDArray[np.int64]
) -> str:
    missing = [
        named
        for named, model in ((first, was), (second, now))
        if (model == UNSCORED).all() and named.policy.routers
    ] or [first, second]
    names = " and ".join(
        f"{named.ref} ({named.policy.routers[0].spec.name})"
        for named in missing
        if named.policy.routers
    )
    return (
        f"none of these requests has a score by the router of {names}: run `routectl score`, with "
        "-r where it is not the route's router"
    )


def _costs(
    route: RouteInUse,
    first: NamedPolicy,
    second: NamedPolicy,
    table: RequestTable,
    was: NDArray[np.int64],
    now: NDArray[np.int64],
    both: NDArray[np.bool_],
) -> tuple[tuple[NDArray[np.float64], NDArray[np.float64]] | None, str | None]:
    """What each request costs by either policy, US dollars; or None, and why."""
    import numpy as np

    # A policy that names no models is of the models that the route declares.
    own = tuple(model.name for model in route.declared.models)
    names = [
        own
        if None in named.policy.models and len(own) == len(named.policy.models)
        else named.policy.models
        for named in (first, second)
    ]
    if any(None in models for models in names):
        return None, "the route declares no models"
    prices = prices_of(route, [*names[0], *names[1]])
    if prices is None:
        return None, "no price is known of a model"
    if not np.isfinite(table.tokens_in[both] + table.tokens_out[both]).any():
        return None, "the log has no tokens"
    by_model = {
        name: price.costs(table.tokens_in, table.tokens_out) for name, price in prices.items()
    }
    rows = np.arange(len(table))
    costs = []
    for models, model in zip(names, (was, now), strict=True):
        columns = np.stack([by_model[str(name)] for name in models], axis=1)
        costs.append(columns[rows, np.maximum(model, 0)])
    return (costs[0], costs[1]), None


def _largest(
    table: RequestTable, field: str, both: NDArray[np.bool_], moved: NDArray[np.bool_]
) -> list[tuple[str | None, NDArray[np.bool_]]]:
    """The values of a field with the most requests that move, and their rows.

    None where all requests have one value.
    """
    import numpy as np

    values = np.array(table.values[field], dtype=object)
    weights: dict[str | None, float] = {}
    for value, weight in zip(values[both], (table.weight * moved)[both], strict=True):
        weights[value] = weights.get(value, 0.0) + float(weight)
    if len(weights) < 2:
        return []
    chosen = sorted(weights, key=lambda value: (-weights[value], value or ""))[:MOST_SEGMENTS]
    return [
        (value, both & np.array([other == value for other in values], dtype=np.bool_))
        for value in chosen
        if weights[value]
    ]
