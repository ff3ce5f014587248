"""A sample is uniform, repeatable, mergeable, and keeps conversations whole."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routectl.errors import InputError, UsageError
from routectl.records import Exclusion, Population
from routectl.request import TrafficRequest
from routectl.traffic import ImportCounts, parse_condition, sample, take


def request(
    source_id: str, conversation: str | None = None, call_id: str | None = None
) -> TrafficRequest:
    return TrafficRequest(
        source_kind="litellm",
        source_id=source_id,
        text=source_id,
        conversation=conversation,
        call_id=call_id,
    )


def ids(requests: Iterator[TrafficRequest]) -> list[str]:
    return [found.source_id for found in requests]


def requests_of(conversations: list[str | None], day: int = 0) -> list[TrafficRequest]:
    return [request(f"{day}-{i}", conversation) for i, conversation in enumerate(conversations)]


TALKS = st.lists(st.none() | st.sampled_from("abcdefgh"), max_size=60)
DAYS = st.lists(TALKS, min_size=1, max_size=5)


@given(DAYS, st.integers(1, 12), st.text(max_size=70))
def test_the_sample_of_the_daily_samples_is_the_sample_of_all_days(
    days: list[list[str | None]], size: int, key: str
) -> None:
    logs = [requests_of(day, number) for number, day in enumerate(days)]
    together = [found for log in logs for found in log]
    daily = [found for log in logs for found in sample(log, size, key=key)]
    assert list(sample(daily, size, key=key)) == list(sample(together, size, key=key))


@given(TALKS, st.integers(1, 12))
def test_conversations_are_whole_and_in_order_and_as_many_as_asked(
    talks: list[str | None], size: int
) -> None:
    requests = requests_of(talks)
    kept = list(sample(requests, size))
    units = {found.conversation or found.source_id for found in kept}
    everything = {found.conversation or found.source_id for found in requests}
    assert len(units) == min(size, len(everything))
    assert kept == [r for r in requests if (r.conversation or r.source_id) in units]


def test_a_sample_is_the_same_in_every_run_and_on_every_machine() -> None:
    requests = requests_of([None] * 1000)
    assert ids(sample(requests, 5)) == ["0-494", "0-505", "0-574", "0-768", "0-792"]
    assert ids(sample(requests, 5, key="other")) != ids(sample(requests, 5))


def test_the_order_of_arrival_does_not_change_what_is_kept() -> None:
    requests = requests_of(["a", None, "b", "a", None, "c", None, "b"] * 20)
    forth, back = sample(requests, 9), sample(reversed(requests), 9)
    assert sorted(ids(forth)) == sorted(ids(back))


def test_every_request_is_kept_equally_often() -> None:
    requests = requests_of([None] * 200)
    times: Counter[str] = Counter()
    for key in range(500):
        times.update(ids(sample(requests, 50, key=str(key))))
    # Each count is binomial(500, 1/4): sd 9.7; the chi-square of 200 has sd 20 around 199 * 3/4.
    chi_square = sum((times[found.source_id] - 125) ** 2 / 125 for found in requests)
    assert 0.75 * (199 - 5 * 20) < chi_square < 0.75 * (199 + 5 * 20)


def test_a_long_conversation_is_kept_no_more_often_than_a_single_request() -> None:
    requests = requests_of(["long"] * 300 + [None] * 99)
    kept = sum(any(r.conversation for r in sample(requests, 20, key=str(k))) for k in range(400))
    assert 40 < kept < 120  # binomial(400, 1/5): mean 80, sd 8


def test_attempts_of_one_call_are_kept_together() -> None:
    attempts = [request(f"{i}-{n}", call_id=str(i)) for i in range(50) for n in range(2)]
    kept = list(sample(attempts, 10))
    assert len(kept) == 20
    assert all(count == 2 for count in Counter(found.call_id for found in kept).values())


def test_a_conversation_a_call_and_a_request_of_one_name_are_three_units() -> None:
    three = [request("a"), request("b", conversation="a"), request("c", call_id="a")]
    assert len({tuple(ids(sample(three, 1, key=str(key)))) for key in range(50)}) == 3


def test_a_sample_below_one_is_refused() -> None:
    with pytest.raises(UsageError, match="at least 1 request, not 0"):
        list(sample([], 0))


def damaged() -> Iterator[TrafficRequest]:
    yield from requests_of([None] * 10)
    raise InputError("the log is damaged")


@pytest.mark.parametrize("size", [None, 3, 100])
def test_what_was_read_of_a_damaged_log_is_kept_before_the_damage_is_told(
    size: int | None,
) -> None:
    counts, found = ImportCounts(), []
    kept = take(damaged(), population=Population(), counts=counts, sample_size=size)
    with pytest.raises(InputError, match="damaged"):
        found.extend(kept)
    assert len(found) == counts.kept == (size if size == 3 else 10)
    assert counts.seen == 10


def test_filters_come_before_sampling_and_all_is_counted() -> None:
    def of(team: str, number: int, exclusion: Exclusion | None) -> TrafficRequest:
        text = None if exclusion else "Hi"
        return TrafficRequest("litellm", f"{team}{number}", text, exclusion, team=team)

    requests = [
        of(team, number, Exclusion.REDACTED if number % 2 else None)
        for team in ("search", "ads")
        for number in range(30)
    ]
    counts = ImportCounts()
    population = Population(where=(parse_condition("team=search"),))
    kept = list(take(requests, population=population, counts=counts, sample_size=20))
    assert {found.team for found in kept} == {"search"}
    assert (counts.filtered, counts.seen, counts.kept, counts.undated) == (30, 30, 20, 60)
    assert counts.excluded == Counter(found.exclusion for found in kept if found.exclusion)
