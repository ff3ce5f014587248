"""The cost of a calibration's requests, at the prices of its route's models."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from routectl.calibration import Interval, Month, Spending, TrafficMonth
from routectl.calibration.clusters import sums
from routectl.errors import CalibrationError, InputError
from routectl.prices import CURRENCY, ModelPrice
from routectl.route import quoted
from routectl.store.scores import STRONG, WEAK, ScoredRequests
from routectl.workflow.routes.in_use import declared_prices

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from routectl.workflow.reporter import Reporter
    from routectl.workflow.routes.in_use import RouteInUse

    Floats = NDArray[np.float64]

__all__ = [
    "Answers",
    "Booked",
    "Costs",
    "Interval",
    "Month",
    "PricedRequests",
    "priced_requests",
    "require_models",
    "require_month",
    "route_prices",
    "traffic_month",
]

FEWEST_ANSWERS = 100
"""Answers of a model from which its booked cost, and the length of its answers, are believed."""

_FEWEST_IN_A_PART = 10
"""Answers of each model in a tenth of the scores that is compared."""


@dataclass(frozen=True, slots=True)
class Booked:
    """What the proxy booked for a model's answers, set against their price."""

    requests: int
    """Answers of the model with a booked cost and tokens."""
    ratio: float
    """Booked cost divided by the price of the same tokens: discounts, prompt caches, failures."""


@dataclass(frozen=True, slots=True)
class Answers:
    """How long the answer of a model is that did not answer."""

    ratio: float
    """Tokens of a weak answer for each of a strong one, at like scores."""
    compared: float
    """Share of the answers that lie in tenths of the scores in which both models answered."""


@dataclass(frozen=True, slots=True)
class Costs:
    """The cost of a calibration's requests."""

    strong: ModelPrice
    weak: ModelPrice
    spending: Spending
    month: Month | str
    """Why there is none, where the log is too short to tell."""
    strong_booked: Booked | None = None
    """None: too few answers of this model are booked, and its price counts as it is."""
    weak_booked: Booked | None = None
    answers: Answers | None = None
    """None: the log does not tell, and both models answer in as many tokens."""
    changes_model: float | None = None
    """Share of the requests whose conversation's request before goes to the other model; None
    where the log has no conversations."""

    def to_json(self) -> dict[str, object]:
        """As plain JSON values; prices are per million tokens."""
        per_1000 = asdict(self.spending)
        per_1000["known"] = per_1000.pop("known_share")
        month = self.month
        return {
            "currency": CURRENCY,
            "prices": {"strong": self.strong.to_json(), "weak": self.weak.to_json()},
            "per_1000_requests": per_1000,
            "month": None if isinstance(month, str) else month.to_json(),
            "no_month": month if isinstance(month, str) else None,
            "booked": {
                "strong": self.strong_booked and asdict(self.strong_booked),
                "weak": self.weak_booked and asdict(self.weak_booked),
            },
            "answers": self.answers and asdict(self.answers),
            "changes_model": self.changes_model,
        }

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Costs:
        """What `to_json` wrote; an older one has less."""
        per_1000 = dict(stored["per_1000_requests"])
        month, booked = stored.get("month"), stored.get("booked", {})
        return cls(
            strong=_price(stored["prices"]["strong"]),
            weak=_price(stored["prices"]["weak"]),
            spending=Spending(known_share=per_1000.pop("known"), **per_1000),
            month=(
                str(stored.get("no_month") or "it is not recorded")
                if month is None
                else Month.from_json(month)
            ),
            strong_booked=_one(Booked, booked.get("strong")),
            weak_booked=_one(Booked, booked.get("weak")),
            answers=_one(Answers, stored.get("answers")),
            changes_model=stored.get("changes_model"),
        )


def _price(stored: Mapping[str, Any]) -> ModelPrice:
    read, written = (Decimal(str(stored[side])) for side in ("input", "output"))
    return ModelPrice(stored["model"], read, written, stored["source"])


def _one(kind: type[Any], stored: Mapping[str, Any] | None) -> Any:
    return None if stored is None else kind(**stored)


@dataclass(frozen=True, slots=True)
class PricedRequests:
    """What each request would cost with either model. n requests."""

    strong: ModelPrice
    weak: ModelPrice
    strong_cost: Floats
    """Shape (n,), US dollars, NaN where the tokens are unknown."""
    weak_cost: Floats
    strong_booked: Booked | None
    weak_booked: Booked | None
    answers: Answers | None

    def costs(self, spending: Spending, month: Month | str, changes_model: float | None) -> Costs:
        """What a cut costs."""
        return Costs(
            self.strong,
            self.weak,
            spending,
            month,
            self.strong_booked,
            self.weak_booked,
            self.answers,
            changes_model,
        )


def route_prices(
    route: RouteInUse, given: Mapping[str, ModelPrice], reporter: Reporter
) -> tuple[ModelPrice, ModelPrice] | None:
    """What the strongest and the weakest model of a route cost.

    Args:
        given: prices that go before the route's own and the list's.

    Returns:
        None where it declares no models; or, with a note, where a price is no longer on the list.
    """
    if route.pair is None:
        return None
    try:
        prices = declared_prices(route.declared, route.prices(given))
    except InputError as error:
        reporter.note(f"there are no US dollars, because {error}")
        return None
    return prices[0], prices[-1]


def priced_requests(
    prices: tuple[ModelPrice, ModelPrice] | None, rows: ScoredRequests
) -> PricedRequests | None:
    """The cost of each request if it is answered by either model.

    Where the log has both models' answers, the one that did not answer is taken to be as much
    longer or shorter as its answers are at like scores; else as long. Where the proxy booked costs
    for a model's answers, its price is taken times what they are of it.

    Args:
        prices: of the strong model and of the weak one.
        rows: read with the models' names.

    Returns:
        None where there are no prices, or no tokens are known.
    """
    import numpy as np

    if prices is None or rows.tokens_out is None or not np.isfinite(rows.tokens_out).any():
        return None
    strong, weak = prices
    out, tokens_in = rows.tokens_out, rows.tokens - rows.tokens_out
    strong_out = weak_out = out
    answers = _answers(rows)
    if answers is not None:
        strong_out = np.where(rows.answered == WEAK, out / answers.ratio, out)
        weak_out = np.where(rows.answered == STRONG, out * answers.ratio, out)
    strong_cost, weak_cost = strong.costs(tokens_in, strong_out), weak.costs(tokens_in, weak_out)
    strong_booked = _booked(rows, STRONG, strong_cost)
    weak_booked = _booked(rows, WEAK, weak_cost)
    return PricedRequests(
        strong=strong,
        weak=weak,
        strong_cost=strong_cost if strong_booked is None else strong_cost * strong_booked.ratio,
        weak_cost=weak_cost if weak_booked is None else weak_cost * weak_booked.ratio,
        strong_booked=strong_booked,
        weak_booked=weak_booked,
        answers=answers,
    )


def _booked(rows: ScoredRequests, side: int, cost: Floats) -> Booked | None:
    """What was booked for the answers of one side, set against their price."""
    import numpy as np

    if rows.answered is None:
        return None
    is_its = (rows.answered == side) & np.isfinite(rows.spend) & np.isfinite(cost)
    count = int(np.count_nonzero(is_its))
    weights = rows.weights[is_its]
    booked, listed = float(weights @ rows.spend[is_its]), float(weights @ cost[is_its])
    # A proxy that has no price for a model books 0.
    if count < FEWEST_ANSWERS or booked <= 0.0 or listed <= 0.0:
        return None
    return Booked(count, booked / listed)


def _answers(rows: ScoredRequests) -> Answers | None:
    """How much longer the weak model's answers are than the strong one's.

    Compared within tenths of the scores, since a router sends each model prompts of its own. None
    where fewer than half of the answers can be compared.
    """
    import numpy as np

    if rows.answered is None or rows.tokens_out is None:
        return None
    # A failure has no answer.
    has_answer = (rows.answered > 0) & (rows.tokens_out > 0)
    side, out = rows.answered[has_answer], rows.tokens_out[has_answer]
    if min(np.count_nonzero(side == STRONG), np.count_nonzero(side == WEAK)) < FEWEST_ANSWERS:
        return None
    rates, weights = rows.win_rates[has_answer], rows.weights[has_answer]
    tenth = np.searchsorted(np.quantile(rates, np.arange(1, 10) / 10), rates, side="right")

    def by_tenth(of: int, amounts: Floats | None = None) -> Floats:
        chosen = side == of
        values = weights[chosen] if amounts is None else weights[chosen] * amounts[chosen]
        return sums(tenth[chosen], 10, values)

    count = {s: np.bincount(tenth[side == s], minlength=10) for s in (STRONG, WEAK)}
    both = (count[STRONG] >= _FEWEST_IN_A_PART) & (count[WEAK] >= _FEWEST_IN_A_PART)
    all_weight = np.bincount(tenth, weights, minlength=10)
    compared = float(all_weight[both].sum() / all_weight.sum())
    if compared < 0.5:
        return None
    strong, weak = (
        float(all_weight[both] @ (by_tenth(s, out)[both] / by_tenth(s)[both]))
        for s in (STRONG, WEAK)
    )
    return Answers(weak / strong, compared)


def traffic_month(rows: ScoredRequests, priced: PricedRequests | None) -> TrafficMonth | str:
    """How these requests stand for a month, or why they tell none."""
    import numpy as np

    if priced is None:
        return "no price or no tokens are known"
    month = TrafficMonth.of(rows.times, rows.weights)
    if (
        isinstance(month, TrafficMonth)
        and not np.isfinite(priced.strong_cost[month.per_request > 0]).any()
    ):
        return "no request with a time has tokens"
    return month


def require_models(route: RouteInUse) -> None:
    """Refuse a question about money where the route declares no models.

    Raises:
        CalibrationError: it does not.
    """
    if route.pair is None:
        raise CalibrationError(
            f"route {route.name} declares no models, and a budget is about their prices: name them "
            f"with `routectl route set {quoted(route.name)} --strong MODEL --weak MODEL`"
        )


def require_month(priced: PricedRequests | None, month: TrafficMonth | str) -> None:
    """Refuse a question about a month's money where the log does not tell it.

    Raises:
        CalibrationError: there is no month.
    """
    if priced is None:
        raise CalibrationError(
            "a budget is about what calls cost, and these requests have no tokens, or a model no "
            "price: import a log with tokens, or give the price with --price MODEL=IN/OUT"
        )
    if isinstance(month, str):
        raise CalibrationError(
            f"a budget of a month takes requests with times, over a day at least, and {month}: "
            "import a longer log, or one with times (`--map time=PATH` says where they are)"
        )
