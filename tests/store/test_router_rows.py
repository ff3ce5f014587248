"""Rows of routers: where each lies; and what schema 0005 makes of those opened with --as."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete, insert, select, update

from routectl.records import RouterIdentity
from routectl.routers import open_router
from routectl.routers.protocol import fingerprint
from routectl.store.engine import Location, connect
from routectl.store.models import Router, Score
from tests.conftest import Routectl
from tests.databases import rows_by_table
from tests.routers.checkpoints import write_tiny_mf

KNOWN, NEW = "Large-Model-v1", "gpt-5"
ASKED = ("--strong-model", NEW, "--as", f"{NEW}={KNOWN}")


@pytest.fixture
def mf_folder(tiny: str, tmp_path: Path) -> Path:
    return write_tiny_mf(tmp_path / "checkpoint", tiny)


@pytest.fixture
def identity(mf_folder: Path) -> RouterIdentity:
    return open_router("mf", checkpoint=mf_folder).identity


def checkpoints(url: str) -> set[object]:
    with connect(Location.parse(url)) as store, store.read() as connection:
        return set(connection.execute(select(Router.checkpoint)).scalars())


def test_the_database_keeps_where_a_router_lies(
    routectl: Routectl, mf_folder: Path, log: Path, database_url: str, tmp_path: Path
) -> None:
    routectl("import", log)
    routectl("score", "-r", f"mf={mf_folder}", "-r", "length", "--since", "2026-09-22")
    assert checkpoints(database_url) == {str(mf_folder), "length_1"}
    moved = mf_folder.rename(tmp_path / "elsewhere")
    scored = routectl("score", "-r", f"mf={moved}", "--json").json[0]["scored"]
    assert 0 < scored < 200, "the router is the same one, and scores what was missing"
    assert checkpoints(database_url) == {str(moved), "length_1"}
    again = moved.rename(tmp_path / "last")
    assert routectl("score", "-r", f"mf={again}", "--json").json[0]["scored"] == 0
    assert checkpoints(database_url) == {str(again), "length_1"}


def as_it_was(identity: RouterIdentity) -> dict[str, Any]:
    """A row of `routers` for the pair under its new name, as it was written until 0004."""
    facts = {
        **identity.config,
        "strong_model": NEW,
        "as": {NEW: KNOWN},
        "scored_with": identity.fingerprint,
    }
    return {"fingerprint": fingerprint(facts), "strong_model": NEW, "config": facts}


@pytest.fixture
def old(
    routectl: Routectl, log: Path, mf_folder: Path, database_url: str, identity: RouterIdentity
) -> str:
    """A database at 0004 whose only router is a mapped one, which has scored and is calibrated."""
    routectl("import", log)
    mine = ("-r", f"mf={mf_folder}", *ASKED)
    assert routectl("calibrate", "--strong-fraction", "0.3", *mine).code == 0
    assert routectl("db", "downgrade", "0004").code == 0
    with connect(Location.parse(database_url)) as store, store.write() as connection:
        connection.execute(update(Router).values(as_it_was(identity)))
    return database_url


def rows(url: str) -> dict[int, tuple[str, dict[int, float]]]:
    """By router: its fingerprint, and its scores by prompt."""
    with connect(Location.parse(url)) as store, store.read() as connection:
        routers = connection.execute(select(Router.id, Router.fingerprint)).all()
        scores = connection.execute(select(Score.router_id, Score.prompt_id, Score.win_rate)).all()
    return {
        router.id: (
            router.fingerprint,
            {score.prompt_id: score.win_rate for score in scores if score.router_id == router.id},
        )
        for router in routers
    }


def test_the_router_that_was_scored_with_is_made_and_has_the_scores(
    routectl: Routectl, old: str, identity: RouterIdentity, mf_folder: Path
) -> None:
    ((mapped, (_, scores)),) = rows(old).items()
    history = routectl("history", "--json")
    assert routectl("db", "upgrade").code == 0
    after = rows(old)
    assert after.pop(mapped) == (as_it_was(identity)["fingerprint"], {})
    ((base, moved),) = after.items()
    assert moved == (identity.fingerprint, scores)
    with connect(Location.parse(old)) as store, store.read() as connection:
        made = connection.execute(select(Router.__table__).where(Router.id == base)).one()
    pair = identity.model_pair
    assert pair is not None
    assert (made.strong_model, made.weak_model) == (pair.strong, pair.weak)
    assert (made.config, made.noise) == (identity.config, identity.noise)
    # The calibration stays what it was, and calibrating again scores nothing anew.
    assert history.code == 1, "the database was not upgraded yet"
    stored = routectl("history", "--json").json["calibrations"]
    mine = ("-r", f"mf={mf_folder}", *ASKED)
    again = routectl("calibrate", "--strong-fraction", "0.3", *mine, "--json").json[0]
    assert stored[0]["threshold"] == again["threshold"]
    assert len(rows_by_table(old)["scores"]) == 200


def test_a_router_that_had_scored_for_the_known_models_keeps_its_scores_and_gets_the_others(
    routectl: Routectl, old: str, identity: RouterIdentity
) -> None:
    ((mapped, (_, scores)),) = rows(old).items()
    common = sorted(scores)[:120]
    with connect(Location.parse(old)) as store, store.write() as connection:
        row = connection.execute(select(Router.__table__.c["noise", "engine", "created_at"])).one()
        connection.execute(
            insert(Router).values(
                name="mf",
                fingerprint=identity.fingerprint,
                strong_model=KNOWN,
                weak_model="Small-Model-v1",
                config=dict(identity.config),
                **row._mapping,
            )
        )
        base = connection.execute(
            select(Router.id).where(Router.fingerprint == identity.fingerprint)
        ).scalar_one()
        its = [
            {"router_id": base, "prompt_id": id, "win_rate": 0.25, "longer_than_read": False}
            for id in common
        ]
        connection.execute(insert(Score), its)
        connection.execute(
            delete(Score).where(Score.router_id == mapped, Score.prompt_id == common[0])
        )
    assert routectl("db", "upgrade").code == 0
    after = rows(old)
    assert after[mapped][1] == {}
    assert after[base] == (identity.fingerprint, scores | dict.fromkeys(common, 0.25))


def test_a_downgrade_loses_the_checkpoints_names_alone(
    routectl: Routectl, old: str, identity: RouterIdentity, mf_folder: Path
) -> None:
    routectl("db", "upgrade")
    before = rows(old)
    assert routectl("db", "downgrade", "0004").code == 0
    assert routectl("db", "upgrade").code == 0
    assert rows(old) == before
