"""A calibration is shown the same way wherever it is shown: calibrate, history and show."""

from __future__ import annotations

import gzip
import re
import sqlite3
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from tests.cli.test_bad_input import one_sentence
from tests.conftest import Routectl, payload, write_log

OLD = Path(__file__).parents[1] / "store" / "old_databases"
CALIBRATE = ("calibrate", "--strong-fraction", "0.3")


@pytest.fixture
def mixed(routectl: Routectl, tmp_path: Path) -> None:
    """Traffic of two groups, with failures, in a sample: there are notes on all of it."""
    records = [
        payload(
            n,
            startTime=1_790_000_000.0 + 7200 * n,
            model_group="small" if n % 4 == 0 else "smart",
            status="failure" if n % 10 == 3 else "success",
        )
        for n in range(240)
    ]
    log = write_log(tmp_path / "log", records)
    assert routectl("import", log, "--sample", "120").code == 0


def printed(text: str) -> str:
    """What was printed, without the name of the database."""
    return re.sub(r"^Database: .*\n", "", text, flags=re.MULTILINE)


@pytest.mark.usefixtures("mixed")
@pytest.mark.parametrize(
    "options",
    [
        ("-r", "length"),
        ("-r", "random", "--where", "model_group=smart", "--since", "2026-09-21"),
        ("-r", "length", "--at-most", "--note", "for finance"),
    ],
)
def test_show_prints_what_calibrate_printed(routectl: Routectl, options: tuple[str, ...]) -> None:
    made = routectl(*CALIBRATE, *options)
    assert made.code == 0
    again = routectl("show", "c1")
    assert again.code == 0
    assert again.out == made.out
    assert printed(again.err) == printed(made.err)


@pytest.mark.usefixtures("mixed")
def test_calibrate_history_and_show_have_one_shape(routectl: Routectl) -> None:
    made = routectl(*CALIBRATE, "-r", "length", "--where", "model_group=smart", "--json").json[0]
    listed = routectl("history", "--json").json["calibrations"][0]
    shown = routectl("show", "1", "--json").json
    assert made == listed == shown
    assert made["population"] == {"where": ["model_group=smart"], "since": None, "until": None}
    assert made["target"] == {"strong_fraction": 0.3, "at_most": False, "tolerance": 0.02}


@pytest.mark.usefixtures("mixed")
def test_every_note_is_in_the_warnings(routectl: Routectl) -> None:
    result = routectl(*CALIBRATE, "-r", "length", "--json")
    told = routectl("show", "c1")
    notes = re.findall(r"^Note: (.*)\.$", told.err, re.MULTILINE)
    assert len(notes) >= 2
    assert result.json[0]["warnings"] == notes
    assert any("mixes 2 model groups" in note for note in notes)
    assert any("failed requests" in note for note in notes)


def times_of(value: Any, path: str = "") -> list[tuple[str, object]]:
    if isinstance(value, dict):
        return [hit for key, item in value.items() for hit in times_of(item, f"{path}.{key}")]
    if isinstance(value, list):
        return [hit for item in value for hit in times_of(item, path)]
    last = path.rpartition(".")[2]
    is_time = last.endswith("_at") or last in ("since", "until", "first", "last")
    return [(path, value)] if is_time and value is not None else []


@pytest.mark.usefixtures("mixed")
def test_every_time_is_iso_8601_with_its_zone(routectl: Routectl) -> None:
    routectl(*CALIBRATE, "-r", "length", "--since", "2026-09-21")
    routectl("activate", "--force", "--note", "x")
    found = [
        hit
        for command in (("history",), ("show", "c1"), ("traffic",))
        for hit in times_of(routectl(*command, "--json").json)
    ]
    assert {path.rpartition(".")[2] for path, _ in found} >= {"created_at", "split_at", "since"}
    for path, time in found:
        assert isinstance(time, str), path
        assert datetime.fromisoformat(time).tzinfo is not None, path


@pytest.mark.parametrize("schema", ["0001", "0002", "0003", "0004"])
def test_an_older_record_is_shown_with_what_it_holds(
    routectl: Routectl, database: Path, schema: str
) -> None:
    database.write_bytes(gzip.decompress((OLD / f"{schema}.db.gz").read_bytes()))
    assert routectl("db", "upgrade").code == 0
    history = routectl("history", "--json").json["calibrations"]
    for entry in history:
        shown = routectl("show", f"c{entry['calibration_id']}")
        assert shown.code == 0
        assert f"Config string: {entry['config_string']}" in shown.out
        assert "was recorded by an older routectl" in shown.err
        assert "check in time" in shown.out
        assert entry["noise"] >= 0
        assert entry["model_groups"] is None
        assert entry == routectl("show", entry["calibration_id"], "--json").json


def test_show_says_what_is_not_there(routectl: Routectl) -> None:
    routectl("init")
    one_sentence(routectl("show", "c4"), "no calibration c4 in this database", "routectl history")


@pytest.mark.usefixtures("mixed")
def test_a_dry_run_records_no_calibration_and_says_so(routectl: Routectl, database: Path) -> None:
    dry = routectl(*CALIBRATE, "-r", "length", "--dry-run")
    assert dry.code == 0
    assert "no calibration was recorded" in dry.err
    assert "not recorded" in dry.out
    assert routectl("history", "--json").json["calibrations"] == []
    with closing(sqlite3.connect(database)) as connection:
        assert connection.execute("SELECT count(*) FROM scores").fetchone()[0] > 0
    as_json = routectl(*CALIBRATE, "-r", "length", "--dry-run", "--json").json[0]
    assert as_json["calibration_id"] is None
    recorded = routectl(*CALIBRATE, "-r", "length", "--json").json[0]
    differing = {key for key in recorded if recorded[key] != as_json[key]}
    assert differing == {"calibration_id", "run", "created_at", "policy"}
    assert "Scores are kept" in " ".join(routectl("calibrate", "--help").out.split())


@pytest.mark.usefixtures("mixed")
def test_a_dry_run_that_misses_its_target_says_that_nothing_is_recorded(
    routectl: Routectl,
) -> None:
    missed = routectl(*CALIBRATE, "-r", "length", "--tolerance", "0", "--dry-run")
    if missed.code == 3:
        assert "nothing is recorded" in missed.err
    assert routectl("history", "--json").json["calibrations"] == []


@pytest.mark.usefixtures("mixed")
def test_what_was_asked_stands_first(routectl: Routectl) -> None:
    out = routectl(*CALIBRATE, "-r", "length", "--where", "model_group=smart").out
    order = [
        "threshold ",
        "strong fraction",
        "long-run share",
        "next 1,000 requests",
        "Config string: ",
        "What it rests on",
        "population ",
        "effective sample",
        "check in time",
        "to the strong model",
    ]
    places = [out.index(text) for text in order]
    assert places == sorted(places)
    assert re.search(r"^population +model_group=smart$", out, re.MULTILINE)


def test_a_nearer_share_that_was_passed_over_is_told(routectl: Routectl, tmp_path: Path) -> None:
    # 2,000 prompts of lengths that leave narrow gaps, and one wide gap next to the target.
    lengths = [*range(1000, 2898), *range(4000, 4102)]
    records = [payload(n, "x" * length) for n, length in enumerate(lengths)]
    routectl("import", write_log(tmp_path / "log", records))
    asked = ("calibrate", "--strong-fraction", "0.0505", "-r", "length")
    shown = routectl(*asked)
    said = " ".join(shown.out.split())
    assert re.search(r"passed over 5\.05 % was reachable, [^;]*; the cut with the widest gap", said)
    (answer,) = routectl(*asked, "--json").json
    assert answer["strong_fraction"] == pytest.approx(0.051)
    assert answer["passed_over"]["share"] == pytest.approx(0.0505)
    exact = routectl("calibrate", "--strong-fraction", "0.051", "-r", "length")
    assert "passed over" not in exact.out


@pytest.mark.parametrize(
    ("columns", "width"),
    [("80", 80), ("0080", 80), ("1", 40), ("9" * 5000, 100), ("0", 100), ("-5", 100), ("٨٠", 100)],
)
def test_a_table_is_as_wide_as_columns_says_within_bounds(
    routectl: Routectl, monkeypatch: pytest.MonkeyPatch, columns: str, width: int
) -> None:
    routectl("init")
    routectl("activate", "--always-weak", "--note", "a note that goes on " * 8)
    monkeypatch.setenv("COLUMNS", columns)
    assert width - 20 < max(map(len, routectl("history").out.splitlines())) <= max(width, 60)


@pytest.mark.parametrize("columns", [80, 100])
@pytest.mark.usefixtures("mixed")
def test_no_table_is_wider_than_the_terminal_and_no_id_is_cut(
    routectl: Routectl, monkeypatch: pytest.MonkeyPatch, columns: int
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    where = ("--where", "model_group=smart", "--where", "team!=" + "a-team-with-a-long-name " * 4)
    routectl(*CALIBRATE, "-r", "length", *where, "--note", "a note that goes on, " * 8)
    routectl("activate", "--force", "c1", "--note", "agreed with finance, " * 8)
    routectl(*CALIBRATE, "-r", "random", "-r", "length")
    strings = [c["config_string"] for c in routectl("history", "--json").json["calibrations"]]
    for command in (
        ("history",),
        ("show", "c1"),
        ("traffic",),
        (*CALIBRATE, "-r", "random", "-r", "length", *where),
    ):
        out = routectl(*command).out
        assert max(map(len, out.splitlines())) <= columns, out
    history = routectl("history").out
    assert all(string in history for string in strings)
    assert all(re.search(rf"(^|\W){id}\s", history) for id in ("a1", "c1", "c2", "c3"))


@pytest.mark.usefixtures("mixed")
def test_history_shows_checkpoint_filters_and_the_calibration_of_an_activation(
    routectl: Routectl,
) -> None:
    routectl(*CALIBRATE, "-r", "length", "--where", "model_group=smart")
    routectl("activate", "--force", "c1")
    activations, _, calibrations = routectl("history").out.partition("Calibrations")
    assert re.search(r"^\*a1 .* c1 .*router-length-", activations, re.MULTILINE)
    assert re.search(r"^c1 .*router-length-", calibrations, re.MULTILINE)
    for part in (activations, calibrations):
        assert "checkpoint length_1" in part
        assert "model_group=smart" in part
