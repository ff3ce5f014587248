"""Which models answered the traffic: those of the route, others, or those that it could have."""

from __future__ import annotations

import re
import shlex
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from decimal import Decimal
from enum import IntEnum
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection

from routectl.errors import UsageError
from routectl.extraction import EXTRACTION_VERSION
from routectl.model_names import same_model
from routectl.prices import price_of
from routectl.records import Population
from routectl.route import DEFAULT_ROUTE, require_name
from routectl.store import routes
from routectl.store.populations import AnsweredBy, answered_by
from routectl.workflow.routes.in_use import RouteInUse

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

NEWEST = 20_000
"""Requests that are looked at."""

_PLACEHOLDER = "MODEL"
_USUAL_NAME = "smart"
_MOST_GROUPS = 5
# A release, as providers write it behind a model's name.
_RELEASE = re.compile(r"(-\d{4}-\d{2}-\d{2}|-\d{8}|-\d{4}|-latest)?([@:].*)?$")


@dataclass(frozen=True, slots=True)
class OtherModels:
    """Models that answered requests of a route and are not its own."""

    share: float
    """Of the requests whose model the log knows."""
    models: tuple[str, ...]
    """The most used first."""

    def to_json(self) -> dict[str, object]:
        """As plain JSON values."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Answered:
    """Who answered the requests of a route that declares models."""

    others: OtherModels | None
    """None where nobody but the route's models did."""
    by_strong: tuple[str, ...]
    """The names that its strongest model has in the log."""
    by_weak: tuple[str, ...]


def who_answered(
    connection: Connection, route: RouteInUse, population: Population
) -> Answered | None:
    """Who answered the newest requests; None where the route declares no models."""
    if not route.declared.models:
        return None
    rows = answered_by(connection, population, EXTRACTION_VERSION, newest=NEWEST)
    own = [model.name for model in route.declared.models]
    named = {name for row in rows if (name := _answering(row)) is not None}
    strong, weak = (
        tuple(sorted(name for name in named if is_model(name, model)))
        for model in (own[-1], own[0])
    )
    return Answered(_other_models(rows, route, own), strong, weak)


def _other_models(
    rows: Sequence[AnsweredBy], route: RouteInUse, own: Sequence[str]
) -> OtherModels | None:
    names = (route.name, *(route.routed.names if route.routed is not None else ()))
    total = others = 0.0
    weights: defaultdict[str, float] = defaultdict(float)
    for row in rows:
        called = [name for name in (row.model, row.decided, row.model_group) if name]
        if row.model is None and row.decided is None and row.model_group in (None, *names):
            continue  # The log knows the route alone.
        total += row.weight
        if not any(is_model(name, model) for name in called for model in own):
            others += row.weight
            weights[called[0]] += row.weight
    if not others:
        return None
    return OtherModels(others / total, tuple(sorted(weights, key=lambda name: -weights[name])))


def is_model(name: str, model: str) -> bool:
    """Whether a name in a log is a model's, in a release of it or with a provider before it."""
    return same_model(name, model) or same_model(_RELEASE.sub("", name), model)


def suggested_route(connection: Connection, route: RouteInUse, population: Population) -> str:
    """The `route set` command that would declare a route's models, filled in from its log.

    The dearest model by list price is the strong one, the cheapest the weak one, and the model
    groups are those that the strong one answers today. What the log does not tell is written as
    MODEL.
    Every word is quoted for a shell; a name that could not be printed is left out.
    """
    rows = answered_by(connection, population, EXTRACTION_VERSION, newest=NEWEST)
    rows = [row for row in rows if _can_be_typed(_answering(row))]
    models = list(dict.fromkeys(str(_answering(row)) for row in rows))
    named = dict.fromkeys(row.model_group for row in rows)
    groups = [group for group in named if group is not None and _can_be_typed(group)]
    aliases = [group for group in groups if group not in models]
    name = route.name
    if name == DEFAULT_ROUTE and len(routes.routes(connection)) < 2:
        # The line renames it. Where there are others, it would change one of those.
        name = next(iter(aliases), _USUAL_NAME)
    # A group of which no model is known may be the route itself.
    models = [model for model in models if model != name]
    strong, weak, unpriced = _by_price(models)
    command = ["routectl", "route", "set", name]
    command += ["--strong", strong or _PLACEHOLDER, "--weak", weak or _PLACEHOLDER]
    for model in unpriced:
        command += ["--price", f"{model}=IN/OUT"]
    declared = route.declared.population
    if declared is None or not declared.where:
        answered = [row.model_group for row in rows if _answering(row) in (strong, name)]
        for group in [g for g in groups if g in answered][:_MOST_GROUPS]:
            command += ["--where", f"model_group={group}"]
    return shlex.join(command)


def _answering(row: AnsweredBy) -> str | None:
    return row.model or row.decided or row.model_group


def _can_be_typed(name: str | None) -> bool:
    if name is None or name.startswith("-"):
        return False
    try:
        require_name(name, "")
    except UsageError:
        return False
    return True


def _by_price(models: Sequence[str]) -> tuple[str | None, str | None, list[str]]:
    """The dearest of the models, the cheapest, and those of the two that no list has.

    A single model is taken for the strong one, and none is looked up for it.
    """
    if len(models) < 2:
        return (models[0] if models else None), None, []
    rates: dict[str, Decimal] = {}
    for model in models:
        try:
            price = price_of(model, None, {})
        except UsageError:
            continue
        rates[model] = price.input + price.output
    ranked = sorted(rates, key=lambda model: rates[model])
    if len(ranked) > 1 and rates[ranked[0]] < rates[ranked[-1]]:
        return ranked[-1], ranked[0], []
    if ranked:
        return ranked[-1], None, []
    return models[0], None, [models[0]]


class Side(IntEnum):
    """Which of a route's models answered."""

    WEAK = 0
    """The weakest."""
    STRONG = 1
    """The strongest."""
    BETWEEN = 2
    OTHER = 3
    """None of them."""
    UNKNOWN = 4


@dataclass(frozen=True, slots=True)
class DecidedAnswer:
    """Who answered a request that a proxy decided."""

    side: Side
    overridden: bool
    """Another model than the decision named."""
    model: str | None
    """By its name in the log; None where that is not known."""


class DecidedAnswers:
    """Who answered a request that a proxy decided. A log has few names, and many rows with each."""

    def __init__(self, route: RouteInUse) -> None:
        self._own = [model.name for model in route.declared.models]
        self._seen: dict[tuple[Any, ...], DecidedAnswer] = {}

    def of(self, decision: str, decided_model: str | None, model: str | None) -> DecidedAnswer:
        """Who answered, by the decision, the model that it named and the one that answered."""
        key = (decision, decided_model, model)
        if key not in self._seen:
            self._seen[key] = self._answer(*key)
        return self._seen[key]

    def others(
        self, answered: Sequence[DecidedAnswer | None]
    ) -> list[tuple[str, NDArray[np.bool_]]]:
        """The models that are not the weakest or the strongest, and the rows that they answered.

        Args:
            answered: of each row, None where nothing was decided.

        Returns:
            Name and bool[n] of each, by name.
        """
        import numpy as np

        names = {
            answer.model
            for answer in self._seen.values()
            if answer.side in (Side.BETWEEN, Side.OTHER) and answer.model is not None
        }
        return [
            (name, np.array([answer is not None and answer.model == name for answer in answered]))
            for name in sorted(names)
        ]

    def _answer(self, decision: str, decided_model: str | None, model: str | None) -> DecidedAnswer:
        decided = self._place(decision, decided_model)
        if model is None:
            return DecidedAnswer(self._side(decided, decided_model), False, decided_model)
        answered = self._place(None, model)
        overridden = (
            answered != decided
            if decided is not None
            else decided_model is not None and not is_model(model, decided_model)
        )
        return DecidedAnswer(self._side(answered, model), overridden, model)

    def _place(self, decision: str | None, model: str | None) -> int | None:
        """The place of a model among the route's, from 0, the weakest."""
        for place, own in enumerate(self._own):
            if model is not None and is_model(model, own):
                return place
        return {"weak": 0, "strong": max(len(self._own) - 1, 1)}.get(decision or "")

    def _side(self, place: int | None, model: str | None) -> Side:
        if place is None:
            return Side.UNKNOWN if model is None else Side.OTHER
        return {0: Side.WEAK, max(len(self._own) - 1, 1): Side.STRONG}.get(place, Side.BETWEEN)
