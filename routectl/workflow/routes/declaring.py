"""`routectl route`: what is declared of a route, changed and shown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import Connection

from routectl.errors import StoreError, UsageError
from routectl.prices import ModelPrice, price_of, require_asked
from routectl.records import IdKind, Limits, Population, RouterSpec
from routectl.route import (
    DEFAULT_ROUTE,
    Declaration,
    OwnPrice,
    RouteModel,
    quoted,
    require_name,
)
from routectl.store import routes
from routectl.store.calibrations import count_calibrations
from routectl.store.engine import Location
from routectl.store.models import Route
from routectl.store.opening import create_or_open, open_store
from routectl.workflow.actor import actor
from routectl.workflow.reporter import Reporter
from routectl.workflow.routes.in_use import (
    declared_prices,
    model_prices,
    picked_route,
    unknown_route,
)

SET, RENAME, REMOVE = "set", "rename", "remove"
"""What `route_changes` calls a change."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What `route set` gives; what is None, or not there, stays as it was."""

    strong: str | None = None
    weak: str | None = None
    router: RouterSpec | None = None
    population: Population | None = None
    prices: Mapping[str, ModelPrice] = field(default_factory=dict)
    publish: str | None = None
    """Absolute path of a routes.json; empty: none any more."""
    drift_tolerance: float | None = None
    limits: Mapping[str, Limits] = field(default_factory=dict)
    """Of the weak model."""

    def __post_init__(self) -> None:
        for model, option in ((self.strong, "--strong"), (self.weak, "--weak")):
            if model is not None:
                require_name(model, option)


@dataclass(frozen=True, slots=True)
class RouteSet:
    """What `route set` did."""

    name: str
    declared: Declaration
    created: bool
    renamed_from: str | None
    changed: tuple[str, ...]
    """What differs from before: name, models, router, population, publish. Empty: nothing."""
    prices: Mapping[str, ModelPrice | None]
    """By model, from strong to weak; empty where it declares none."""
    overlaps: tuple[str, ...]
    """Other routes whose population may share requests with this one's."""
    published_before: str | None
    """Where it was published, if it is no longer: nobody writes that file for it any more."""


def set_route(
    location: Location, name: str, wanted: Wanted, *, note: str | None, reporter: Reporter
) -> RouteSet:
    """Declare a route, or change what is declared of it. The database is made when there is none.

    A database whose only route is `default`, which nobody declared by that name, has it renamed.

    Raises:
        UsageError: the models are equal, one is missing, or a price is of another model.
        InputError: the price of a model is not known.
    """
    require_name(name, "the route's name")
    if location.path is not None and not location.path.exists():
        # What is wrong with the command is said before a database is made for it.
        _merged(Declaration(), wanted, name, new=True)
    store, created_database = create_or_open(location)
    if created_database:
        reporter.note(f"made a new database at {location}")
    with store, store.write() as connection:
        stored = routes.routes(connection)
        row = next((row for row in stored if row.name == name), None)
        renamed_from = None
        if row is None and [other.name for other in stored] == [DEFAULT_ROUTE]:
            row, renamed_from = stored[0], DEFAULT_ROUTE
        before = Declaration() if row is None else routes.declaration(row)
        declared = _merged(before, wanted, name, new=row is None)
        was, now = _difference(
            {"name": None if row is None else row.name, **before.to_json()},
            {"name": name, **declared.to_json()},
        )
        if row is None:
            row_id = routes.add_route(connection, name, declared).id
        else:
            row_id = row.id
            if now:
                routes.change_route(connection, row_id, name, declared)
        if now:
            routes.add_route_change(
                connection,
                route_id=row_id,
                action=SET,
                was=None if row is None else was,
                now=now,
                actor=actor(),
                note=note,
            )
        others = [other for other in stored if other.id != row_id]
        return RouteSet(
            name=name,
            declared=declared,
            created=row is None,
            renamed_from=renamed_from,
            changed=tuple(now),
            prices=model_prices(declared),
            overlaps=_overlapping(declared.population, others),
            published_before=before.publish if "publish" in now else None,
        )


def rename_route(location: Location, old: str, new: str, *, note: str | None) -> bool:
    """Give a route another name; False where it has that name already.

    Raises:
        StoreError: there is no such route, or one that has the new name.
    """
    require_name(new, "the route's new name")
    with open_store(location) as store, store.write() as connection:
        row = _existing(connection, old)
        if new == old:
            return False
        if routes.route(connection, new) is not None:
            raise StoreError(
                f"there is a route {new!r} already: remove it, or take another name; nothing was "
                "changed"
            )
        routes.change_route(connection, row.id, new, routes.declaration(row))
        routes.add_route_change(
            connection,
            route_id=row.id,
            action=RENAME,
            was={"name": old},
            now={"name": new},
            actor=actor(),
            note=note,
        )
        return True


def remove_route(location: Location, name: str, *, note: str | None) -> None:
    """Take a route that never ran out of use. Its calibrations stay, and its name is free.

    Raises:
        StoreError: there is no such route, or it runs an activation.
    """
    with open_store(location) as store, store.write() as connection:
        row = _existing(connection, name)
        log = routes.activations(connection, row.id)
        if log:
            raise StoreError(
                f"route {name!r} runs {IdKind.ACTIVATION.ref(log[-1].id)}, and what runs is not "
                f"removed: give it another name with `routectl route rename {quoted(name)} NAME`; "
                "nothing was changed"
            )
        declared = routes.declaration(row).to_json()
        routes.remove_route(connection, row.id)
        routes.add_route_change(
            connection,
            route_id=row.id,
            action=REMOVE,
            was={"name": name, **{key: value for key, value in declared.items() if value}},
            now=None,
            actor=actor(),
            note=note,
        )


@dataclass(frozen=True, slots=True)
class RouteView:
    """A route as it is shown."""

    name: str
    declared: Declaration
    created_at: datetime
    activation_id: int | None
    """That runs, if any does."""
    prices: Mapping[str, ModelPrice | None]
    """By model, from strong to weak; empty where nobody asked for them."""
    calibrations: int
    """That belong to it."""


def list_routes(location: Location) -> list[RouteView]:
    """Every route that was not removed, by name."""
    with open_store(location) as store, store.read() as connection:
        return [_view(connection, row, priced=False) for row in routes.routes(connection)]


def show_route(location: Location, name: str | None) -> RouteView:
    """One route: the one that is named, else the only one there is.

    Raises:
        StoreError: there is no such route, or none at all.
        UsageError: none is named and there are several.
    """
    with open_store(location) as store, store.read() as connection:
        row = picked_route(connection, name)
        if row is None:
            raise StoreError(
                "there is no route yet: `routectl route set NAME --strong MODEL --weak MODEL` "
                "declares one"
            )
        return _view(connection, row, priced=True)


def _merged(before: Declaration, wanted: Wanted, name: str, *, new: bool) -> Declaration:
    """What is declared after `route set`."""
    strong, weak = wanted.strong or before.strong, wanted.weak or before.weak
    models = before.models
    if strong is None and weak is None:
        if new:
            raise UsageError(
                f"there is no route {name!r} yet, and a new one takes its models: "
                f"routectl route set {quoted(name)} --strong MODEL --weak MODEL"
            )
        if wanted.prices:
            raise UsageError(
                "--price is of the route's models, and it has none: name them with --strong and "
                "--weak"
            )
        if wanted.limits:
            raise UsageError(
                "--limit is of the route's weak model, and it has none: name its models with "
                "--strong and --weak"
            )
    elif strong is None or weak is None:
        missing = "--strong" if strong is None else "--weak"
        raise UsageError(f"a route has a strong and a weak model: name the other with {missing}")
    elif strong == weak:
        raise UsageError(
            f"{strong} cannot be both the strong and the weak model: there would be nothing to "
            "route; nothing was changed"
        )
    else:
        require_asked(wanted.prices, (strong, weak))
        for model in wanted.limits:
            if model != weak:
                raise UsageError(
                    f"--limit {model}: the weak model is {weak}, and what it cannot take goes to "
                    f"{strong}, whatever that one's limits are"
                )
        kept = {model.name: model for model in before.models}
        models = tuple(
            RouteModel(
                model,
                _given_price(model, wanted.prices)
                or (kept[model].price if model in kept else None),
                # The strong model's do not matter.
                wanted.limits.get(model, kept[model].limits if model in kept else Limits())
                if model == weak
                else Limits(),
            )
            for model in (weak, strong)
        )
    merged = Declaration(
        models,
        before.router if wanted.router is None else wanted.router,
        before.population if wanted.population is None else wanted.population,
        before.publish if wanted.publish is None else wanted.publish or None,
        before.drift_tolerance if wanted.drift_tolerance is None else wanted.drift_tolerance,
    )
    if models != before.models:
        declared_prices(merged)
    return merged


def _given_price(model: str, given: Mapping[str, ModelPrice]) -> OwnPrice | None:
    """The price that was given for a model, whether with its provider before the name or not."""
    try:
        price = given and price_of(model, None, given)
    except UsageError:
        return None
    # Without a price of one's own it is the list's.
    return OwnPrice(price.input, price.output) if price and price in given.values() else None


def _difference(
    before: Mapping[str, object], after: Mapping[str, object]
) -> tuple[dict[str, object], dict[str, object]]:
    """What differs, as it was and as it is now."""
    names = [name for name in after if after[name] != before[name]]
    return {name: before[name] for name in names}, {name: after[name] for name in names}


def _overlapping(population: Population | None, others: Sequence[Route]) -> tuple[str, ...]:
    own = population or Population()
    return tuple(
        row.name
        for row in others
        if own.may_overlap(routes.declaration(row).population or Population())
    )


def _existing(connection: Connection, name: str) -> Route:
    row = routes.route(connection, name)
    if row is None:
        raise unknown_route(routes.routes(connection), name)
    return row


def _view(connection: Connection, row: Route, *, priced: bool) -> RouteView:
    log = routes.activations(connection, row.id)
    declared = routes.declaration(row)
    return RouteView(
        name=row.name,
        declared=declared,
        prices=model_prices(declared) if priced else {},
        created_at=row.created_at,
        activation_id=log[-1].id if log else None,
        calibrations=count_calibrations(connection, row.id),
    )
