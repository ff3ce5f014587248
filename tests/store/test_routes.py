"""Routes and their log of activations: active is the newest, and a rollback always walks back."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

import pytest
from sqlalchemy import update

from routectl.errors import InputError, StoreError
from routectl.extraction import EXTRACTION_VERSION
from routectl.records import Condition, ModelPair, Population, RouterSpec
from routectl.route import Declaration, OwnPrice, RouteModel
from routectl.store.engine import Store
from routectl.store.evaluations import newest_evaluation
from routectl.store.models import Route
from routectl.store.populations import AnsweredBy, answered_by
from routectl.store.routes import (
    activated_by,
    activations,
    add_activation,
    add_route,
    add_route_change,
    change_route,
    declaration,
    names_of,
    remove_route,
    route,
    route_changes,
    routes,
    step_back,
)
from tests.store import test_evaluations, test_traffic


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


DECLARED = Declaration(
    (RouteModel("small", OwnPrice(Decimal("0.05"), Decimal(0))), RouteModel("a/b=c")),
    RouterSpec("mf", "mf_9", ModelPair("x", "y"), {"z": "x"}),
    Population((Condition("team", "=", "a"), Condition("tag", "!=", "b=c"))),
)


def test_a_declaration_comes_back_as_it_was(store: Store) -> None:
    with store.write() as connection:
        assert declaration(add_route(connection, "smart", DECLARED)) == DECLARED
        assert declaration(add_route(connection, "smart")) == DECLARED, "the one that is there"
        assert declaration(add_route(connection, "other")) == Declaration()


def test_a_declaration_that_cannot_be_read_is_one_sentence(store: Store) -> None:
    with store.write() as connection:
        row = add_route(connection, "smart", DECLARED)
        for models in ([{"name": "x"}], [1], [{"name": "x", "price": {"input": "y"}}]):
            connection.execute(update(Route).where(Route.id == row.id).values(models=models))
            damaged = route(connection, "smart")
            assert damaged is not None
            with pytest.raises(InputError, match="the declaration of a route cannot be read"):
                declaration(damaged)


def rename(store: Store, old: str, new: str) -> None:
    with store.write() as connection:
        row = route(connection, old)
        assert row is not None
        change_route(connection, row.id, new, declaration(row))
        add_route_change(
            connection,
            route_id=row.id,
            action="rename",
            was={"name": old},
            now={"name": new},
            actor="tester",
            note=None,
        )


def test_a_removed_route_keeps_its_row_and_gives_its_name_away(store: Store) -> None:
    with store.write() as connection:
        first = add_route(connection, "smart", DECLARED)
        remove_route(connection, first.id)
        assert route(connection, "smart") is None
        second = add_route(connection, "smart")
        assert second.id != first.id
        assert [row.id for row in routes(connection)] == [second.id]
        remove_route(connection, second.id)
        assert routes(connection) == []


def test_a_route_has_its_names_of_before_unless_another_one_has_them_now(store: Store) -> None:
    with store.write() as connection:
        add_route(connection, "one")
    for old, new in (("one", "two"), ("two", "three")):
        rename(store, old, new)
    with store.write() as connection:
        row = route(connection, "three")
        assert row is not None
        assert names_of(connection, row) == ("three", "one", "two")
        other = add_route(connection, "two")
        assert names_of(connection, row) == ("three", "one")
        assert names_of(connection, other) == ("two",)
        changes = route_changes(connection, route_id=row.id, limit=1)
        assert [(change.was, change.now) for change in changes] == [
            ({"name": "two"}, {"name": "three"})
        ]


def test_the_models_that_answered_the_newest_requests_are_counted(store: Store) -> None:
    names = [("m", "g")] * 3 + [(None, "g")] * 2 + [("n", "h")]
    test_traffic.add(
        store,
        *(
            test_traffic.request(n, model=model, model_group=group)
            for n, (model, group) in enumerate(names)
        ),
        version=EXTRACTION_VERSION,
        weight=2.0,
    )
    everything = Population()
    with store.read() as connection:
        assert answered_by(connection, everything, EXTRACTION_VERSION, newest=100) == [
            AnsweredBy("m", None, "g", 6.0),
            AnsweredBy(None, None, "g", 4.0),
            AnsweredBy("n", None, "h", 2.0),
        ]
        only = Population((Condition("model_group", "=", "g"),))
        newest = answered_by(connection, only, EXTRACTION_VERSION, newest=3)
        assert newest == [AnsweredBy(None, None, "g", 4.0), AnsweredBy("m", None, "g", 2.0)]
        assert answered_by(connection, everything, EXTRACTION_VERSION + 1, newest=9) == []


def test_an_evaluation_on_traffic_goes_before_a_newer_one_on_a_benchmark(store: Store) -> None:
    fingerprint = test_evaluations.ROUTER.fingerprint
    with store.write() as connection:
        assert newest_evaluation(connection, fingerprint) is None
        test_evaluations.add(connection)
        traffic = test_evaluations.add(connection, kind="traffic")
        test_evaluations.add(connection, kind="benchmark")
        newest = newest_evaluation(connection, fingerprint)
        assert newest is not None
        assert newest.id == traffic
        assert newest_evaluation(connection, "another") is None
