"""What requests cost: as the log booked it, and at the route's prices."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from routectl.errors import UsageError
from routectl.prices import ModelPrice, price_of
from routectl.store.requests import RequestTable
from routectl.workflow.calibrating.answering import Side
from routectl.workflow.routes.in_use import RouteInUse
from routectl.workflow.watching.outcomes import Outcomes

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, eq=False)
class Costs:
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
        outcomes: Outcomes,
        prices: tuple[ModelPrice, ModelPrice] | None,
    ) -> Costs:
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

    def without_unbooked(self, models: NDArray[np.object_], unbooked: Sequence[str]) -> Costs:
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


def unbooked_models(
    models: NDArray[np.object_], costs: Costs, compared: NDArray[np.bool_]
) -> list[str]:
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
