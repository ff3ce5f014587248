"""How routes, and what changed of them, are shown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from routectl.cli.console import Console, minute, when
from routectl.cli.policy_text import NO_ROUTES, by_whom, filters_text
from routectl.records import IdKind, Limits, Population
from routectl.route import quoted

if TYPE_CHECKING:
    from routectl.prices import ModelPrice
    from routectl.route import Declaration
    from routectl.workflow.activating.history import RouteChangeEntry
    from routectl.workflow.routes.declaring import RouteSet, RouteView


def print_set(console: Console, done: RouteSet) -> None:
    """What `route set` did, then the route as it is now."""
    if not done.changed:
        console.line(f"Nothing changes: route {done.name} is declared so already.")
    elif done.created:
        console.line(f"Route {done.name} is declared.")
    elif done.renamed_from is not None:
        console.line(f"Route {done.renamed_from}, the only one, is now {done.name}.")
    else:
        console.line(f"Route {done.name} has changed: {', '.join(done.changed)}.")
    console.line()
    console.table(_facts(done.declared, done.prices))


def set_json(done: RouteSet) -> dict[str, object]:
    """What `route set` did, for programs."""
    return {
        "route": done.name,
        "created": done.created,
        "renamed_from": done.renamed_from,
        "changed": done.changed,
        **done.declared.to_json(),
        "prices": [price and price.to_json() for price in done.prices.values()],
        "overlaps": done.overlaps,
    }


def print_routes(console: Console, views: Sequence[RouteView]) -> None:
    """All routes, one a row."""
    if not views:
        console.line(NO_ROUTES)
        return
    console.table(
        [
            (
                view.name,
                view.declared.strong or "-",
                view.declared.weak or "-",
                _router(view.declared),
                IdKind.ACTIVATION.ref(view.activation_id),
                _population(view.declared),
            )
            for view in views
        ],
        headers=["route", "strong", "weak", "router", "runs", "population"],
    )


def print_route(console: Console, view: RouteView) -> None:
    """One route in full."""
    active = (
        "nothing yet"
        if view.activation_id is None
        else f"activation {IdKind.ACTIVATION.ref(view.activation_id)}"
    )
    console.table(
        [
            ("route", f"{view.name}, since {when(view.created_at)}"),
            *_facts(view.declared, view.prices),
            ("runs", active),
            ("calibrations", f"{view.calibrations:,}"),
        ]
    )


def view_json(view: RouteView) -> dict[str, object]:
    """A route for programs."""
    return {
        "route": view.name,
        **view.declared.to_json(),
        "created_at": view.created_at,
        "activation_id": view.activation_id,
        "calibrations": view.calibrations,
    }


def print_changes(console: Console, entries: Sequence[RouteChangeEntry]) -> None:
    """What was declared of routes, newest first."""
    console.line("Routes")
    console.entries(
        ["time (UTC)", "change", "route"],
        [
            (
                (minute(entry.row.created_at), entry.row.action, entry.route),
                f"{_change(entry)}; {by_whom(entry.row.actor, entry.row.note)}",
            )
            for entry in entries
        ],
        flexible=2,
    )


def change_json(entry: RouteChangeEntry) -> dict[str, object]:
    """A change of a route for programs."""
    row = entry.row
    return {
        "change_id": row.id,
        "route": entry.route,
        "action": row.action,
        "was": row.was,
        "now": row.now,
        "actor": row.actor,
        "note": row.note,
        "created_at": row.created_at,
    }


def _facts(declared: Declaration, prices: Mapping[str, ModelPrice | None]) -> list[tuple[str, str]]:
    models = [("models", "none declared: --strong MODEL and --weak MODEL declare them")]
    if prices:
        texts = [
            f"{model}: no price is known; --price {quoted(model)}=IN/OUT gives one"
            if price is None
            else str(price)
            for model, price in prices.items()
        ]
        models = [("strong model", texts[0]), ("weak model", texts[-1])]
    if declared.models and (limits := str(declared.models[0].limits)):
        models.append(("weak cannot take", limits))
    facts = [*models, ("router", _router(declared)), ("population", _population(declared))]
    if declared.publish is not None:
        facts.append(("published to", declared.publish))
    if declared.drift_tolerance is not None:
        facts.append(("drift tolerance", f"{100 * declared.drift_tolerance:g} points"))
    return facts


def _router(declared: Declaration) -> str:
    spec = declared.router
    if spec is None:
        return "the default"
    return spec.name if spec.checkpoint is None else f"{spec.name}={spec.checkpoint}"


def _population(declared: Declaration) -> str:
    return filters_text((declared.population or Population()).to_json())


def _change(entry: RouteChangeEntry) -> str:
    was, now = entry.row.was or {}, entry.row.now or {}
    if entry.row.action == "remove":
        return "removed"
    if entry.row.was is None:
        parts = [_said(name, value) for name, value in now.items() if name != "name" and value]
        return "; ".join(["declared", *parts])
    return "; ".join(f"{_said(name, was[name])} -> {_value(name, now[name])}" for name in now)


def _said(name: str, value: Any) -> str:
    return f"{name.replace('_', ' ')} {_value(name, value)}"


def _value(name: str, value: Any) -> str:
    """A value of `route_changes` for people."""
    if value is None:
        return "none"
    if name == "models":
        return " / ".join(_model(model) for model in reversed(value))
    if name == "router":
        return str(value["checkpoint"] or value["name"])
    if name == "population":
        return " ".join(value["where"]) or "all requests"
    return str(value)


def _model(model: Mapping[str, Any]) -> str:
    price = model["price"]
    limits = str(Limits(**model.get("limits", {})))
    return (
        str(model["name"])
        + (f" at {price['input']}/{price['output']}" if price else "")
        + (f" with {limits}" if limits else "")
    )
