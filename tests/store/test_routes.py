"""The log of activations: active is the newest, and a rollback always walks back."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from routectl.errors import StoreError
from routectl.store.engine import Store
from routectl.store.routes import (
    activated_by,
    activations,
    add_activation,
    add_route,
    step_back,
)


def run(store: Store, steps: Sequence[str]) -> list[str]:
    """What is active after each step: a mode is activated, "<" is a rollback."""
    seen = []
    names: dict[int, str] = {}
    with store.write() as connection:
        route = add_route(connection, "smart")
        for step in steps:
            restored = None
            if step == "<":
                restored = step_back(activations(connection, route.id), "smart")
            row = add_activation(
                connection,
                route_id=route.id,
                mode="always_strong" if restored is None else restored.mode,
                calibration_id=None,
                restores_id=None if restored is None else restored.id,
                actor="tester",
                note=None,
            )
            names[row.id] = step
            log = activations(connection, route.id)
            seen.append(names[activated_by(log, log[-1]).id])
    return seen


@pytest.mark.parametrize(
    ("steps", "active"),
    [
        ("AB<", "ABA"),
        ("ABC<<", "ABCBA"),
        ("ABC<D<", "ABCBDB"),
        ("ABC<D<<", "ABCBDBA"),
        ("ABC<<D<", "ABCBADA"),
    ],
)
def test_a_rollback_always_walks_back(store: Store, steps: str, active: str) -> None:
    assert run(store, steps) == list(active)


@pytest.mark.parametrize("steps", ["A<", "AB<<", "ABC<<<"])
def test_there_is_nothing_before_the_first_activation(store: Store, steps: str) -> None:
    with pytest.raises(StoreError, match="there is nothing before it"):
        run(store, steps)


def test_a_route_that_never_ran_has_nothing_to_roll_back(store: Store) -> None:
    with pytest.raises(StoreError, match="has never been activated"):
        run(store, "<")


def test_routes_do_not_see_each_other(store: Store) -> None:
    with store.write() as connection:
        for name in ("one", "two"):
            add_activation(
                connection,
                route_id=add_route(connection, name).id,
                mode="always_weak",
                calibration_id=None,
                restores_id=None,
                actor="tester",
                note=name,
            )
        (only,) = activations(connection, add_route(connection, "two").id)
        assert only.note == "two"
