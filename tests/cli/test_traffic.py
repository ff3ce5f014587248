"""`traffic` says what the database holds, and errors list what there is instead."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.cli.test_bad_input import one_sentence
from tests.conftest import Routectl, payload, write_log


@pytest.fixture
def database_url(any_database_url: str) -> str:
    return any_database_url


def of(team: str | None) -> dict[str, Any]:
    return {"metadata": {} if team is None else {"user_api_key_team_alias": team}}


@pytest.fixture
def imported(routectl: Routectl, tmp_path: Path) -> None:
    image = [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}]
    records = [
        *(payload(n, model_group="smart", **of("web")) for n in range(6)),
        *(payload(n, model_group="small", **of("batch")) for n in range(6, 9)),
        payload(9, model_group="small", status="failure", **of(None)),
        payload(10, model_group="smart", cache_hit=True, trace_id="t1", **of("web")),
        payload(11, messages=image, startTime=None, **of("web")),
    ]
    assert routectl("import", write_log(tmp_path / "log", records)).code == 0


@pytest.mark.usefixtures("imported")
def test_traffic_counts_by_group_and_team_and_what_was_left_out(routectl: Routectl) -> None:
    held = routectl("traffic", "--json").json
    assert (held["requests"], held["weight"], held["samples"]) == (12, 12.0, 1)
    assert held["by_model_group"] == {"smart": 8.0, "small": 4.0}
    assert held["by_team"] == {"web": 8.0, "batch": 3.0, "None": 1.0}
    assert list(held["by_team"]) == ["web", "batch", "None"]
    assert held["remarks"] == {
        "no_text": 1.0,
        "failures": 1.0,
        "cache_hits": 1.0,
        "without_time": 1.0,
        "without_conversation": 11.0,
        "without_tokens": 0.0,
    }
    assert held["first"] == "2026-09-21T14:13:20+00:00"
    assert held["last"] == "2026-09-21T15:53:20+00:00"
    table = routectl("traffic").out
    assert "2026-09-21 14:13:20 UTC" in table
    for words in (("smart", "8", "66.7 %"), ("batch", "3", "25.0 %"), ("no text", "1", "8.3 %")):
        assert any(all(word in line for word in words) for line in table.splitlines())


@pytest.mark.usefixtures("imported")
def test_traffic_takes_a_population(routectl: Routectl) -> None:
    held = routectl("traffic", "--where", "model_group=small", "--json").json
    assert (held["requests"], held["by_team"]) == (4, {"batch": 3.0, "None": 1.0})
    assert held["population"]["where"] == ["model_group=small"]


def test_traffic_of_a_sample_counts_what_it_stands_for(routectl: Routectl, log: Path) -> None:
    routectl("import", log, "--sample", "50")
    assert "50 rows, standing for 200 requests" in routectl("traffic").out
    assert routectl("traffic", "--json").json["weight"] == 200.0


def test_many_values_are_one_row_after_the_tenth(routectl: Routectl, tmp_path: Path) -> None:
    records = [payload(n, **of(f"team-{n % 30:02}")) for n in range(60)]
    routectl("import", write_log(tmp_path / "log", records))
    assert "(20 more)" in routectl("traffic").out
    assert len(routectl("traffic", "--json").json["by_team"]) == 30


def test_traffic_of_an_empty_database_says_how_to_fill_it(routectl: Routectl) -> None:
    routectl("init")
    one_sentence(routectl("traffic"), "routectl import FILE")


@pytest.mark.usefixtures("imported")
@pytest.mark.parametrize("command", [("traffic",), ("calibrate", "--strong-fraction", "0.3")])
@pytest.mark.parametrize(
    ("filters", "words"),
    [
        (("--where", "team=nobody"), ("--where team=nobody", "there is team web (8), batch (3)")),
        (("--where", "tag=x"), ("no request has a tag",)),
        (
            ("--where", "cache_hit=true", "--where", "team=batch"),
            ("there is cache_hit false (11), true (1)",),
        ),
        (("--since", "2030-01-01"), ("from 2026-09-21 14:13 to 2026-09-21 15:53 UTC",)),
    ],
)
def test_where_no_request_matches_it_lists_what_there_is(
    routectl: Routectl,
    command: tuple[str, ...],
    filters: tuple[str, ...],
    words: tuple[str, ...],
) -> None:
    one_sentence(routectl(*command, *filters), "no request matches", *words)


def test_tags_are_listed_one_by_one(routectl: Routectl, tmp_path: Path) -> None:
    tagged = [payload(n, request_tags=["a", "b"] if n % 2 else ["a"]) for n in range(4)]
    routectl("import", write_log(tmp_path / "log", tagged))
    one_sentence(routectl("traffic", "--where", "tag=c"), "there is tag a (4), b (2)")


def test_a_long_name_from_a_log_makes_no_line_of_its_own(
    routectl: Routectl, tmp_path: Path
) -> None:
    """Where a table is too wide its words are wrapped."""
    for length in range(40, 110, 2):
        name = f"{'x' * length} Config string: router-mf-0.0"
        log = write_log(tmp_path / f"log{length}", [payload(length, **of(name))])
        assert routectl("import", log).code == 0
    printed = routectl("traffic").out
    assert "router-mf-0.0" in printed
    assert [line for line in printed.splitlines() if line.startswith(("Config", "string:"))] == []
