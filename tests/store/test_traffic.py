"""Requests in the store: the same ones twice change nothing, and nothing is lost."""

from __future__ import annotations

import hashlib
import itertools
import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec import structs
from sqlalchemy import select, update

from routectl.records import Condition, Exclusion, Population
from routectl.request import TrafficRequest
from routectl.store.batches import legacy_attempt_key, prepare
from routectl.store.engine import Store
from routectl.store.models import Prompt, Request
from routectl.store.populations import overview, population_filter
from routectl.store.traffic import (
    Written,
    add_requests,
    begin_sample,
    finish_sample,
    unfinished_sample,
)
from routectl.traffic import matches

NOON = datetime(2026, 10, 1, 12, tzinfo=UTC)


def request(number: int, **fields: object) -> TrafficRequest:
    base = TrafficRequest(
        source_kind="litellm", source_id=f"id-{number}", text=f"prompt {number}", time=NOON
    )
    return structs.replace(base, **fields)


def add(store: Store, *requests: TrafficRequest, weight: float = 1.0, version: int = 1) -> Written:
    with store.write() as connection:
        sample = begin_sample(
            connection,
            key="import",
            source="here",
            source_kind="litellm",
            population={},
            sample_size=None,
            extraction_version=version,
        )
        batch = prepare(requests, weight=weight, extraction_version=version)
        return add_requests(connection, sample, batch)


def rows(store: Store) -> list[dict[str, object]]:
    query = (
        select(Request.__table__, Prompt.text)
        .outerjoin(Prompt, Prompt.id == Request.prompt_id)
        .order_by(Request.id)
    )
    with store.read() as connection:
        return [dict(row) for row in connection.execute(query).mappings()]


def test_the_same_requests_twice_change_nothing(store: Store) -> None:
    some = [request(n) for n in range(5)]
    assert add(store, *some) == Written(added=5, changed=5)
    before = rows(store)
    assert add(store, *some) == Written(unchanged=5)
    assert rows(store) == before


def test_a_request_twice_in_one_batch_is_one_row(store: Store) -> None:
    assert add(store, request(1), request(2), request(1)) == Written(
        added=2, unchanged=1, changed=2
    )
    assert len(rows(store)) == 2


def test_equal_texts_are_one_prompt(store: Store) -> None:
    add(store, request(1, text="hello"), request(2, text="hello"), request(3, text="hello "))
    with store.read() as connection:
        texts = connection.execute(select(Prompt.text).order_by(Prompt.id)).scalars().all()
    assert texts == ["hello", "hello "]


def test_one_source_id_in_two_formats_is_two_requests(store: Store) -> None:
    assert add(store, request(1), request(1, source_kind="openai")).added == 2


@pytest.mark.parametrize("together", [True, False])
def test_two_calls_with_one_id_are_two_requests_each_with_its_attempts(
    store: Store, together: bool
) -> None:
    """A provider that uses an id again: the call ids tell the calls apart."""
    failed = request(1, call_id="A", status="failure", text="one")
    other = request(1, call_id="B", status="success", text="two")
    again = request(2, call_id="A", status="success", text="one")
    for batch in [[failed, other, again]] if together else [[failed], [other], [again]]:
        add(store, *batch)
    stored = [(row["text"], row["status"]) for row in rows(store)]
    assert sorted(stored) == [("one", "success"), ("two", "success")]
    assert add(store, failed, other, again).changed == 0
    assert len(rows(store)) == 2


def test_more_rows_than_a_statement_holds_keep_every_value(store: Store) -> None:
    """Also of columns in which only a few rows have one."""
    some = [
        request(n, team=f"team-{n % 3}", cost=n / 7 if n % 900 == 899 else None, cache_hit=n > 3000)
        for n in range(4_000)
    ]
    assert add(store, *some) == Written(added=4_000, changed=4_000)
    stored = [
        (row["source_id"], row["text"], row["team"], row["cost"], row["cache_hit"], row["status"])
        for row in rows(store)
    ]
    assert stored == [(r.source_id, r.text, r.team, r.cost, r.cache_hit, None) for r in some]


@pytest.mark.parametrize("seed", range(4))
def test_a_batch_of_new_and_known_requests_ends_as_one_by_one(store: Store, seed: int) -> None:
    """Attempts and repetitions, of rows that are there and of rows of the batch itself."""
    rng = random.Random(seed)

    def some() -> list[TrafficRequest]:
        numbers = rng.choices(range(60), k=40)
        outcomes = rng.choices(["success", "failure"], k=40)
        return [
            request(n, call_id=f"call-{n // 2}" if n < 40 else None, text=f"{n // 2}", status=o)
            for n, o in zip(numbers, outcomes, strict=True)
        ]

    def stored(kind: str) -> list[object]:
        return sorted(
            (row["source_id"], row["text"], row["status"])
            for row in rows(store)
            if row["source_kind"] == kind
        )

    for _ in range(3):
        batch = some()
        together = add(store, *batch)
        one_by_one = Written()
        for each in batch:
            one_by_one += add(store, structs.replace(each, source_kind="openai"))
        assert replace(together, changed=0) == replace(one_by_one, changed=0)
        assert stored("litellm") == stored("openai")


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
@pytest.mark.parametrize("together", [True, False])
def test_of_attempts_at_one_request_the_success_is_kept_whichever_comes_first(
    store: Store, order: tuple[int, ...], together: bool
) -> None:
    attempts = [
        request(1, call_id="call", status="failure", cost=0.0),
        request(2, call_id="call", status="success", cost=0.5),
        request(3, call_id="call", status="failure", cost=0.0),
    ]
    for attempt in attempts:
        assert attempt.text is not None
    same = [structs.replace(a, text="same", model_group="smart") for a in attempts]
    ordered = [same[i] for i in order]
    if together:
        add(store, *ordered)
    else:
        for attempt in ordered:
            add(store, attempt)
    (row,) = rows(store)
    assert (row["status"], row["source_id"], row["cost"]) == ("success", "id-2", 0.5)
    again = add(store, *ordered)
    assert (again.changed, again.unchanged, again.attempts) == (0, 1, 2)
    assert len(rows(store)) == 1


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
@pytest.mark.parametrize("together", [True, False])
def test_an_answer_after_a_failure_whose_id_the_provider_gave_before_is_kept(
    store: Store, order: tuple[int, ...], together: bool
) -> None:
    known = [
        request(7, call_id="other", text="other"),
        request(1, call_id="call", text="same", status="failure"),
        request(7, call_id="call", text="same", status="success"),
    ]
    ordered = [known[i] for i in order]
    for batch in [ordered] if together else [[one] for one in ordered]:
        add(store, *batch)
    assert sorted((row["text"], row["status"]) for row in rows(store)) == [
        ("other", None),
        ("same", "success"),
    ]
    assert add(store, *ordered).changed == 0


def test_a_client_that_reuses_a_call_id_keeps_its_different_requests_apart(store: Store) -> None:
    add(
        store,
        request(1, call_id="mine", text="one"),
        request(2, call_id="mine", text="two"),
    )
    assert len(rows(store)) == 2


@pytest.mark.parametrize("order", list(itertools.permutations(range(2))))
@pytest.mark.parametrize("together", [True, False])
def test_a_fallback_to_another_model_group_is_an_attempt_of_the_group_that_was_asked(
    store: Store, order: tuple[int, ...], together: bool
) -> None:
    shared = {"call_id": "call", "text": "same"}
    attempts = [
        request(1, **shared, status="failure", model_group="smart", proxy_route="smart"),
        request(
            2, **shared, status="success", model_group="backup", time=NOON + timedelta(seconds=2)
        ),
    ]
    ordered = [attempts[i] for i in order]
    for batch in [ordered] if together else [[attempt] for attempt in ordered]:
        add(store, *batch)
    (row,) = rows(store)
    assert (row["status"], row["model_group"], row["proxy_route"]) == ("success", "smart", "smart")
    assert row["model"] == "backup", "that is what answered"
    assert add(store, *ordered).changed == 0


@pytest.mark.parametrize("reason", [Exclusion.TRUNCATED, Exclusion.REDACTED, Exclusion.NO_TEXT])
def test_a_row_that_brings_the_prompt_takes_the_place_of_the_one_without(
    store: Store, reason: Exclusion
) -> None:
    without = request(1, text=None, exclusion=reason, call_id="call")
    whole = request(1, text="whole", call_id="call")
    add(store, without)
    assert add(store, whole) == Written(updated=1, changed=1, completed=1)
    (row,) = rows(store)
    assert (row["text"], row["exclusion"]) == ("whole", None)
    assert add(store, without) == Written(unchanged=1)
    assert rows(store)[0]["text"] == "whole"


def test_a_log_that_lost_its_prompts_takes_none_away_with_a_new_extraction(store: Store) -> None:
    add(store, request(1, text="old"), version=1)
    for reason in (Exclusion.NO_TEXT, Exclusion.REDACTED):
        gone = request(1, text=None, exclusion=reason)
        assert add(store, gone, version=2).changed == 0
    assert rows(store)[0]["text"] == "old"


def test_a_prompt_that_no_human_wrote_goes_with_a_new_extraction(store: Store) -> None:
    injected = "<system-reminder>Mind the tests.</system-reminder>"
    add(store, request(1, text=injected), version=1)
    add(store, request(1, text=None, exclusion=Exclusion.NO_TEXT), version=2)
    (row,) = rows(store)
    assert (row["text"], row["exclusion"]) == (None, "no_text")


def test_attempts_of_a_database_of_before_are_still_attempts(store: Store) -> None:
    """Their keys were digests of the model group, too."""
    failed = request(1, call_id="call", text="same", status="failure", model_group="smart")
    success = request(2, call_id="call", text="same", status="success", model_group="smart")
    add(store, success, version=1)
    with store.write() as connection:
        digest = hashlib.sha256(b"same").hexdigest()
        key = legacy_attempt_key("litellm", "call", digest, "smart")
        connection.execute(update(Request).values(attempt_key=key))
    again = add(store, failed, success, version=2)
    assert (again.added, again.attempts, again.reread) == (0, 1, 1)
    (row,) = rows(store)
    assert (row["source_id"], row["extraction_version"]) == ("id-2", 2)


def test_what_the_plug_in_decided_and_what_a_request_needs_are_stored(store: Store) -> None:
    facts = {
        "proxy_route": "smart",
        "proxy_activation": "a7",
        "proxy_decision": "strong",
        "proxy_model": "gpt-5",
        "proxy_score": 0.25,
        "proxy_fingerprint": "ab",
        "proxy_extraction_version": 2,
        "proxy_reason": "shadow",
        "proxy_would_be": "weak",
        "proxy_would_be_reason": "threshold",
        "images": 2,
        "tools": 0,
        "response_format": "json_schema",
    }
    add(store, request(1, **facts), request(2))
    first, second = rows(store)
    assert {name: first[name] for name in facts} == facts
    assert {second[name] for name in facts} == {None}


def test_a_row_of_before_the_column_gets_what_the_rule_would_have_done(store: Store) -> None:
    shadow = {"proxy_route": "smart", "proxy_decision": "strong", "proxy_reason": "shadow"}
    rule = {"proxy_would_be": "weak", "proxy_would_be_reason": "timeout"}
    add(store, request(1, **shadow))
    add(store, request(1, **shadow, **rule))
    add(store, request(1, **shadow))  # of an older proxy: it takes nothing away
    (row,) = rows(store)
    assert {name: row[name] for name in rule} == rule


def test_a_larger_sample_of_the_same_log_lowers_the_weights(store: Store) -> None:
    add(store, request(1), weight=20.0)
    assert add(store, request(1), request(2), weight=10.0) == Written(added=1, updated=1, changed=2)
    assert [row["weight"] for row in rows(store)] == [10.0, 10.0]
    assert add(store, request(1), weight=30.0) == Written(unchanged=1)


def test_requests_of_another_extraction_version_are_replaced_by_an_import(store: Store) -> None:
    add(store, request(1, text="old"), version=1)
    assert add(store, request(1, text="new"), version=2) == Written(updated=1, changed=1, reread=1)
    (row,) = rows(store)
    assert (row["text"], row["extraction_version"]) == ("new", 2)


def test_requests_of_another_extraction_version_are_counted_apart(store: Store) -> None:
    add(store, request(1), version=1)
    add(store, request(2), version=2)
    with store.read() as connection:
        found = overview(connection, Population(), 2)
    assert (found.requests, found.other_versions) == (1, 1)


def test_a_request_without_a_prompt_is_kept_with_its_reason(store: Store) -> None:
    add(store, request(1), request(2, text=None, exclusion=Exclusion.REDACTED), weight=3.0)
    with store.read() as connection:
        found = overview(connection, Population(), 1)
    assert (found.weight, found.excluded) == (6.0, {"redacted": 3.0})


def test_an_unfinished_sample_is_found_again_and_a_finished_one_is_not(store: Store) -> None:
    add(store, request(1))
    with store.write() as connection:
        sample = unfinished_sample(connection, "import")
        assert sample is not None
        finish_sample(connection, sample, seen=1, kept=1, counts={"rows": 1})
        assert unfinished_sample(connection, "import") is None


TEXTS = st.sampled_from(["a", "A", "b", 'quo"te', "%", "a,b", "ä", "\\"])
REQUESTS = st.builds(
    lambda number, **fields: request(number, **fields),
    number=st.integers(0, 10**9),
    model_group=st.none() | TEXTS,
    team=st.none() | TEXTS,
    status=st.sampled_from([None, "success", "failure"]),
    cache_hit=st.sampled_from([None, True, False]),
    tags=st.lists(TEXTS, max_size=3).map(tuple),
    conversation=st.none() | TEXTS,
    time=st.none() | st.integers(-3, 3).map(lambda h: NOON + timedelta(hours=h)),
)
CONDITIONS = st.one_of(
    st.builds(
        Condition,
        st.sampled_from(["model_group", "team", "tag", "conversation"]),
        st.sampled_from(["=", "!="]),
        TEXTS,
    ),
    st.builds(
        Condition,
        st.just("cache_hit"),
        st.sampled_from(["=", "!="]),
        st.sampled_from(["true", "false"]),
    ),
    st.builds(
        Condition,
        st.just("status"),
        st.sampled_from(["=", "!="]),
        st.sampled_from(["success", "failure"]),
    ),
)
TIMES = st.none() | st.integers(-3, 3).map(lambda h: NOON + timedelta(hours=h))
POPULATIONS = st.builds(
    Population, where=st.lists(CONDITIONS, max_size=4).map(tuple), since=TIMES, until=TIMES
)


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(REQUESTS, min_size=1, max_size=12), POPULATIONS)
def test_a_filter_means_the_same_in_the_store_as_on_import(
    store: Store, requests: list[TrafficRequest], population: Population
) -> None:
    distinct = list({r.source_id: r for r in requests}.values())
    with store.engine.connect() as connection:  # left without a commit: each example is alone
        sample = begin_sample(
            connection,
            key="example",
            source="here",
            source_kind="litellm",
            population={},
            sample_size=None,
            extraction_version=1,
        )
        add_requests(connection, sample, prepare(distinct, weight=1.0, extraction_version=1))
        query = select(Request.source_id).where(*population_filter(population))
        found = set(connection.execute(query).scalars())
    assert found == {r.source_id for r in distinct if matches(population, r)}
