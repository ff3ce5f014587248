"""CSV with a header."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from routectl.records import Exclusion
from routectl.request import TrafficRequest
from routectl.traffic.table import COLUMNS

from .conftest import ReadLog

HEADER = b"prompt,id"


def test_all_that_a_table_may_know_arrives(read_log: ReadLog) -> None:
    header = (
        b"ID;Prompt;Time;Model;Team;User;Tags;Session;tokens_in;tokens_out;Cost;status;cache_hit"
    )
    record = (
        b'a;"Hi; ""you""";2025-01-24 09:20;gpt-4o;search;kim;"eu,batch";t1;10;20;0.5;success;True'
    )
    assert read_log([header, record]).requests == [
        TrafficRequest(
            source_kind="csv",
            source_id="a",
            text='Hi; "you"',
            time=datetime(2025, 1, 24, 9, 20, tzinfo=UTC),
            model_group="gpt-4o",
            status="success",
            cache_hit=True,
            team="search",
            end_user="kim",
            tags=("eu", "batch"),
            conversation="t1",
            tokens_in=10,
            tokens_out=20,
            cost=0.5,
        )
    ]


@pytest.mark.parametrize("alias", COLUMNS["prompt"])
@pytest.mark.parametrize("delimiter", [b",", b";", b"\t"])
def test_the_prompts_column_has_many_names(read_log: ReadLog, alias: str, delimiter: bytes) -> None:
    found = read_log(
        [delimiter.join([b"x", alias.upper().encode()]), delimiter.join([b"1", b"Hi"])]
    )
    assert found.texts == ["Hi"]


def test_a_column_of_messages_holds_json(read_log: ReadLog) -> None:
    turns = '[{""role"": ""user"", ""content"": ""Hi""}]'
    assert read_log([b"x,messages", f'1,"{turns}"'.encode()]).texts == ["Hi"]


def test_a_single_column_is_a_table_if_it_is_called_prompt(read_log: ReadLog) -> None:
    assert read_log([b"prompt", b'"two', b'lines"', b"Hi"]).texts == ["two\nlines", "Hi"]
    assert read_log([b"text", b"Hi"]).texts == ["text", "Hi"]


def test_a_record_over_several_lines_is_one_row_numbered_by_its_first(read_log: ReadLog) -> None:
    found = read_log([HEADER, b'"a', b"", b'b",1', b"only one cell", b'"c",2'])
    assert found.texts == ["a\n\nb", "c"]
    assert [(reject.line, reject.raw) for reject in found.rejects] == [(5, b"only one cell")]
    assert found.counts.rows == 3


@pytest.mark.parametrize("broken", [b'"a,1', b'"a" b,1', b'"', b'x,"'])
def test_a_quote_that_is_not_closed_costs_its_own_line_only(
    read_log: ReadLog, broken: bytes
) -> None:
    found = read_log([HEADER, b"Hi,1", broken, b"you,2", b"there,3"])
    assert found.texts == ["Hi", "you", "there"]
    assert [reject.line for reject in found.rejects] == [3]
    assert "not a record of a table" in found.rejects[0].reason


def test_a_huge_field_is_read(read_log: ReadLog) -> None:
    huge = "word " * 100_000
    assert read_log([HEADER, f'"{huge}",1'.encode()]).texts == [huge]


def test_an_empty_cell_is_no_text(read_log: ReadLog) -> None:
    (request,) = read_log([HEADER, b",a"]).requests
    assert (request.text, request.exclusion) == (None, Exclusion.NO_TEXT)


def test_a_counter_is_no_id(read_log: ReadLog) -> None:
    def ids(identity: str) -> list[str]:
        found = read_log([HEADER, b"Hi,1", b"Hi,2"], identity=identity)
        return [request.source_id for request in found.requests]

    assert len({*ids("a.csv"), *ids("b.csv")}) == 4
    assert ids("a.csv") == ids("a.csv")
