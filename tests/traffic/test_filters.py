"""One syntax for times, one for filters, and what a population holds."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from routectl.errors import UsageError
from routectl.records import FILTER_FIELDS, Condition, Population
from routectl.request import TrafficRequest
from routectl.traffic import matches, parse_condition, parse_time

NOW = datetime(2025, 3, 1, 12, 0, tzinfo=UTC)
REQUEST = TrafficRequest(
    source_kind="litellm",
    source_id="1",
    text="Hi",
    time=NOW,
    model_group="gpt-4o",
    team="search",
    cache_hit=False,
    tags=("batch", "eu"),
)

TIMES = {
    "2025-01-31": datetime(2025, 1, 31, tzinfo=UTC),
    "2025-01-31T09:00": datetime(2025, 1, 31, 9, tzinfo=UTC),
    "2025-01-31 09:00:01.5": datetime(2025, 1, 31, 9, 0, 1, 500_000, tzinfo=UTC),
    "2025-01-31T09:00Z": datetime(2025, 1, 31, 9, tzinfo=UTC),
    "2025-01-31T09:00+01:00": datetime(2025, 1, 31, 8, tzinfo=UTC),
    "90m": NOW - timedelta(minutes=90),
    "24h": NOW - timedelta(hours=24),
    "7d": NOW - timedelta(days=7),
    " 2w ": NOW - timedelta(weeks=2),
    "0d": NOW,
}


@pytest.mark.parametrize(("text", "expected"), TIMES.items())
def test_a_time_is_a_date_a_moment_or_a_span_before_now(text: str, expected: datetime) -> None:
    found = parse_time(text, now=NOW)
    assert found == expected
    assert found.utcoffset() == timedelta(0)


@pytest.mark.parametrize(
    "text", ["", "yesterday", "7", "7x", "-7d", "1.5d", "2025-13-01", "999999999w", "2025-01-31T25"]
)
def test_what_is_no_time_is_refused_with_the_forms_that_are(text: str) -> None:
    with pytest.raises(UsageError, match="is no time: write a date"):
        parse_time(text, now=NOW)


def test_a_span_keeps_the_instant_of_a_now_in_another_zone() -> None:
    elsewhere = NOW.astimezone(timezone(timedelta(hours=5)))
    assert parse_time("1h", now=elsewhere) == parse_time("1h", now=NOW)


CONDITIONS = {
    "team=search": Condition("team", "=", "search"),
    "team!=search": Condition("team", "!=", "search"),
    " team = search ops ": Condition("team", "=", "search ops"),
    "tag=a=b": Condition("tag", "=", "a=b"),
    "tag=a!=b": Condition("tag", "=", "a!=b"),
    "tag!=!a": Condition("tag", "!=", "!a"),
    "cache_hit=TRUE": Condition("cache_hit", "=", "true"),
    "status=failure": Condition("status", "=", "failure"),
}


@pytest.mark.parametrize(("text", "expected"), CONDITIONS.items())
def test_a_condition_is_a_field_an_operator_and_a_value(text: str, expected: Condition) -> None:
    assert parse_condition(text) == expected


@pytest.mark.parametrize(
    "text", ["", "team", "=x", "team=", "team!= ", "team<3", "!=x", "team!x=y"]
)
def test_what_is_no_condition_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        parse_condition(text)


def test_an_unknown_field_is_answered_with_the_known_ones() -> None:
    with pytest.raises(UsageError) as caught:
        parse_condition("temperature=1")
    assert all(field in str(caught.value) for field in FILTER_FIELDS)


def test_a_value_that_a_field_cannot_have_is_refused() -> None:
    with pytest.raises(UsageError, match="cache_hit is true or false"):
        parse_condition("cache_hit=yes")
    with pytest.raises(UsageError, match="status is success or failure"):
        parse_condition("status=ok")


def where(*conditions: str) -> Population:
    return Population(where=tuple(parse_condition(text) for text in conditions))


MATCHES = {
    (): True,
    ("team=search",): True,
    ("team=Search",): False,
    ("team=ads",): False,
    ("team=ads", "team=search"): True,
    ("team=search", "model_group=gpt-4o"): True,
    ("team=search", "model_group=gpt-4"): False,
    ("team!=ads",): True,
    ("team!=search",): False,
    ("team!=ads", "team!=search"): False,
    ("team=search", "team!=search"): False,
    ("end_user=kim",): False,
    ("end_user!=kim",): True,
    ("end_user=none",): False,
    ("cache_hit=false",): True,
    ("cache_hit!=false",): False,
    ("cache_hit=true",): False,
    ("tag=eu",): True,
    ("tag=us",): False,
    ("tag=us", "tag=eu"): True,
    ("tag!=eu",): False,
    ("tag!=us",): True,
    ("tag=batch", "tag!=eu"): False,
}


@pytest.mark.parametrize(("conditions", "expected"), MATCHES.items())
def test_equals_on_one_field_are_alternatives_and_all_else_holds_together(
    conditions: tuple[str, ...], expected: bool
) -> None:
    assert matches(where(*conditions), REQUEST) is expected


def test_every_filter_field_can_be_asked() -> None:
    for field in FILTER_FIELDS:
        value = {"cache_hit": "true", "status": "failure"}.get(field, "x")
        assert not matches(where(f"{field}={value}"), REQUEST)
        assert matches(where(f"{field}!={value}"), REQUEST)


def test_an_absent_value_equals_nothing() -> None:
    unknown = replace(REQUEST, cache_hit=None, tags=())
    assert not matches(where("cache_hit=true", "cache_hit=false"), unknown)
    assert matches(where("cache_hit!=true", "cache_hit!=false", "tag!=eu"), unknown)


def test_since_is_inside_and_until_is_outside() -> None:
    later = NOW + timedelta(microseconds=1)
    assert matches(Population(since=NOW, until=later), REQUEST)
    assert not matches(Population(since=later), REQUEST)
    assert not matches(Population(until=NOW), REQUEST)


def test_a_request_without_a_time_is_outside_any_span() -> None:
    undated = replace(REQUEST, time=None)
    assert matches(Population(), undated)
    assert not matches(Population(since=NOW), undated)
    assert not matches(Population(until=NOW), undated)


@given(st.datetimes(), st.datetimes())
def test_days_that_touch_share_no_request(moment: datetime, border: datetime) -> None:
    request = replace(REQUEST, time=moment.replace(tzinfo=UTC))
    border = border.replace(tzinfo=UTC)
    assert matches(Population(until=border), request) != matches(Population(since=border), request)
