"""One row with values that no call can have never blocks what is said of the others."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from sqlalchemy import text

from routectl.store.engine import Location
from routectl.store.opening import open_store
from tests.conftest import Routectl, payload, write_log

CALIBRATE = ("calibrate", "-r", "random", "-r", "length", "--strong-fraction", "0.3")
POISON = [
    "tokens_in = 9223372036854775807, tokens_out = 1",
    "tokens_in = 9223372036854775807, tokens_out = 9223372036854775807",
    "cost = 1e308",
    "cost = -1e308",
    "time = 1e300",
    "time = -62135596800",
]


@pytest.mark.parametrize("poison", POISON)
def test_a_stored_row_of_before_counts_as_unknown_and_is_told(
    poison: str, routectl: Routectl, log: Path, database_url: str
) -> None:
    routectl("import", log)
    before = routectl(*CALIBRATE, "--json").out
    with open_store(Location.parse(database_url)) as store, store.write() as connection:
        connection.execute(text(f"UPDATE requests SET {poison} WHERE source_id = 'chatcmpl-7'"))
        connection.execute(text(f"UPDATE requests SET {poison} WHERE source_id = 'chatcmpl-9'"))
    result = routectl(*CALIBRATE, "--json")
    assert result.code == 0, result.err
    assert "2 requests have a number of tokens, a cost or a time that no call can" in result.err
    # The share that was chosen is of all requests all the same.
    chosen = [re.findall(r'"threshold": "[\d.]+"', answer) for answer in (before, result.out)]
    assert chosen[0][0] == chosen[1][0]
    assert routectl(*CALIBRATE).code == 0


def test_an_import_leaves_such_values_out_and_counts_them(
    routectl: Routectl, tmp_path: Path
) -> None:
    records = [payload(n) for n in range(50)]
    records[1] |= {"prompt_tokens": 2**63 - 1, "completion_tokens": 1}
    records[2] |= {"response_cost": 1e300}
    records[3] |= {"startTime": "9999-12-31T23:59:59Z"}
    records[4] |= {"startTime": 2e10, "completion_tokens": 10**30}
    result = routectl("import", write_log(tmp_path / "log.jsonl", records), "--json")
    assert result.code == 0, result.err
    unread = {"number of tokens": 2, "cost": 1, "time": 2}
    assert (result.json["added"], result.json["unread"]) == (50, unread)
    done = routectl("calibrate", "-r", "random", "--strong-fraction", "0.3")
    assert done.code == 0
    assert "no call can" not in done.err


def test_the_proxys_first_decision_has_a_time_that_exists(
    routectl: Routectl, tmp_path: Path, database_url: str
) -> None:
    decided = {"routectl": {"route": "smart", "decision": "strong"}}
    records = [payload(n, metadata={"spend_logs_metadata": decided}) for n in range(3)]
    log = write_log(tmp_path / "log.jsonl", records)
    since = routectl("import", log, "--json").json["routed_since"]
    assert since
    with open_store(Location.parse(database_url)) as store, store.write() as connection:
        connection.execute(text("UPDATE requests SET time = -1e300 WHERE source_id = 'chatcmpl-2'"))
    again = routectl("import", write_log(log, [*records, payload(9)]), "--json")
    assert again.code == 0, again.err
