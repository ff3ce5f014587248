"""A route that is published writes what it runs where proxies read it, with each change of it."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import pytest

from routectl.export import read_routes
from tests.cli.test_bad_input import one_sentence
from tests.conftest import MODELS, Routectl, payload, write_log


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "routes.json"


@pytest.fixture
def published(routectl: Routectl, tmp_path: Path, path: Path) -> Routectl:
    """Two routes with a calibration each, that are published to one file and run nothing yet."""
    log = write_log(tmp_path / "log.jsonl", [payload(n) for n in range(60)])
    assert routectl("import", log).code == 0
    for name in ("smart", "batch"):
        done = routectl("route", "set", name, *MODELS, "--publish", path)
        assert done.code == 0, done.err
        calibrate = ("calibrate", "--route", name, "-r", "length", "--strong-fraction", 0.3)
        assert routectl(*calibrate).code == 0
    assert not path.exists()
    return routectl


def running(path: Path) -> dict[str, tuple[str, int | None]]:
    """Rule and activation of each route that a file holds."""
    routes = read_routes(path.read_bytes())
    return {name: (r.policy.rule, r.policy.activation_id) for name, r in routes.items()}


def activated(routectl: Routectl, *arguments: str) -> int:
    done = routectl(*arguments, "--json")
    assert done.code == 0, done.err
    activation_id: int = done.json["activation_id"]
    return activation_id


def test_each_change_of_what_runs_is_written(published: Routectl, path: Path) -> None:
    first = activated(published, "activate", "--route", "smart", "--force")
    assert running(path) == {"smart": ("threshold", first)}
    outage = activated(published, "activate", "--route", "smart", "--always-weak")
    assert running(path) == {"smart": ("always_weak", outage)}
    back = activated(published, "rollback", "--route", "smart")
    assert running(path) == {"smart": ("threshold", back)}
    strong = activated(published, "activate", "--route", "smart", "--always-strong")
    assert running(path) == {"smart": ("always_strong", strong)}
    assert stat.S_IMODE(path.stat().st_mode) == 0o644


def test_a_file_holds_all_routes_that_are_published_to_it(published: Routectl, path: Path) -> None:
    smart = activated(published, "activate", "--route", "smart", "--force")
    batch = activated(published, "activate", "--route", "batch", "--force")

    assert running(path) == {"smart": ("threshold", smart), "batch": ("threshold", batch)}
    published("route", "set", "batch", "--no-publish")
    again = activated(published, "activate", "--route", "smart", "--always-weak")
    assert running(path) == {"smart": ("always_weak", again)}
    assert published("route", "show", "batch", "--json").json["publish"] is None


def test_to_publish_a_route_that_runs_writes_it_at_once_and_a_rename_too(
    published: Routectl, path: Path, tmp_path: Path
) -> None:
    first = activated(published, "activate", "--route", "smart", "--force")
    other = tmp_path / "other.json"
    done = published("route", "set", "smart", "--publish", other)
    assert (done.code, f"wrote {other}" in done.err) == (0, True)
    assert running(other) == {"smart": ("threshold", first)}

    done = published("route", "rename", "smart", "clever")
    assert (done.code, "must call it clever" in done.err) == (0, True)
    assert running(other) == {"clever": ("threshold", first)}


@pytest.mark.parametrize("elsewhere", [True, False])
def test_the_file_of_before_is_said_when_a_route_is_published_elsewhere_or_no_more(
    published: Routectl, path: Path, tmp_path: Path, elsewhere: bool
) -> None:
    first = activated(published, "activate", "--route", "smart", "--force")
    option = ("--publish", tmp_path / "other.json") if elsewhere else ("--no-publish",)
    done = published("route", "set", "smart", *option)
    assert (done.code, f"{path} is no longer written for route smart" in done.err) == (0, True)

    activated(published, "activate", "--route", "smart", "--always-weak")
    assert running(path) == {"smart": ("threshold", first)}, "its proxies do not obey"
    checks = published("doctor", "--json").json["checks"]
    (before,) = [check for check in checks if check["name"] == "published before"]
    assert (before["result"], str(path) in before["what"]) == ("failed", True)
    path.unlink()
    assert "published before" not in published("doctor", "--json").out


@pytest.mark.parametrize("command", [("rollback",), ("activate", "--always-weak")])
@pytest.mark.parametrize("obstacle", ["no folder", "a folder", "a link", "not ours"])
def test_what_cannot_be_written_is_said_and_the_activation_is_recorded(
    published: Routectl, path: Path, tmp_path: Path, command: tuple[str, ...], obstacle: str
) -> None:
    activated(published, "activate", "--route", "smart", "--force")
    activated(published, "activate", "--route", "smart", "--always-strong")
    folder, elsewhere = path.parent / "sub", tmp_path / "elsewhere"
    folder.mkdir()
    published("route", "set", "smart", "--publish", folder / path.name)
    (folder / path.name).rename(elsewhere)
    match obstacle:
        case "no folder":
            folder.rmdir()
        case "a folder":
            (folder / path.name).mkdir()
        case "a link":
            (folder / path.name).symlink_to(elsewhere)
        case "not ours":
            (folder / path.name).write_text("{}")
    before = elsewhere.read_bytes()

    failed = published(*command, "--route", "smart")

    one_sentence(failed, "activation a3 is recorded", "proxies go on as before", code=1)
    assert "Activation a3 by tester" in failed.out
    (newest, *_) = published("history", "--route", "smart", "--json").json["activations"]
    assert (newest["activation_id"], newest["active"]) == (3, True)
    assert elsewhere.read_bytes() == before
    as_json = published("activate", "--always-weak", "--route", "smart", "--json")
    said = as_json.json["published"]
    assert (as_json.code, said["routes"], bool(said["problem"])) == (1, [], True)


def other_database(routectl: Routectl, tmp_path: Path, *names: str) -> tuple[str, Path]:
    """--db of another database with routes of these names that run."""
    database = ("--db", tmp_path / "other.db")
    for name in names:
        assert routectl("route", "set", name, *MODELS, *database).code == 0
        activated(routectl, "activate", "--route", name, "--always-weak", *map(str, database))
    return database


def test_a_second_database_does_not_take_the_routes_of_the_first_out_of_their_file(
    published: Routectl, path: Path, tmp_path: Path
) -> None:
    activated(published, "activate", "--route", "smart", "--force")
    before = path.read_bytes()
    database = other_database(published, tmp_path, "other")

    refused = published("route", "set", "other", "--publish", path, *database)

    one_sentence(refused, "'smart'", "did not publish there", "name another file", code=2)
    assert path.read_bytes() == before
    assert published("route", "show", "other", "--json", *database).json["publish"] is None
    new = ("--db", tmp_path / "new.db")
    one_sentence(published("route", "set", "x", *MODELS, "--publish", path, *new), code=2)
    assert not (tmp_path / "new.db").exists()
    path.unlink()
    assert published("route", "set", "other", "--publish", path, *database).code == 0
    assert list(running(path)) == ["other"]


def test_an_activation_leaves_a_file_that_another_database_wrote_meanwhile(
    published: Routectl, path: Path, tmp_path: Path
) -> None:
    activated(published, "activate", "--route", "smart", "--force")
    path.unlink()
    database = other_database(published, tmp_path, "other")
    assert published("route", "set", "other", "--publish", path, *database).code == 0
    before = path.read_bytes()

    failed = published("activate", "--route", "smart", "--always-weak")

    one_sentence(failed, "activation a2 is recorded", "'other'", "go on as before", code=1)
    assert path.read_bytes() == before


def test_routes_of_this_database_that_were_renamed_or_unpublished_may_be_taken_out(
    published: Routectl, path: Path
) -> None:
    for name in ("smart", "batch"):
        activated(published, "activate", "--route", name, "--force")
    file_of_before = path.read_bytes()
    assert published("route", "rename", "batch", "nightly").code == 0
    for change in (("set", "nightly", "--no-publish"), ("rename", "nightly", "jobs")):
        assert published("route", *change).code == 0
        path.write_bytes(file_of_before)
        again = activated(published, "activate", "--route", "smart", "--always-weak")
        assert running(path) == {"smart": ("always_weak", again)}
        activated(published, "activate", "--route", "smart", "--always-strong")
    path.write_bytes(file_of_before)
    assert published("route", "set", "smart", "--publish", path).code == 0


def test_the_sentence_of_a_failure_mends_it(published: Routectl, path: Path) -> None:
    activated(published, "activate", "--route", "smart", "--force")
    path.unlink()
    path.mkdir()
    failed = published("activate", "--route", "smart", "--always-weak")
    _, command, _ = failed.err.split("`")
    path.rmdir()

    assert published(*command.split()[1:]).code == 0
    assert running(path) == {"smart": ("always_weak", 2)}


def test_a_path_that_cannot_be_written_is_refused_and_nothing_is_declared(
    routectl: Routectl, database: Path, tmp_path: Path
) -> None:
    routectl("route", "set", "smart", *MODELS)
    (tmp_path / "mine.json").write_text(json.dumps({"mine": 1}))
    for target, words in (
        (database, "would overwrite the database"),
        (tmp_path / "mine.json", "remove it, or name another file"),
        (os.devnull, "is a device"),
    ):
        one_sentence(routectl("route", "set", "smart", "--publish", target), words, code=2)
    gone = routectl("route", "set", "smart", "--publish", tmp_path / "gone" / "routes.json")
    one_sentence(gone, "cannot write --publish", code=1)
    both = routectl("route", "set", "smart", "--no-publish", "--publish", tmp_path / "a.json")
    one_sentence(both, "contradict each other", code=2)
    assert routectl("route", "show", "smart", "--json").json["publish"] is None
