"""What is declared of a route: its models with their prices, its router, its population.

The models are deployments that people pay for; the pair of models that a router knows is a
property of the router's spec, and another thing.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from decimal import Decimal
from typing import Any

from routectl.errors import InputError, UsageError
from routectl.records import Limits, Population, RouterSpec

DEFAULT_ROUTE = "default"
"""The route of a database in which nobody declared one."""

LONGEST_NAME = 200
"""Characters."""


@dataclass(frozen=True, slots=True)
class OwnPrice:
    """What a model costs by one's own contract or machines, US dollars per million tokens."""

    input: Decimal
    output: Decimal


@dataclass(frozen=True, slots=True)
class RouteModel:
    """A deployment that a route's requests are sent to."""

    name: str
    price: OwnPrice | None = None
    """None: the list's."""
    limits: Limits = field(default_factory=Limits)
    """What it cannot take; by default nothing is declared."""


@dataclass(frozen=True, slots=True)
class Declaration:
    """What is declared of a route; what nobody declared is empty or None."""

    models: tuple[RouteModel, ...] = ()
    """From weak to strong."""
    router: RouterSpec | None = None
    population: Population | None = None
    publish: str | None = None
    """Absolute path of the routes.json that each activation writes anew."""
    drift_tolerance: float | None = None
    """How far the long-run share may be from the calibrated one before it counts as drift, above 0
    and below 1; None: the default."""

    @property
    def strong(self) -> str | None:
        """The name of the strongest model."""
        return self.models[-1].name if self.models else None

    @property
    def weak(self) -> str | None:
        """The name of the weakest model."""
        return self.models[0].name if self.models else None

    def to_json(self) -> dict[str, Any]:
        """As plain JSON values, by the names of the table's columns; prices are texts."""
        models = [
            {
                "name": model.name,
                "price": None
                if model.price is None
                else {
                    "input": f"{model.price.input.normalize():f}",
                    "output": f"{model.price.output.normalize():f}",
                },
                # A model without any is declared as it always was.
                **({} if model.limits == Limits() else {"limits": asdict(model.limits)}),
            }
            for model in self.models
        ]
        return {
            "models": models or None,
            "router": None if self.router is None else self.router.to_json(),
            "population": None if self.population is None else self.population.to_json(),
            "publish": self.publish,
            "drift_tolerance": self.drift_tolerance,
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Declaration:
        """What `to_json` wrote.

        Raises:
            InputError: it is something else.
        """
        try:
            models = tuple(
                RouteModel(model["name"], _price(model["price"]), Limits(**model.get("limits", {})))
                for model in value["models"] or ()
            )
            router, population = value["router"], value["population"]
            return cls(
                models,
                None if router is None else RouterSpec.from_json(router),
                None if population is None else Population.from_json(population),
                value["publish"],
                value["drift_tolerance"],
            )
        except (KeyError, TypeError, ValueError, ArithmeticError):
            raise InputError(
                "the declaration of a route cannot be read: it was written by another routectl, or "
                "is damaged"
            ) from None


def _price(value: Mapping[str, str] | None) -> OwnPrice | None:
    return None if value is None else OwnPrice(Decimal(value["input"]), Decimal(value["output"]))


_NO_LIMITS = "none"
_CANNOT_TAKE = {
    "no-images": "images",
    "no-tools": "tools",
    "no-response-format": "response_format",
}
_MOST_CONTEXT = 10**9


def parse_limits(texts: Sequence[str]) -> dict[str, Limits]:
    """What `--limit MODEL=context:TOKENS,no-images,...` says, by model; `none` takes all back.

    Raises:
        UsageError: one of them has another form, or a model has two.
    """
    limits: dict[str, Limits] = {}
    for text in texts:
        # A model's name may hold =, limits hold none.
        model, _, parts = text.rpartition("=")
        if not model or not parts:
            raise UsageError(f"--limit {text} is not of the form {_LIMIT_FORM}")
        if model in limits:
            raise UsageError(f"--limit names {model} twice")
        limits[model] = Limits() if parts == _NO_LIMITS else _limits(parts.split(","), text)
    return limits


_LIMIT_FORM = (
    "MODEL=LIMIT,..., as in mini=context:128000,no-images,no-tools,no-response-format; none takes "
    "them back"
)


def _limits(parts: Sequence[str], text: str) -> Limits:
    limits = Limits()
    for part in parts:
        key, _, number = part.partition(":")
        if part in _CANNOT_TAKE:
            limits = replace(limits, **{_CANNOT_TAKE[part]: False})
        elif key == "context" and number.isascii() and number.isdigit():
            limits = replace(limits, context=int(number[:20]))
            if not 1 <= int(number[:20]) <= _MOST_CONTEXT:
                raise UsageError(
                    f"--limit {text}: a context is 1 to {_MOST_CONTEXT:,} tokens, not {number[:20]}"
                )
        else:
            raise UsageError(f"--limit {text} is not of the form {_LIMIT_FORM}")
    return limits


def quoted(name: str) -> str:
    """A name within a command that is printed for people to type."""
    return shlex.quote(name) if name.isprintable() else "NAME"


def require_name(text: str, what: str) -> str:
    """A route's or a model's name, as it was given.

    Raises:
        UsageError: it is empty, too long, or could not be printed as it is.
    """
    if not text:
        raise UsageError(f"{what} is empty: name it, or leave it out")
    if len(text) > LONGEST_NAME:
        raise UsageError(f"{what} is longer than {LONGEST_NAME} characters")
    if not text.isprintable() or text != text.strip():
        raise UsageError(
            f"{what} begins or ends with a space, or holds a character that cannot be printed"
        )
    return text
