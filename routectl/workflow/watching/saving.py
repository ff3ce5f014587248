"""`routectl savings`: what logged decisions have cost, and what else the requests could have."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from sqlalchemy import Connection

from routectl.errors import InputError, StoreError, UsageError
from routectl.policy import ALWAYS_STRONG, THRESHOLD
from routectl.prices import ModelPrice, price_of
from routectl.records import IdKind, Population
from routectl.request import WITHOUT_SCORE, DecidedBy, by_rule, decided_by
from routectl.store import routes
from routectl.store.engine import Location
from routectl.store.models import Activation
from routectl.store.opening import open_store
from routectl.store.requests import RequestTable, request_table
from routectl.workflow.activating.comparing import first_and_last, recent, traffic_compared
from routectl.workflow.calibrating.answering import DecidedAnswers, Side
from routectl.workflow.calibrating.pricing import route_prices
from routectl.workflow.policies.activated import activated
from routectl.workflow.policies.deciding import named_policy
from routectl.workflow.reporter import Remembering, Reporter
from routectl.workflow.routes.in_use import RouteInUse, in_use, picked_route

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from routectl.calibration import TrafficMonth

WINDOW = timedelta(days=30)
"""What is looked at where nobody says since when: this long before the newest request."""
_COLUMNS = (
    "proxy_route",
    "proxy_decision",
    "proxy_model",
    "proxy_reason",
    "proxy_activation",
    "proxy_would_be",
    "proxy_would_be_reason",
    "model",
    "model_group",
    "cache_hit",
    "status",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bill:
    """What the compared requests cost in one way."""

    strong_fraction: float | None
    """Share that the strongest model answers; None where it is not known."""
    cost: float | None
    """US dollars; None where it is not known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Savings:
    """What decisions have cost and saved. Requests count for as many as they stand for."""

    route: str
    population: Population
    first: datetime | None
    """Of the requests; None where none has a time."""
    last: datetime | None
    requests: float
    decided: float
    """With a logged decision of routectl, answered, and not from the cache."""
    undecided: float
    """Without a logged decision, answered, and not from the cache."""
    cache_hits: float
    failed: float
    fallbacks: float
    """Of the decided ones: those that had no score."""
    overridden: float
    """Those that something else than routectl decided, and of the decided ones those that another
    model answered than the decision named."""
    not_by_policy: float
    """Of the overridden ones: those that something else decided, which are in no bill."""
    other_models: float
    """Of the decided ones: those that a model answered which is not the route's."""
    compared: float
    """Of the decided ones: those whose cost and tokens are known, which the bills are of."""
    booked: Bill
    """As it was, by the booked cost."""
    priced: Bill
    """As it was, at the route's prices."""
    projected: Bill
    """As the calibrations of the activations said that ran."""
    always_strong: Bill
    always_weak: Bill
    activations: Sequence[str]
    """That decided, by the log."""
    saved_a_month: float | None
    """US dollars in 30 days; None where what was saved or the month is not known."""
    month: TrafficMonth | None
    """How that is scaled, of the compared requests; None where they tell no month."""
    unbooked: Sequence[str]
    """Models that answered compared requests, booked at 0 though the route's prices are not: their
    cost is taken for not known."""
    notes: Sequence[str]

    @property
    def saved(self) -> float | None:
        """US dollars less than always-strong: of the booked cost, else at the route's prices."""
        actual = self.priced.cost if self.booked.cost is None else self.booked.cost
        if actual is None or self.always_strong.cost is None:
            return None
        return self.always_strong.cost - actual


def savings(
    location: Location, route: str | None, window: Population, reporter: Reporter
) -> Savings:
    """What the decisions of a route have cost.

    Args:
        route: None is the only one there is.
        window: conditions and times that go before those of the route; without a time, the thirty
            days up to the newest request.

    Raises:
        InputError: no answered request has a logged decision, of routectl or of anything else.
    """
    with open_store(location) as store, store.read() as connection:
        stored = picked_route(connection, route)
        used = in_use(connection, stored)
        log = [] if stored is None else routes.activations(connection, stored.id)
        named = [named_policy(connection, IdKind.ACTIVATION, row.id) for row in log[-1:]]
        population = recent(connection, traffic_compared(connection, used, *named), window, WINDOW)
        table = request_table(connection, population, None, columns=_COLUMNS)
        remembering = Remembering(reporter)
        prices = route_prices(used, {}, remembering)
        return _savings(connection, used, log, population, table, prices, remembering)


@dataclass(frozen=True, slots=True, eq=False)
class _Outcomes:
    """What became of each of n requests; all but the last three are bool[n]."""

    is_hit: NDArray[np.bool_]
    is_failed: NDArray[np.bool_]
    has_decision: NDArray[np.bool_]
    decided: NDArray[np.bool_]
    """With a decision of routectl, answered, and not from the cache."""
    not_by_policy: NDArray[np.bool_]
    """With a decision of something else, answered, and not from the cache."""
    is_overridden: NDArray[np.bool_]
    is_fallback: NDArray[np.bool_]
    side: NDArray[np.object_]
    """A `Side` each, UNKNOWN where nothing was decided."""
    model: NDArray[np.object_]
    """That answered, by its name in the log; a dash where that is not known, or nothing decided."""
    others: Sequence[tuple[str, NDArray[np.bool_]]]
    """Each model that answered and is not the route's, with the requests."""

    @classmethod
    def of(cls, route: RouteInUse, table: RequestTable) -> _Outcomes:
        """Raises InputError where no decision sent a request anywhere."""
        import numpy as np

        values = table.values

        def rows_where(flags: Iterable[bool]) -> NDArray[np.bool_]:
            return np.fromiter(flags, dtype=np.bool_, count=len(table))

        is_hit = rows_where(value is True for value in values["cache_hit"])
        is_failed = ~is_hit & rows_where(value == "failure" for value in values["status"])
        has_decision = rows_where(value is not None for value in values["proxy_decision"])
        answered_with_decision = has_decision & ~is_hit & ~is_failed
        if not answered_with_decision.any():
            raise InputError(_nothing_decided(route, len(table), has_decision))
        names = ("route", "activation", "decision", "reason", "would_be_reason")
        not_by_policy = answered_with_decision & rows_where(
            decided_by(**dict(zip(names, row, strict=True))) is DecidedBy.OTHER
            for row in zip(*(values[f"proxy_{name}"] for name in names), strict=True)
        )
        decided = answered_with_decision & ~not_by_policy
        answers = DecidedAnswers(route)
        columns = [values[name] for name in ("proxy_decision", "proxy_model", "model")]
        answered = [
            answers.of(*row) if is_decided else None
            for is_decided, *row in zip(decided, *columns, strict=True)
        ]
        return cls(
            is_hit=is_hit,
            is_failed=is_failed,
            has_decision=has_decision,
            decided=decided,
            not_by_policy=not_by_policy,
            is_overridden=rows_where(one is not None and one.overridden for one in answered),
            is_fallback=decided
            & rows_where(
                by_rule(*row)[1] in WITHOUT_SCORE
                for row in zip(
                    values["proxy_decision"],
                    values["proxy_reason"],
                    values["proxy_would_be"],
                    values["proxy_would_be_reason"],
                    strict=True,
                )
            ),
            side=np.array([Side.UNKNOWN if one is None else one.side for one in answered]),
            model=np.array(
                ["-" if one is None else one.model or "-" for one in answered], dtype=object
            ),
            others=[*answers.others(answered)],
        )

    def share_of_strong(self, rows: NDArray[np.bool_], weight: NDArray[np.float64]) -> float | None:
        """Of those rows of which it is known who answered; None where it is of none."""
        answered = rows & (self.side != Side.UNKNOWN)
        if not answered.any():
            return None
        return float(weight[answered & (self.side == Side.STRONG)].sum() / weight[answered].sum())


@dataclass(frozen=True, slots=True, eq=False)
class _Costs:
    """US dollars of each of n requests, float64[n]; None where it is not known of any."""

    booked: NDArray[np.float64]
    """NaN where the log has none."""
    priced: NDArray[np.float64] | None
    """Of whoever answered, at the route's prices; NaN where that model has none."""
    strong: NDArray[np.float64] | None
    weak: NDArray[np.float64] | None

    @classmethod
    def of(
        cls,
        route: RouteInUse,
        table: RequestTable,
        outcomes: _Outcomes,
        prices: tuple[ModelPrice, ModelPrice] | None,
    ) -> _Costs:
        import numpy as np

        if prices is None:
            return cls(table.cost, None, None, None)
        strong, weak = (price.costs(table.tokens_in, table.tokens_out) for price in prices)
        side = outcomes.side
        priced = np.where(side == Side.STRONG, strong, np.where(side == Side.WEAK, weak, np.nan))
        for name, rows in outcomes.others:
            costs = _cost_of(name, route, table)
            if costs is not None:
                priced[rows] = costs[rows]
        return cls(table.cost, priced, strong, weak)

    def without_unbooked(self, models: NDArray[np.object_], unbooked: Sequence[str]) -> _Costs:
        """The same, with the booked cost of these models taken for not known."""
        import numpy as np

        is_unbooked = np.array([model in unbooked for model in models])
        return replace(self, booked=np.where(is_unbooked, np.nan, self.booked))

    def saved(self, compared: NDArray[np.bool_]) -> NDArray[np.float64] | None:
        """Less than always-strong: of the booked cost where all have one, else at the prices."""
        import numpy as np

        if self.strong is None or not compared.any():
            return None
        for actual in (self.booked, self.priced):
            if actual is not None and np.isfinite(actual[compared]).all():
                return self.strong - actual
        return None


def _savings(
    connection: Connection,
    route: RouteInUse,
    log: Sequence[Activation],
    population: Population,
    table: RequestTable,
    prices: tuple[ModelPrice, ModelPrice] | None,
    reporter: Remembering,
) -> Savings:
    import numpy as np

    from routectl.calibration import TrafficMonth

    outcomes = _Outcomes.of(route, table)
    decided, weight = outcomes.decided, table.weight
    # Bills are of the same requests, so that one can be held against another.
    compared = decided.copy()
    if (decided & np.isfinite(table.cost)).any():
        compared &= np.isfinite(table.cost)
    tokens_known = np.isfinite(table.tokens_in + table.tokens_out)
    if prices is not None and (compared & tokens_known).any():
        compared &= tokens_known
    else:
        prices = None
    costs = _Costs.of(route, table, outcomes, prices)
    unbooked = _unbooked(outcomes.model, costs, compared)
    if unbooked:
        costs = costs.without_unbooked(outcomes.model, unbooked)

    def total(rows: NDArray[np.bool_]) -> float:
        return float(weight[rows].sum())

    def bill(of_each: NDArray[np.float64] | None, share: float | None) -> Bill:
        cost = None
        if of_each is not None and compared.any() and np.isfinite(of_each[compared]).all():
            cost = float((of_each * weight)[compared].sum())
        return Bill(strong_fraction=share, cost=cost)

    share = outcomes.share_of_strong(compared, weight)
    saved = costs.saved(compared)
    month_or_reason = TrafficMonth.of(np.where(compared, table.time, np.nan), weight)
    month = None if isinstance(month_or_reason, str) else month_or_reason
    first, last = first_and_last(table.time)
    activations = np.array(table.values["proxy_activation"], dtype=object)
    return Savings(
        route=route.name,
        population=population,
        first=first,
        last=last,
        requests=float(weight.sum()),
        decided=total(decided),
        undecided=total(~outcomes.has_decision & ~outcomes.is_hit & ~outcomes.is_failed),
        cache_hits=total(outcomes.is_hit),
        failed=total(outcomes.is_failed),
        fallbacks=total(outcomes.is_fallback),
        overridden=total(outcomes.not_by_policy | (decided & outcomes.is_overridden)),
        not_by_policy=total(outcomes.not_by_policy),
        other_models=total(decided & (outcomes.side == Side.OTHER)),
        compared=total(compared),
        booked=bill(costs.booked, share),
        priced=bill(costs.priced, share),
        projected=_projected(connection, log, activations, weight, compared),
        always_strong=bill(costs.strong, 1.0),
        always_weak=bill(costs.weak, 0.0),
        activations=sorted({str(ref) for ref in activations[decided] if ref is not None}),
        saved_a_month=None if saved is None or month is None else month.amount(saved, compared),
        month=month,
        unbooked=unbooked,
        notes=reporter.notes,
    )


def _unbooked(models: NDArray[np.object_], costs: _Costs, compared: NDArray[np.bool_]) -> list[str]:
    """Models all of whose answers a proxy booked at 0 for want of a price, and not because they
    cost nothing: at the route's prices they do."""
    if costs.priced is None:
        return []
    by_model = {model: compared & (models == model) for model in set(models[compared])}
    return sorted(
        model
        for model, rows in by_model.items()
        if (costs.booked[rows] == 0).all() and (costs.priced[rows] > 0).any()
    )


def _cost_of(name: str, route: RouteInUse, table: RequestTable) -> NDArray[np.float64] | None:
    try:
        price = price_of(name, None, route.prices({}))
    except UsageError:
        return None
    return price.costs(table.tokens_in, table.tokens_out)


def _projected(
    connection: Connection,
    log: Sequence[Activation],
    activations: NDArray[np.object_],
    weight: NDArray[np.float64],
    compared: NDArray[np.bool_],
) -> Bill:
    """What the calibrations of what ran said that as many requests cost.

    A request whose log names no activation counts for what runs now.
    """
    from routectl.workflow.calibrating.recorded import recorded

    if not log or not compared.any():
        return Bill(strong_fraction=None, cost=None)
    by_ref = {IdKind.ACTIVATION.ref(row.id): row for row in log}
    weights: dict[str, float] = {}
    for ref, amount in zip(activations[compared], weight[compared], strict=True):
        decided_by = ref if ref in by_ref else IdKind.ACTIVATION.ref(log[-1].id)
        weights[decided_by] = weights.get(decided_by, 0.0) + float(amount)
    strong = 0.0
    cost: float | None = 0.0
    for ref, amount in weights.items():
        ran = activated(connection, by_ref[ref], "", active=False)
        if ran.policy.rule != THRESHOLD or ran.calibration is None:
            strong += amount * (ran.policy.rule == ALWAYS_STRONG)
            cost = None
            continue
        strong += amount * ran.calibration.strong_fraction
        try:
            costs = recorded(connection, ran.calibration).costs
        except StoreError:
            costs = None
        if costs is None or cost is None:
            cost = None
        else:
            cost += costs.spending.this_threshold / 1000 * amount
    return Bill(strong_fraction=strong / sum(weights.values()), cost=cost)


def _nothing_decided(route: RouteInUse, rows: int, has_decision: NDArray[np.bool_]) -> str:
    if not rows:
        return f"there is no request of route {route.name!r} in this time: import its log"
    if has_decision.any():
        return (
            f"the decided requests of route {route.name!r} in this time failed or came from the "
            "cache, so nothing was saved or spent by a decision"
        )
    return (
        f"none of the {rows:,} requests of route {route.name!r} in this time has a logged decision "
        "of the proxy, so what routing has saved cannot be said: let the proxy decide by routectl "
        "(docs/proxy.md) and import its log"
    )
