"""Policies in the store: a calibration keeps one, an activation completes it, an export says it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert, select, text

from routectl.policy import Policy, decide
from routectl.records import ModelPair, RouterSpec
from routectl.routers import open_router
from routectl.store.calibrations import calibration
from routectl.store.engine import Location, Store
from routectl.store.models import Calibration
from routectl.store.opening import open_store
from routectl.store.routes import add_activation
from routectl.workflow.policies.stored import of_calibration
from tests.cli.test_bad_input import one_sentence
from tests.conftest import MODELS, Routectl, payload, write_log
from tests.databases import rows_by_table
from tests.routers.checkpoints import write_mf

CALIBRATE = ("calibrate", "--strong-fraction", "0.3", "-r")
NEW_KEYS = ["checkpoint", "mapping", "extraction_version", "policy_version"]
OLD_KEYS = [
    "config_string",
    "mode",
    "router",
    "threshold",
    "fingerprint",
    "strong_model",
    "weak_model",
    "scored_as",
    "strong_fraction",
    "route",
    "calibration_id",
    "activation_id",
]


@pytest.fixture
def database_url(any_database_url: str) -> str:
    return any_database_url


@pytest.fixture
def opened(database_url: str) -> Iterator[Store]:
    """The database that the command lines of a test have made."""
    with open_store(Location.parse(database_url)) as store:
        yield store


@pytest.fixture
def imported(routectl: Routectl, log: Path) -> None:
    assert routectl("import", log).code == 0


@pytest.fixture
def own_folder(tmp_path: Path) -> Path:
    """A checkpoint of `length` that does not ship."""
    shipped = open_router("length").description.checkpoint
    assert shipped is not None
    return Path(shutil.copytree(shipped, tmp_path / "mine"))


def stored_policies(url: str, table: str) -> list[Any]:
    with open_store(Location.parse(url)) as store, store.read() as connection:
        rows = connection.execute(text(f"SELECT policy FROM {table} ORDER BY id")).scalars()
        return [json.loads(row) if isinstance(row, str) else row for row in rows]


def test_an_export_names_the_checkpoint_that_was_scored_with(
    routectl: Routectl, tmp_path: Path
) -> None:
    routectl("import", write_log(tmp_path / "log", [payload(n) for n in range(20)]))
    folder = write_mf(tmp_path / "my-mf")
    routectl(*CALIBRATE, f"mf={folder}", "--tolerance", "1")
    assert routectl("activate", "--force").code == 0
    exported = routectl("export", "--format", "json").json
    assert list(exported) == OLD_KEYS + NEW_KEYS
    assert exported["checkpoint"] == str(folder)
    again = open_router(exported["router"], checkpoint=Path(exported["checkpoint"]))
    assert again.identity.fingerprint == exported["fingerprint"]


@pytest.mark.usefixtures("imported")
def test_a_checkpoint_that_ships_is_named_by_its_name(routectl: Routectl) -> None:
    routectl(*CALIBRATE, "length")
    routectl("activate", "--force")
    assert routectl("export", "--json").json["checkpoint"] == "length_1"
    env = routectl("export", "--format", "env").out.splitlines()
    assert env[-3:] == [
        "ROUTECTL_CHECKPOINT=length_1",
        "ROUTECTL_EXTRACTION_VERSION=2",
        "ROUTECTL_POLICY_VERSION=1",
    ]
    assert "mapping: {}" in routectl("export", "--format", "yaml").out


def test_a_mapped_model_is_exported_with_the_one_that_it_is_scored_as(
    routectl: Routectl, tmp_path: Path
) -> None:
    routectl("import", write_log(tmp_path / "log", [payload(n) for n in range(20)]))
    new = ("--strong-model", "gpt-5", "--as", "gpt-5=Large-Model-v1", "--tolerance", "1")
    folder = write_mf(tmp_path / "my-mf")
    routectl(*CALIBRATE, f"mf={folder}", *new)
    routectl("activate", "--force")
    exported = routectl("export", "--json").json
    assert (exported["strong_model"], exported["weak_model"]) == ("gpt-5", "Small-Model-v1")
    assert exported["scored_as"] == "gpt-5=Large-Model-v1"
    assert exported["mapping"] == {"gpt-5": "Large-Model-v1"}
    assert "ROUTECTL_MAPPING=gpt-5=Large-Model-v1\n" in routectl("export", "--format", "env").out
    (stored,) = routectl("history", "--json").json["calibrations"]
    (router,) = Policy.from_json(stored["policy"]).routers
    assert router.spec == RouterSpec(
        "mf",
        str(folder),
        ModelPair("Large-Model-v1", "Small-Model-v1"),
        {"gpt-5": "Large-Model-v1"},
    )


@pytest.mark.usefixtures("imported")
def test_activate_completes_a_copy_of_the_calibration_s_policy(
    routectl: Routectl, database_url: str
) -> None:
    routectl("route", "set", "smart", *MODELS)
    (answer,) = routectl(*CALIBRATE, "length", "--json").json
    routectl("activate", "--force", "--route", "smart")
    (calibrated,) = map(Policy.from_json, stored_policies(database_url, "calibrations"))
    (activated,) = map(Policy.from_json, stored_policies(database_url, "activations"))
    assert calibrated.thresholds == (answer["threshold"],)
    assert (calibrated.mode, calibrated.fallback, calibrated.route) == (None, None, None)
    assert activated == replace(calibrated, mode="live", route="smart", calibration_id=1)
    shown = routectl("history", "--json").json
    assert shown["calibrations"][0]["policy"]["calibration_id"] == 1
    assert shown["activations"][0]["policy"]["activation_id"] == 1


@pytest.mark.usefixtures("imported")
def test_the_stored_policy_sends_the_share_that_the_calibration_states(
    routectl: Routectl, opened: Store
) -> None:
    (answer,) = routectl(*CALIBRATE, "length", "--json").json
    query = text("SELECT s.win_rate FROM requests q JOIN scores s ON s.prompt_id = q.prompt_id")
    with opened.read() as connection:
        policy = of_calibration(calibration(connection, answer["calibration_id"]))
        scores = list(connection.execute(query).scalars())
    assert decide(policy, scores).model.mean() == answer["strong_fraction"]


@pytest.mark.usefixtures("imported")
def test_a_rollback_brings_back_the_policy_that_ran(routectl: Routectl, database_url: str) -> None:
    for router in ("length", "random"):
        routectl(*CALIBRATE, router)
        routectl("activate", "--force")
    routectl("rollback")
    first, second, back = stored_policies(database_url, "activations")
    assert back == first != second
    exported = routectl("export", "--json").json
    assert (exported["router"], exported["activation_id"]) == ("length", 3)


@pytest.mark.usefixtures("imported")
def test_always_strong_and_always_weak_are_policies_that_name_the_router_of_before(
    routectl: Routectl, database_url: str
) -> None:
    routectl(*CALIBRATE, "length")
    routectl("activate", "--force")
    for rule in ("always_strong", "always_weak"):
        routectl("activate", "--force", f"--{rule.replace('_', '-')}")
        policy = Policy.from_json(stored_policies(database_url, "activations")[-1])
        assert (policy.rule, policy.thresholds, policy.mode) == (rule, (), "live")
        assert policy.routers[0].spec.name == "length"
        exported = routectl("export", "--json").json
        assert list(exported) == OLD_KEYS + NEW_KEYS
        assert (exported["mode"], exported["router"]) == (rule, "length")
        assert exported["fingerprint"] is exported["threshold"] is exported["checkpoint"] is None
    assert routectl("rollback").code == 0
    assert routectl("export").out == "router-length-0.0\n"


def test_what_is_older_than_the_record_is_exported_as_it_was_then(
    routectl: Routectl, tmp_path: Path, database_url: str
) -> None:
    routectl("import", write_log(tmp_path / "log", [payload(n) for n in range(20)]))
    new = ("--strong-model", "gpt-5", "--as", "gpt-5=Large-Model-v1", "--tolerance", "1")
    of_default = ("--route", "default")
    for route in ("weak", "strong", "default"):
        routectl("route", "set", route, *MODELS)
    routectl(*CALIBRATE, f"mf={write_mf(tmp_path / 'my-mf')}", *new, *of_default)
    routectl("activate", "--force", *of_default)
    for rule in ("weak", "strong"):
        routectl("activate", f"--always-{rule}", "--route", rule)
    exports = [
        ("export", "--format", format, "--route", route)
        for format in ("json", "yaml", "env")
        for route in ("default", "weak", "strong")
    ]
    recorded = [routectl(*export).out for export in exports]
    # What was declared of routes is lost.
    history = routectl("history").out.partition("\nRoutes\n")[0]
    assert routectl("db", "downgrade", "0004").code == 0
    assert routectl("db", "upgrade").code == 0
    older = [routectl(*export).out for export in exports]
    for newer, text_of_then in zip(recorded, older, strict=True):
        if newer.startswith("{"):
            values = {key: json.loads(newer)[key] for key in OLD_KEYS}
            assert text_of_then == json.dumps(values, indent=2) + "\n"
        else:
            # New keys stand at the end.
            assert newer.startswith(text_of_then)
            assert not any(key in text_of_then.lower() for key in NEW_KEYS)
    # The checkpoint stands in the policy alone.
    assert routectl("history").out == history.replace("; checkpoint my-mf", "")
    # Whoever activates it again has no more to say of it than it has itself.
    routectl("activate", "--force", "--note", "again", *of_default)
    assert stored_policies(database_url, "activations") == [None] * 4
    assert list(routectl("export", "--json", *of_default).json) == OLD_KEYS
    shown = routectl("history", "--json").json
    assert {entry["policy"] for entry in shown["calibrations"] + shown["activations"]} == {None}
    routectl("activate", "--always-strong", *of_default)
    assert routectl("export", *of_default).out == "router-mf-0.0\n"


@pytest.mark.usefixtures("imported")
def test_a_calibration_of_another_extraction_version_is_neither_exported_nor_activated(
    routectl: Routectl, opened: Store
) -> None:
    routectl(*CALIBRATE, "length")
    routectl("activate", "--force")
    with opened.write() as connection:
        (row,) = connection.execute(select(Calibration.__table__)).mappings()
        policy = row["policy"] | {"extraction_version": 9}
        values = {name: value for name, value in row.items() if name != "id"}
        values |= {"policy": policy, "extraction_version": 9}
        insertion = insert(Calibration).values(**values).returning(Calibration.id)
        other = connection.execute(insertion).scalar_one()
        add_activation(
            connection,
            route_id=1,
            mode="threshold",
            calibration_id=other,
            restores_id=None,
            actor="tester",
            note=None,
            policy=policy | {"calibration_id": other},
        )
    said = ("calibration c2 was made with version 9 of the text extraction", "has 2")
    for command in (("export",), ("export", "--calibration", 2), ("activate", 2)):
        one_sentence(routectl(*command), *said)
    assert "router-length-" in routectl("history").out
    assert routectl("activate", "--force", 1).code == 0
    one_sentence(routectl("rollback"), *said)
    assert routectl("export", "--json").json["activation_id"] == 3


@pytest.mark.usefixtures("imported")
def test_a_policy_of_a_newer_version_is_refused_in_one_sentence(
    routectl: Routectl, opened: Store
) -> None:
    routectl(*CALIBRATE, "length")
    with opened.write() as connection:
        (row,) = connection.execute(select(Calibration.__table__)).mappings()
        values = {name: value for name, value in row.items() if name != "id"}
        values["policy"] = row["policy"] | {"version": 9}
        connection.execute(insert(Calibration).values(**values))
    for command in (("export", "--calibration", 2), ("activate", 2)):
        one_sentence(routectl(*command), "version 9 cannot be read", "install a newer routectl")
    listed = routectl("history")
    assert (listed.code, "version 9 cannot be read" in listed.err) == (0, True)
    assert routectl("export", "--calibration", 1).code == 0


@pytest.mark.usefixtures("imported")
def test_history_and_export_need_no_checkpoint(routectl: Routectl, own_folder: Path) -> None:
    routectl(*CALIBRATE, f"length={own_folder}")
    routectl("activate", "--force")
    before = [routectl("history").out, routectl("export", "--json").out]
    shutil.rmtree(own_folder)
    assert [routectl("history").out, routectl("export", "--json").out] == before
    assert json.loads(before[1])["checkpoint"] == str(own_folder)
    assert routectl("activate", "--force", "1").code == 0
    one_sentence(routectl(*CALIBRATE, f"length={own_folder}"), str(own_folder))


@pytest.mark.usefixtures("imported")
def test_a_downgrade_loses_the_record_and_no_row(routectl: Routectl, database_url: str) -> None:
    routectl(*CALIBRATE, "length")
    routectl("activate", "--force")
    lost = ("policy", "checkpoint", "run")
    before = rows_by_table(database_url, without=lost)
    routectl("db", "downgrade", "0004")
    assert routectl("db", "upgrade").code == 0
    assert rows_by_table(database_url, without=lost) == before
    assert stored_policies(database_url, "calibrations") == [None]
