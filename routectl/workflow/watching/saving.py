"""`routectl savings`: what logged decisions have cost, and what else the requests could have."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from sqlalchemy import Connection

from routectl.errors import StoreError
from routectl.policy import ALWAYS_STRONG, THRESHOLD
from routectl.prices import ModelPrice
from routectl.records import IdKind, Population
from routectl.store import routes
from routectl.store.engine import Location
from routectl.store.models import Activation
from routectl.store.opening import open_store
from routectl.store.requests import RequestTable, request_table
from routectl.workflow.activating.comparing import first_and_last, recent, traffic_compared
from routectl.workflow.calibrating.answering import Side
from routectl.workflow.calibrating.pricing import route_prices
from routectl.workflow.policies.activated import activated
from routectl.workflow.policies.deciding import named_policy
from routectl.workflow.reporter import Remembering, Reporter
from routectl.workflow.routes.in_use import RouteInUse, in_use, picked_route
from routectl.workflow.watching.bills import Costs, unbooked_models
from routectl.workflow.watching.outcomes import COLUMNS, Outcomes

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from routectl.calibration import TrafficMonth

WINDOW = timedelta(days=30)
"""What is looked at where nobody says since when: this long before the newest request."""


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
        table = request_table(connection, population, None, columns=COLUMNS)
        remembering = Remembering(reporter)
        prices = route_prices(used, {}, remembering)
        return _savings(connection, used, log, population, table, prices, remembering)


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

    outcomes = Outcomes.of(route, table)
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
    costs = Costs.of(route, table, outcomes, prices)
    unbooked = unbooked_models(outcomes.model, costs, compared)
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
