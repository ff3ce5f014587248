"""Which route a command means, and what it declares."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from sqlalchemy import Connection

from routectl.errors import InputError, StoreError, UsageError
from routectl.escaping import first_names
from routectl.prices import CURRENCY, ModelPrice, price_of, prices_within
from routectl.records import Limits, ModelPair, Population, Routed
from routectl.route import DEFAULT_ROUTE, Declaration, quoted
from routectl.store import routes
from routectl.store.engine import Location
from routectl.store.models import Route
from routectl.store.opening import open_store
from routectl.store.traffic import routed_since


def picked_route(connection: Connection, name: str | None) -> Route | None:
    """The route that a command means: the one that it names, else the only one there is.

    Returns:
        None where there is no route yet: `default` is meant, which `default_route` makes.

    Raises:
        UsageError: none is named and there are several; or the name is empty.
        StoreError: there is no such route.
    """
    stored = routes.routes(connection)
    if name is None:
        if len(stored) > 1:
            raise UsageError(
                f"there are {len(stored)} routes, so name one with --route; they are "
                f"{_names(stored)}"
            )
        return stored[0] if stored else None
    if not name:
        raise UsageError("--route is empty: name a route, or leave it out")
    row = next((row for row in stored if row.name == name), None)
    if row is None and (stored or name != DEFAULT_ROUTE):
        raise unknown_route(stored, name)
    return row


def asked_routes(connection: Connection, name: str | None) -> list[Route]:
    """The route of a name, in a list; without a name, all. Empty where there is no route yet.

    Raises:
        UsageError: the name is empty.
        StoreError: there is no such route.
    """
    if name is None:
        return routes.routes(connection)
    row = picked_route(connection, name)
    return [] if row is None else [row]


def name_of(connection: Connection, route_id: int | None) -> str:
    """The name that a route has now; of a record from before there were routes, `default`."""
    return DEFAULT_ROUTE if route_id is None else routes.route_of(connection, route_id).name


def default_route(connection: Connection) -> Route:
    """The route of a database in which nobody declared one, made where it is not there yet."""
    return routes.add_route(connection, DEFAULT_ROUTE)


@dataclass(frozen=True, slots=True)
class RouteInUse:
    """The route that a command works for, as it is declared at that time."""

    id: int | None
    """None where there is no route yet: `default` is meant."""
    name: str
    declared: Declaration
    routed: Routed | None = None

    @property
    def router_texts(self) -> tuple[str, ...]:
        """The router that it declares, as --router names it; empty where it declares none."""
        spec = self.declared.router
        if spec is None:
            return ()
        return (spec.name if spec.checkpoint is None else f"{spec.name}={spec.checkpoint}",)

    @property
    def pair(self) -> ModelPair | None:
        """The strongest and the weakest of its models."""
        strong, weak = self.declared.strong, self.declared.weak
        return None if strong is None or weak is None else ModelPair(strong, weak)

    def population(self, given: Population) -> Population:
        """Its population, with the given conditions in place of those on the same fields, within
        the given times; of what was logged since the proxy decides by it, what names it."""
        declared = self.declared.population or Population()
        fields = {condition.field for condition in given.where}
        kept = tuple(c for c in declared.where if c.field not in fields)
        return replace(given, where=(*kept, *given.where), routed=self.routed)

    def prices(self, given: Mapping[str, ModelPrice]) -> dict[str, ModelPrice]:
        """The given prices, and those that it declares for its other models."""
        own = own_prices(self.declared)
        return {n: price for n, price in own.items() if not prices_within(given, [n])} | dict(given)


def route_in_use(location: Location, name: str | None) -> RouteInUse:
    """The route that a command means, as `picked_route` tells it."""
    with open_store(location) as store, store.read() as connection:
        return in_use(connection, picked_route(connection, name))


def in_use(connection: Connection, row: Route | None) -> RouteInUse:
    """A route that was picked, with what its commands need."""
    if row is None:
        return RouteInUse(None, DEFAULT_ROUTE, Declaration(), _routed(connection, (DEFAULT_ROUTE,)))
    names = routes.names_of(connection, row)
    return RouteInUse(row.id, row.name, routes.declaration(row), _routed(connection, names))


def _routed(connection: Connection, names: tuple[str, ...]) -> Routed | None:
    since = routed_since(connection, *names)
    return None if since is None else Routed(names, since)


def _names(stored: Sequence[Route]) -> str:
    return first_names([row.name for row in stored])


def unknown_route(stored: Sequence[Route], name: str) -> StoreError:
    """The error that there is no route of a name, with those that there are."""
    return StoreError(
        f"there is no route {name!r}: "
        + (f"the routes are {_names(stored)}; " if stored else "")
        + f"`routectl route set {quoted(name)} --strong MODEL --weak MODEL` makes one"
    )


def declared_prices(
    declared: Declaration, own: Mapping[str, ModelPrice] | None = None
) -> tuple[ModelPrice, ...]:
    """What the models of a route cost, from strong to weak: its own prices, else the list's.

    Args:
        own: as `RouteInUse.prices` gives them; None: those that it declares.

    Raises:
        InputError: one is not known; the sentence names each of those.
    """
    prices = model_prices(declared, own)
    unknown = [model for model, price in prices.items() if price is None]
    if unknown:
        options = " ".join(f"--price {quoted(model)}=IN/OUT" for model in unknown)
        raise InputError(
            f"no price is known for {' and '.join(unknown)}: say what a million of its input and "
            f"output tokens cost, in {CURRENCY}, with {options} (0/0 if it costs nothing)"
        )
    return tuple(price for price in prices.values() if price is not None)


def model_prices(
    declared: Declaration, own: Mapping[str, ModelPrice] | None = None
) -> dict[str, ModelPrice | None]:
    """The same by model, from strong to weak; None where no price is known, as after a new list."""
    own = own_prices(declared) if own is None else own
    prices: dict[str, ModelPrice | None] = {}
    for model in reversed(declared.models):
        try:
            prices[model.name] = price_of(model.name, None, own)
        except UsageError:
            prices[model.name] = None
    return prices


def declared_models(declared: Declaration) -> tuple[str, ...] | None:
    """The names of a route's models, from weak to strong; None where it declares none."""
    return tuple(model.name for model in declared.models) or None


def declared_limits(declared: Declaration) -> dict[str, Limits]:
    """What the weaker models of a route cannot take, of those that declare anything."""
    return {model.name: model.limits for model in declared.models[:-1] if model.limits != Limits()}


def own_prices(declared: Declaration) -> dict[str, ModelPrice]:
    """The prices that a route declares, by model."""
    return {
        model.name: ModelPrice(
            model.name, model.price.input, model.price.output, source="price of the route"
        )
        for model in declared.models
        if model.price is not None
    }
