"""The main job: a log and a target in, a config string out, and back again."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import text

from routectl.store.engine import Location
from routectl.store.opening import open_store
from tests.conftest import MODELS, Routectl, payload, write_log


@pytest.fixture
def database_url(any_database_url: str) -> str:
    return any_database_url


def scores(url: str) -> list[float]:
    """The win rate of each request, in the order in which they came."""
    query = text(
        "SELECT s.win_rate FROM requests q JOIN scores s ON s.prompt_id = q.prompt_id ORDER BY q.id"
    )
    with open_store(Location.parse(url)) as store, store.read() as connection:
        return list(connection.execute(query).scalars())


def test_import_calibrate_activate_export(routectl: Routectl, log: Path, database_url: str) -> None:
    assert routectl("import", log).code == 0
    calibrated = routectl("calibrate", "--strong-fraction", "0.3", "-r", "length", "--json")
    assert calibrated.code == 0
    (answer,) = calibrated.json
    assert answer["strong_fraction"] == pytest.approx(0.3, abs=0.05)
    assert routectl("activate", "--force", "--note", "first try").code == 0
    exported = routectl("export")
    assert exported.out == f"router-length-{answer['threshold']}\n"

    # The proxy's own rule: split at the first two hyphens, compare with >=.
    _, router, threshold = exported.out.strip().split("-", 2)
    assert router == "length"
    assert 0 <= float(threshold) <= 1
    found = scores(database_url)
    assert len(found) == 200
    strong = sum(rate >= float(threshold) for rate in found)
    assert strong / len(found) == pytest.approx(answer["strong_fraction"])


def test_calibrate_scores_what_is_missing_and_nothing_twice(
    routectl: Routectl, log: Path, tmp_path: Path, database_url: str
) -> None:
    routectl("import", log)
    first = routectl("calibrate", "--strong-fraction", "0.3", "-r", "random", "--json").json
    before = scores(database_url)
    assert len(before) == 200
    routectl("import", write_log(tmp_path / "more.jsonl", [payload(n) for n in range(150, 260)]))
    second = routectl("calibrate", "--strong-fraction", "0.3", "-r", "random", "--json").json
    after = scores(database_url)
    assert after[:200] == before
    assert len(after) == 260
    assert (first[0]["requests"], second[0]["requests"]) == (200, 260)


def test_a_sample_weighs_what_it_left_out(routectl: Routectl, log: Path) -> None:
    imported = routectl("import", log, "--sample", "50", "--json").json
    assert (imported["seen"], imported["kept"], imported["added"]) == (200, 50, 50)
    (answer,) = routectl("calibrate", "--strong-fraction", "0.3", "-r", "random", "--json").json
    assert answer["requests"] == 50
    shown = routectl("calibrate", "--strong-fraction", "0.3", "-r", "random")
    assert "50 distinct prompts, standing for 200 requests" in shown.out


def test_a_calibration_s_population_is_stored_with_it(routectl: Routectl, tmp_path: Path) -> None:
    records = [payload(n, model_group="smart" if n % 2 else "small") for n in range(100)]
    routectl("import", write_log(tmp_path / "log", records))
    where = ("--where", "model_group=smart", "--since", "2026-09-21", "--until", "2030-01-01")
    (answer,) = routectl(
        "calibrate", "--strong-fraction", "0.5", "-r", "random", *where, "--json"
    ).json
    assert answer["requests"] == 50
    (stored,) = routectl("history", "--json").json["calibrations"]
    assert stored["population"] == {
        "where": ["model_group=smart"],
        "since": "2026-09-21T00:00:00+00:00",
        "until": "2030-01-01T00:00:00+00:00",
    }


def test_mixed_model_groups_are_shown_with_their_shares(routectl: Routectl, tmp_path: Path) -> None:
    records = [payload(n, model_group="small" if n % 4 == 0 else "smart") for n in range(100)]
    routectl("import", write_log(tmp_path / "log", records))
    mixed = routectl("calibrate", "--strong-fraction", "0.5", "-r", "random")
    assert "smart 75.0 %, small 25.0 %" in mixed.err
    assert "--where model_group=smart" in mixed.err
    one = routectl(
        "calibrate", "--strong-fraction", "0.5", "-r", "random", "--where", "model_group=smart"
    )
    assert "mixes" not in one.err


@pytest.mark.parametrize("groups", [1, 3, 40])
def test_the_shares_of_the_model_groups_add_up_however_many_there_are(
    routectl: Routectl, tmp_path: Path, groups: int
) -> None:
    records = [
        payload(n, model=None, model_group=f"g{n % groups}" if n else None) for n in range(81)
    ]
    routectl("import", write_log(tmp_path / "log", records))
    (answer,) = routectl("calibrate", "--strong-fraction", "0.5", "-r", "random", "--json").json
    expected: dict[str, float] = {"None": 1.0}
    for n in range(1, 81):
        expected[f"g{n % groups}"] = expected.get(f"g{n % groups}", 0.0) + 1.0
    assert answer["model_groups"] == expected


def test_requests_that_could_not_be_seen_bound_the_share(
    routectl: Routectl, tmp_path: Path
) -> None:
    records = [payload(n) for n in range(90)]
    image = [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}]
    records += [payload(n, messages=image) for n in range(90, 100)]
    routectl("import", write_log(tmp_path / "log", records))
    result = routectl("calibrate", "--strong-fraction", "0.5", "-r", "random", "--json")
    (answer,) = result.json
    assert answer["excluded_by_reason"] == {"no_text": 10.0}
    share = answer["strong_fraction"]
    assert answer["strong_fraction_low"] == pytest.approx(0.9 * share)
    assert answer["strong_fraction_high"] == pytest.approx(0.9 * share + 0.1)


def test_a_tie_at_the_target_reports_both_reachable_shares(
    routectl: Routectl, tmp_path: Path
) -> None:
    records = [
        payload(n, "hello, are you there?" if n % 2 else f"question {n}") for n in range(100)
    ]
    routectl("import", write_log(tmp_path / "log", records))
    result = routectl("calibrate", "--strong-fraction", "0.3", "-r", "random")
    assert "share the score" in result.err
    assert "cannot be reached" in result.err


def test_a_target_missed_by_more_than_the_tolerance_is_a_no(
    routectl: Routectl, tmp_path: Path
) -> None:
    records = [payload(n, "hello" if n < 60 else f"question {n}") for n in range(100)]
    routectl("import", write_log(tmp_path / "log", records))
    asked = ("calibrate", "--strong-fraction", "0.3", "-r", "length")
    # The sixty shortest prompts are one tie: 40 % are strong, or all.
    missed = routectl(*asked)
    assert missed.code == 3
    assert "Config string: router-length-" in missed.out
    assert "length sends 40.00 % to the strong model, not 30.0 %" in missed.err
    allowed = routectl(*asked, "--tolerance", "0.1", "--json")
    assert allowed.code == 0
    assert allowed.json[0]["missed_by"] is None
    assert len(routectl("history", "--json").json["calibrations"]) == 2


def test_several_routers_stand_side_by_side(routectl: Routectl, log: Path) -> None:
    routectl("import", log)
    result = routectl("calibrate", "--strong-fraction", "0.3", "-r", "random", "-r", "length")
    assert result.code == 0
    assert result.out.count("Config string: router-") == 2
    assert max(map(len, result.out.splitlines())) <= 100


def test_activating_rolling_back_and_exporting_follow_the_route(
    routectl: Routectl, log: Path
) -> None:
    routectl("route", "set", "smart", *MODELS)
    routectl("import", log)
    for fraction in ("0.2", "0.4"):
        routectl("calibrate", "--strong-fraction", fraction, "-r", "random")
        routectl("activate", "--force", "--route", "smart", "--note", f"target {fraction}")
    first, second = (
        routectl("export", "--calibration", id, "--json").json["threshold"] for id in (1, 2)
    )
    assert routectl("export", "--route", "smart").out == f"router-random-{second}\n"
    back = routectl("rollback", "--route", "smart", "--note", "too weak")
    assert "as in a1" in back.out
    assert routectl("export", "--route", "smart").out == f"router-random-{first}\n"
    routectl("activate", "--always-strong", "--route", "smart")
    assert routectl("export", "--route", "smart").out == "router-random-0.0\n"
    entries = routectl("history", "--route", "smart", "--json").json["activations"]
    assert [(e["activation_id"], e["active"], e["note"]) for e in entries] == [
        (4, True, None),
        (3, False, "too weak"),
        (2, False, "target 0.4"),
        (1, False, "target 0.2"),
    ]
    assert {e["actor"] for e in entries} == {"tester"}


def test_rollback_to_an_earlier_activation_never_goes_forward(
    routectl: Routectl, log: Path
) -> None:
    for _ in range(3):
        routectl("activate", "--always-strong", "--db", log.with_name("x.db"))
    routectl("init")
    for mode in ("strong", "weak", "strong"):
        assert routectl("activate", f"--always-{mode}").code == 0
    assert routectl("rollback", "--to", "1").code == 0
    forward = routectl("rollback", "--to", "3")
    assert forward.code == 2
    assert "walks back" in forward.err
    unknown = routectl("rollback", "--to", "99")
    assert unknown.code == 1
    assert "no activation a99" in unknown.err


def test_always_weak_is_no_config_string_but_a_document_says_it(routectl: Routectl) -> None:
    routectl("init")
    routectl("activate", "--always-weak", "--note", "outage")
    bare = routectl("export")
    assert (bare.code, bare.out) == (1, "")
    assert "always-weak" in bare.err
    document = routectl("export", "--json").json
    assert (document["mode"], document["config_string"]) == ("always_weak", None)


@pytest.mark.parametrize("command", ["score", "calibrate"])
def test_stored_scores_are_used_without_importing_torch(
    routectl: Routectl, log: Path, database_url: str, command: str
) -> None:
    routectl("import", log)
    routectl("score", "-r", "random", "-r", "length")
    arguments = [command, "--db", database_url, "-r", "random", "-r", "length"]
    if command == "calibrate":
        arguments += ["--strong-fraction", "0.3"]
    code = (
        "import sys; from routectl.cli.app import run; code = run(sys.argv[1:]); "
        "print([m for m in ('torch', 'transformers', 'sentence_transformers') "
        "if m in sys.modules]); sys.exit(code)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == "[]"


def test_a_directory_of_logs_is_one_import(routectl: Routectl, tmp_path: Path) -> None:
    folder = tmp_path / "logs"
    folder.mkdir()
    for day in range(3):
        write_log(folder / f"{day}.jsonl", [payload(n) for n in range(10 * day, 10 * day + 10)])
    assert routectl("import", folder, "--json").json["added"] == 30
    assert routectl("import", folder / "*.jsonl", "--json").json["added"] == 0
