"""Nothing is guessed in production: what is activated is named, shown, and forced where unusual."""

from __future__ import annotations

import json
import shutil
import sqlite3
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from routectl.policy import Policy
from tests.cli.test_bad_input import one_sentence
from tests.conftest import MODELS, Result, Routectl, payload, write_log
from tests.routers.checkpoints import write_mf

CALIBRATE = ("calibrate", "--strong-fraction", "0.3", "--tolerance", "1", "-r")


@pytest.fixture
def imported(routectl: Routectl, tmp_path: Path) -> None:
    """A log of two model groups, too short for a check in time."""
    records = [payload(n, model_group="small" if n % 4 == 0 else "smart") for n in range(40)]
    assert routectl("import", write_log(tmp_path / "log", records)).code == 0


@pytest.fixture
def own(routectl: Routectl, tmp_path: Path) -> str:
    """A checkpoint of `length` that does not ship: quick, and another router than the one that
    does."""
    gold = tmp_path / "gold.json"
    gold.write_text(json.dumps([{"prompt": "x" * n, "a": 1, "b": 0} for n in range(5, 50)]))
    assert routectl("train", "length", "--gold", gold, "--output", tmp_path / "own").code == 0
    return f"length={tmp_path / 'own'}"


def ids(routectl: Routectl) -> list[int]:
    return [entry["activation_id"] for entry in routectl("history", "--json").json["activations"]]


def refused(routectl: Routectl, result: Result, *words: str) -> None:
    """The activation wants --force, says why, and nothing was written."""
    before = ids(routectl)
    one_sentence(result, "is not activated, because", "--force", *words, code=2)
    assert ids(routectl) == before


def table(result: Result) -> dict[str, list[str]]:
    """Was and now of each thing that changes."""
    rows = [line.split("->") for line in result.out.splitlines() if " -> " in line]
    return {left.split()[0]: [" ".join(left.split()[1:]), right.strip()] for left, right in rows}


@pytest.mark.usefixtures("imported")
def test_several_calibrations_of_one_run_are_never_guessed_between(
    routectl: Routectl, own: str
) -> None:
    routectl(*CALIBRATE, own, "-r", "random", "-r", "length")
    result = routectl("activate")
    one_sentence(result, "say which calibration", "the last run made 3", "c1 (length)", code=2)
    one_sentence(routectl("activate", "--force"), "say which calibration", code=2)
    assert ids(routectl) == []
    assert routectl("activate", "c1", "--force").code == 0
    routectl(*CALIBRATE, own)
    assert "(c4, " in routectl("activate").out


@pytest.mark.usefixtures("imported")
@pytest.mark.parametrize("router", ["length", "random"])
def test_a_baseline_wants_force(routectl: Routectl, router: str) -> None:
    routectl(*CALIBRATE, router)
    refused(routectl, routectl("activate"), f"{router} is a baseline")
    assert routectl("activate", "--force").code == 0
    # What runs already is no news.
    routectl(*CALIBRATE, router)
    assert routectl("activate").code == 0


@pytest.mark.usefixtures("imported")
def test_another_router_or_checkpoint_wants_force(routectl: Routectl, own: str) -> None:
    routectl(*CALIBRATE, "length")
    assert routectl("activate", "--force").code == 0
    routectl(*CALIBRATE, "random")
    refused(routectl, routectl("activate"), "has run length (length_1)", "this is random")
    routectl(*CALIBRATE, own)
    refused(routectl, routectl("activate"), "has run length (length_1)", "/own)")
    changes = routectl("activate", "--force", "--json").json["changes"]
    assert changes["checkpoint"]["was"] == "length_1"
    assert changes["checkpoint"]["now"] == own.partition("=")[2]
    assert changes["fingerprint"]["was"] != changes["fingerprint"]["now"]
    assert changes["calibration"] == {"was": "c1", "now": "c3"}
    assert "router" not in changes


def test_another_router_with_models_wants_force(
    routectl: Routectl, imported: None, tmp_path: Path
) -> None:
    routectl(*CALIBRATE, f"mf={write_mf(tmp_path / 'my-mf')}")
    assert routectl("activate").code == 0  # the first one, and no baseline
    routectl(*CALIBRATE, "length")
    refused(routectl, routectl("activate"), "length is a baseline", "has run mf")


@pytest.mark.usefixtures("imported")
def test_a_checkpoint_that_moved_is_the_same_router(
    routectl: Routectl, own: str, tmp_path: Path
) -> None:
    routectl(*CALIBRATE, own)
    routectl("activate", "--force")
    copy = shutil.copytree(tmp_path / "own", tmp_path / "copy")
    routectl(*CALIBRATE, f"length={copy}")
    assert routectl("activate").code == 0


@pytest.mark.usefixtures("imported")
def test_other_filters_want_force_and_another_window_does_not(routectl: Routectl) -> None:
    routectl(*CALIBRATE, "length", "--where", "model_group=smart")
    assert routectl("activate", "--force").code == 0
    routectl(*CALIBRATE, "length", "--where", "model_group=smart", "--since", "2026-09-21T15:00")
    moved = routectl("activate", "--json")
    assert moved.code == 0
    assert "since 2026-09-21 15:00:00 UTC" in moved.json["changes"]["filters"]["now"]
    routectl(*CALIBRATE, "length")
    refused(
        routectl, routectl("activate"), "a threshold for model_group=smart", "is for all requests"
    )


def test_a_calibration_whose_check_said_no_wants_force(routectl: Routectl, tmp_path: Path) -> None:
    records = [payload(n, "hello" if n < 95 else f"question {n}") for n in range(100)]
    routectl("import", write_log(tmp_path / "log", records))
    missed = routectl("calibrate", "--strong-fraction", "0.5", "-r", "length")
    assert missed.code == 3
    refused(routectl, routectl("activate"), "misses its target by")
    assert routectl("activate", "--force").code == 0


def test_a_failed_check_in_time_wants_force(routectl: Routectl, tmp_path: Path) -> None:
    # The prompts of the last fifth are of another kind.
    prompts = [f"{n:03} short?" + " x" * (n * 37 % 50) for n in range(160)]
    prompts += [f"{n} " + "a much longer prompt " * 60 for n in range(160, 200)]
    records = [
        payload(n, prompt, startTime=1_790_000_000.0 + 7200 * n) for n, prompt in enumerate(prompts)
    ]
    routectl("import", write_log(tmp_path / "log", records))
    (answer,) = routectl(*CALIBRATE, "length", "--json").json
    assert answer["self_check"]["inside"] is False
    refused(routectl, routectl("activate"), "its check in time failed")


@pytest.mark.usefixtures("imported")
def test_activate_and_rollback_print_what_was_and_what_is_now(routectl: Routectl) -> None:
    routectl("calibrate", "--strong-fraction", "0.5", "--tolerance", "1", "-r", "length")
    first = routectl("activate", "--force")
    assert " -> " not in first.out
    routectl("calibrate", "--strong-fraction", "0.2", "--tolerance", "1", "-r", "length")
    second = routectl("activate", "--force")
    changed = table(second)
    assert set(changed) == {"runs", "calibration", "threshold", "strong"}
    assert changed["calibration"] == ["c1", "c2"]
    back = routectl("rollback")
    assert table(back) == {name: [now, was] for name, (was, now) in changed.items()}
    as_json = routectl("activate", "c2", "--json").json
    assert as_json["changes"]["calibration"] == {"was": "c1", "now": "c2"}


@pytest.mark.usefixtures("imported")
@pytest.mark.parametrize(
    ("written", "stored", "shown"),
    [
        ("live", "live", None),
        ("shadow", "shadow", "mode shadow"),
        ("canary=5%", "canary=0.05", "mode canary 5 %"),
        ("canary=0.125", "canary=0.125", "mode canary 12.5 %"),
    ],
)
def test_a_mode_and_a_fallback_are_stored_and_shown(
    routectl: Routectl, written: str, stored: str, shown: str | None
) -> None:
    routectl(*CALIBRATE, "length")
    done = routectl("activate", "c1", "--force", "--mode", written, "--fallback", "weak")
    assert done.code == 0
    (entry,) = routectl("history", "--json").json["activations"]
    policy = Policy.from_json(entry["policy"])
    assert (policy.mode, policy.fallback) == (stored, "weak")
    assert (entry["policy_mode"], entry["fallback"]) == (stored, "weak")
    history = " ".join(routectl("history").out.split())
    assert "fallback weak" in history
    assert (shown or "fallback weak") in history
    exported = routectl("export", "--json").json
    assert (exported["policy_mode"], exported["fallback"]) == (stored, "weak")
    bare = routectl("export")
    if stored == "live":
        assert bare.out.startswith("router-length-")
        assert exported["config_string"] == bare.out.strip()
    else:
        one_sentence(bare, f"runs in mode {stored}", "--format env, json or yaml")
        assert exported["config_string"] is None
        assert f"ROUTECTL_POLICY_MODE={stored}" in routectl("export", "--format", "env").out


@pytest.mark.usefixtures("imported")
def test_a_mode_stays_until_another_is_named(routectl: Routectl) -> None:
    routectl(*CALIBRATE, "length")
    routectl("activate", "--force", "--mode", "shadow", "--fallback", "strong")
    routectl(*CALIBRATE, "length")
    assert routectl("activate", "--json").json["policy_mode"] == "shadow"
    assert routectl("activate", "--always-weak", "--json").json["policy_mode"] == "live"
    live = routectl("activate", "c2", "--mode", "live")
    assert "mode" not in table(live)  # always-weak runs live, too
    entry = routectl("history", "--json").json["activations"][0]
    assert (entry["policy_mode"], entry["fallback"]) == ("live", "strong")


@pytest.mark.usefixtures("imported")
@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--mode", "dark"), ("'dark'", "canary=5%")),
        (("--mode", "canary=0%"), ("canary=0%",)),
        (("--mode", "canary=100%"), ("between 0 and 1",)),
        (("--mode", "canary=1e-3"), ("canary=1e-3",)),
        (("--mode", "canary=0." + "1" * 40), ("canary=0.",)),
        (("--fallback", "none"), ("one of strong, weak, share",)),
        (("--always-weak", "--mode", "shadow"), ("leave out --mode and --fallback",)),
    ],
)
def test_a_mode_that_cannot_be_is_one_sentence(
    routectl: Routectl, options: tuple[str, ...], words: tuple[str, ...]
) -> None:
    routectl(*CALIBRATE, "length")
    one_sentence(routectl("activate", *options), *words, code=2)
    assert ids(routectl) == []


@pytest.mark.usefixtures("imported")
def test_export_prints_only_what_is_active(routectl: Routectl) -> None:
    one_sentence(routectl("export"), "nothing is active on route 'default'", "routectl calibrate")
    routectl(*CALIBRATE, "length")
    one_sentence(routectl("export"), "nothing is active", "activate c1", "--calibration c1")
    assert routectl("export", "--calibration", "c1").out.startswith("router-length-")
    routectl("activate", "--force")
    assert routectl("export").out.startswith("router-length-")


@pytest.mark.usefixtures("imported")
def test_export_with_another_route_active_prints_no_other_router(routectl: Routectl) -> None:
    for name in ("smart", "batch"):
        assert routectl("route", "set", name, *MODELS).code == 0
    routectl(*CALIBRATE, "length", "--route", "smart")
    routectl(*CALIBRATE, "random", "--route", "batch")
    routectl("activate", "--force", "--route", "smart")
    one_sentence(routectl("export"), "name one with --route", "batch, smart", code=2)
    one_sentence(
        routectl("export", "--route", "batch"),
        "nothing is active on route 'batch' (routes that run something: smart)",
    )
    assert routectl("export", "--route", "smart").out.startswith("router-length-")


@pytest.mark.usefixtures("imported")
def test_history_of_a_route_shows_both_halves_of_that_route(routectl: Routectl) -> None:
    for name in ("smart", "batch"):
        routectl("route", "set", name, *MODELS)
        routectl(*CALIBRATE, "length", "--route", name)
        routectl("activate", "--force", "--route", name)
    log = routectl("history", "--route", "batch", "--json").json
    assert [entry["calibration_id"] for entry in log["calibrations"]] == [2]
    assert {entry["route"] for half in log.values() for entry in half} == {"batch"}


def test_an_unconditional_activation_has_an_id_like_any_other(routectl: Routectl) -> None:
    routectl("init")
    assert "Activation a1 by tester" in routectl("activate", "--always-strong").out
    assert "Activation a2 by tester" in routectl("activate", "--always-weak").out
    assert routectl("rollback", "--to", "a1").code == 0
    assert "as in a1" not in routectl("history").out
    assert "back to a1" in routectl("history").out


@pytest.mark.usefixtures("imported")
def test_activating_what_runs_adds_no_row_unless_a_note_or_an_expiry_is_given(
    routectl: Routectl,
) -> None:
    routectl(*CALIBRATE, "length")
    routectl("activate", "--force")
    again = routectl("activate", "c1", "--json")
    assert (again.code, again.json["appended"], again.json["activation_id"]) == (0, False, 1)
    assert "Nothing changes, so nothing was added" in routectl("activate", "c1").out
    assert ids(routectl) == [1]
    assert routectl("activate", "c1", "--note", "reviewed").code == 0
    assert routectl("activate", "c1", "--expires", "30d").code == 0
    assert ids(routectl) == [3, 2, 1]
    routectl("activate", "--always-weak")
    assert routectl("activate", "--always-weak", "--json").json["appended"] is False
    assert ids(routectl) == [4, 3, 2, 1]
    # Another mode or fallback is a change.
    assert routectl("activate", "c1", "--mode", "shadow", "--json").json["appended"] is True


@pytest.mark.usefixtures("imported")
def test_an_expiry_is_stored_in_utc_and_shown_wherever_the_activation_is(
    routectl: Routectl,
) -> None:
    routectl(*CALIBRATE, "length")
    done = routectl("activate", "--force", "--expires", "2199-01-31T09:00+02:00")
    assert "strong), expires 2199-01-31 07:00 UTC. Activation a1" in done.out
    (entry,) = routectl("history", "--json").json["activations"]
    assert entry["expires_at"] == "2199-01-31T07:00:00+00:00"
    assert "expires 2199-01-31 07:00 UTC" in routectl("history").out
    assert routectl("export", "--json").json["expires_at"] == "2199-01-31T07:00:00+00:00"
    assert "expires_at: '2199-01-31T07:00:00+00:00'" in routectl("export", "--format", "yaml").out
    assert "expires 2199-01-31" in routectl("activate", "c1").out
    # An expiry is one activation's own, and taking it back is a change like any other.
    taken_back = routectl("activate", "c1", "--expires", "never", "--json").json
    assert taken_back["changes"] == {"expires": {"was": "2199-01-31 07:00 UTC", "now": "-"}}
    assert "expires_at" not in routectl("export", "--json").json


@pytest.mark.usefixtures("imported")
def test_a_span_counts_from_now_on(routectl: Routectl) -> None:
    routectl(*CALIBRATE, "length")
    entry = routectl("activate", "--force", "--expires", "30d", "--json").json
    made, expires = (datetime.fromisoformat(entry[key]) for key in ("created_at", "expires_at"))
    assert timedelta(days=29, hours=23) < expires - made <= timedelta(days=30)


@pytest.mark.usefixtures("imported")
@pytest.mark.parametrize(
    ("written", "words"),
    [
        ("2020-01-31", ("--expires", "is over already")),
        ("0d", ("--expires", "is over already")),
        ("soon", ("--expires", "no time ahead", "30d")),
        ("999999999w", ("--expires", "no time ahead")),
    ],
)
def test_an_expiry_that_cannot_be_is_one_sentence(
    routectl: Routectl, written: str, words: tuple[str, ...]
) -> None:
    routectl(*CALIBRATE, "length")
    one_sentence(routectl("activate", "--force", "--expires", written), *words, code=2)
    assert ids(routectl) == []


@pytest.mark.usefixtures("imported")
def test_a_rollback_keeps_an_expiry_that_is_still_ahead(routectl: Routectl, database: Path) -> None:
    routectl(*CALIBRATE, "length")
    routectl("activate", "--force", "--expires", "2199-01-31")
    routectl("activate", "--always-weak")
    assert routectl("rollback", "--json").json["expires_at"] == "2199-01-31T00:00:00+00:00"
    with closing(sqlite3.connect(database)) as connection, connection:
        # As a clock that went on: the first of them is over by now.
        (trigger,) = connection.execute(
            "SELECT name FROM sqlite_master WHERE type = 'trigger' AND tbl_name = 'activations' "
            "AND sql LIKE '%BEFORE UPDATE%'"
        ).fetchone()
        connection.execute(f"DROP TRIGGER {trigger}")
        connection.execute("UPDATE activations SET expires_at = '2026-01-01 00:00:00.000000'")
    routectl("activate", "--always-strong")
    assert routectl("rollback", "--to", "a1", "--json").json["expires_at"] is None


@pytest.mark.usefixtures("imported")
def test_a_calibration_for_other_models_than_the_route_declares_by_now_wants_force(
    routectl: Routectl,
) -> None:
    routectl(*CALIBRATE, "length")
    routectl("activate", "--force")
    routectl(*CALIBRATE, "length", "--strong-fraction", "0.4")
    routectl("route", "set", "smart", *MODELS)
    refused(routectl, routectl("activate"), "before the route declared its models", "big / small")
    routectl(*CALIBRATE, "length")
    assert routectl("activate").code == 0
    routectl("route", "set", "smart", "--weak", "tiny", "--price", "tiny=0.1/0.4")
    refused(routectl, routectl("activate", "c1"), "the route declares big / tiny")
    # What runs goes on, and activating it again is no change.
    assert routectl("activate", "c3", "--json").json["appended"] is False
    routectl("activate", "--always-weak")
    refused(
        routectl, routectl("activate", "c3"), "for the models big / small", "declares big / tiny"
    )
    assert routectl("activate", "c3", "--force").code == 0


@pytest.mark.usefixtures("imported")
@pytest.mark.parametrize(
    "option", [("--mode", "canary=5%"), ("--fallback", "strong"), ("--expires", "30d")]
)
def test_how_what_runs_is_served_changes_no_threshold_by_the_way(
    routectl: Routectl, own: str, option: tuple[str, str]
) -> None:
    """A newer calibration may be a question that somebody only asked."""
    routectl(*CALIBRATE, own)
    routectl("activate", "--force")
    assert routectl("activate", *option, "--force").code == 0, "where there is one, it is meant"
    routectl("calibrate", "--strong-fraction", "0.6", "--tolerance", "1", "-r", own)
    for before in ((), ("activate", "--always-weak")):
        if before:
            assert routectl(*before).code == 0
        made = ids(routectl)
        one_sentence(routectl("activate", *option, "--force"), "c1", "c2", "newer", code=2)
        assert ids(routectl) == made
    assert routectl("activate", "c1", *option, "--force").code == 0
    assert routectl("history", "--json").json["activations"][0]["calibration_id"] == 1
    assert routectl("activate", "--force").code == 0, "without a mode the newest is meant"


@pytest.mark.usefixtures("imported")
def test_a_calibration_that_was_rolled_back_from_runs_again_only_by_name(
    routectl: Routectl, own: str
) -> None:
    routectl(*CALIBRATE, own)
    routectl("activate", "--force")
    routectl("calibrate", "--strong-fraction", "0.6", "--tolerance", "1", "-r", own)
    routectl("activate", "--force")
    routectl("rollback")
    one_sentence(routectl("activate", "--note", "again"), "c2", "left for c1", code=2)
    assert routectl("activate", "c2", "--force").code == 0


@pytest.mark.usefixtures("imported")
def test_other_models_and_limits_are_shown_when_they_change(routectl: Routectl, own: str) -> None:
    routectl("route", "set", "smart", *MODELS)
    routectl(*CALIBRATE, own)
    routectl("activate", "--force")
    routectl("route", "set", "smart", "--weak", "tiny", "--price", "tiny=0.1/0.4")
    routectl("route", "set", "smart", "--limit", "tiny=no-images")
    routectl(*CALIBRATE, own)
    changed = routectl("activate", "--force", "--json").json["changes"]
    assert changed["models"] == {"was": "small, big", "now": "tiny, big"}
    assert changed["limits"] == {"was": "-", "now": "tiny: no-images"}
