"""What a calibration records is what it printed, and what older ones recorded can still be read."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import pytest

from tests.cli.test_bad_input import one_sentence
from tests.conftest import Routectl

NEWER = ("weight", "model_groups", "noise", "notes", "passed_over")
CALIBRATE = ("calibrate", "-r", "length", "--strong-fraction", "0.3")


@pytest.fixture
def answer(routectl: Routectl, log: Path) -> dict[str, object]:
    """The JSON of the first calibration of an imported log."""
    routectl("import", log)
    (answer,) = routectl(*CALIBRATE, "--json").json
    return answer


def stored(database: Path) -> dict[str, object]:
    """The row of the first calibration."""
    connection = sqlite3.connect(database)
    connection.row_factory = sqlite3.Row
    row = connection.execute("SELECT * FROM calibrations WHERE id = 1").fetchone()
    return dict(row)


def test_the_json_of_a_calibration_says_what_it_achieves_and_how_sure_that_is(
    answer: dict[str, object],
) -> None:
    target = {"target", "at_most", "missed_by"}
    cut = {
        *("threshold", "gap_lower", "gap_upper", "strong_fraction", "next_share_below"),
        *("next_share_above", "tie", "lowest_share", "token_share", "tokens_known"),
        *("spend_share", "spend_known", "costs"),
    }
    certainty = {
        *("requests", "prompts", "clusters", "cluster_kind", "n_eff", "n_eff_corrected"),
        *("degrees_of_freedom", "long_run", "next_requests", "next_share", "undecided"),
        *("requests_for_one_point", "rough", "many_undecided", "excluded", "excluded_by_reason"),
        *("strong_fraction_low", "strong_fraction_high", "self_check", "self_check_skipped"),
        *("days", "weeks", "untimed", "decided_by", "lag_1_correlation", "days_are_alike"),
        *("days_for_one_point", "recurring_prompts", "named_prompts", "without_named"),
        *("longer_than_read", "warnings"),
    }
    assert target | cut | certainty <= set(answer)


def test_what_is_stored_is_what_was_printed(answer: dict[str, object], database: Path) -> None:
    row = stored(database)
    for column in (
        *("threshold", "gap_lower", "gap_upper", "strong_fraction", "next_share_below"),
        *("next_share_above", "requests", "prompts", "clusters", "cluster_kind", "rows_digest"),
    ):
        assert row[column] == answer[column]
    assert row["effective_size"] == answer["n_eff"]
    assert json.loads(row["target"]) == {
        "strong_fraction": 0.3,
        "at_most": False,
        "tolerance": 0.02,
    }
    intervals = json.loads(row["intervals"])
    assert intervals["long_run"] == answer["long_run"]
    assert intervals["next_requests"] == {**answer["next_share"], "requests": 1000}
    details = json.loads(row["details"])
    assert details.pop("notes") == []
    shown = {name: answer[name] for name in details}
    assert shown == details


def test_a_calibration_of_an_older_release_is_listed_and_exported(
    routectl: Routectl, answer: dict[str, object], database: Path
) -> None:
    row = stored(database) | {"id": 2, "threshold": "0.25", "policy": None}
    # As it was before details held only what no column holds.
    choice = json.loads(str(row["details"])) | {"target": 0.3, "design_effect": 1.2}
    choice = {name: value for name, value in choice.items() if name not in NEWER}
    row["details"] = json.dumps({"choice": choice, "costs": None})
    with sqlite3.connect(database) as connection:
        connection.execute(
            f"INSERT INTO calibrations ({', '.join(row)}) VALUES ({', '.join('?' * len(row))})",
            list(row.values()),
        )
    connection.close()
    newest = routectl("history", "--json").json["calibrations"][0]
    assert (newest["calibration_id"], newest["threshold"]) == (2, "0.25")
    assert routectl("export", "--calibration", 2).out == "router-length-0.25\n"


def test_a_damaged_record_is_one_sentence(
    routectl: Routectl, answer: dict[str, object], database: Path
) -> None:
    row = stored(database) | {"id": 2, "details": json.dumps({"tie": {"score": []}})}
    with sqlite3.connect(database) as connection:
        connection.execute(
            f"INSERT INTO calibrations ({', '.join(row)}) VALUES ({', '.join('?' * len(row))})",
            list(row.values()),
        )
    connection.close()
    one_sentence(routectl("show", "c2"), "the record of calibration c2 is damaged")
    assert routectl("show", "c1").code == 0
    history = routectl("history", "--json")
    assert history.code == 0
    assert [entry["calibration_id"] for entry in history.json["calibrations"]] == [1]
    assert "c2 is damaged" in history.err


def test_a_guarantee_is_stored_and_listed_with_the_limit_that_it_gives(
    routectl: Routectl, log: Path, database: Path
) -> None:
    routectl("import", log)
    (answer,) = routectl(*CALIBRATE, "--guarantee", "0.9", "--json").json
    assert answer["guarantee"] == 0.9
    assert answer["strong_fraction"] < answer["guaranteed"] <= 0.3
    row = stored(database)
    assert json.loads(row["target"])["guarantee"] == 0.9
    assert json.loads(row["details"])["guaranteed"] == answer["guaranteed"]
    assert routectl("history", "--json").json["calibrations"][0]["target"]["guarantee"] == 0.9
    assert "30.0 % (at 90 %)" in routectl("history").out
    assert "long run at most" in routectl(*CALIBRATE, "--guarantee", "0.9").out


def test_a_guarantee_that_no_cut_has_is_one_sentence_and_nothing_is_recorded(
    routectl: Routectl, log: Path
) -> None:
    routectl("import", log)
    impossible = ("calibrate", "-r", "length", "--strong-fraction", "0.0001", "--guarantee", "0.99")
    failed = routectl(*impossible)
    assert failed.code == 1
    assert "No threshold keeps the long-run share at or below 0.01 %" in failed.err
    assert routectl("history", "--json").json["calibrations"] == []


def test_a_guarantee_below_a_half_is_a_usage_error(routectl: Routectl, log: Path) -> None:
    routectl("import", log)
    failed = routectl(*CALIBRATE, "--guarantee", "0.3")
    assert failed.code == 2
    assert "from 0.5 to below 1" in failed.err
