import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from routectl.evaluation.strata import (
    allocation,
    draw_by_priority,
    draw_by_strata,
    merged,
    remaining,
    strata_of,
)

populations = st.lists(
    st.tuples(st.integers(0, 20), st.integers(1, 50), st.floats(0.001, 0.999)),
    min_size=2,
    max_size=80,
).map(lambda rows: np.array(rows, dtype=float).T)


def traffic(n: int, seed: int = 0) -> tuple[NDArray[np.float64], ...]:
    """Scores, requests with a heavy tail, and luck."""
    generator = np.random.default_rng(seed)
    requests = np.floor(np.minimum(generator.random(n) ** -0.8, 200.0))
    return generator.random(n), requests, generator.random(n)


def test_strata_hold_equally_many_requests_not_prompts() -> None:
    # The first two prompts are half of the requests.
    strata = strata_of(np.arange(8.0), np.array([4.0, 4, 1, 1, 1, 1, 1, 3]), 2)
    assert strata.tolist() == [0, 0, 1, 1, 1, 1, 1, 1]
    even = strata_of(np.arange(8.0), np.ones(8), 4)
    assert even.tolist() == [0, 0, 1, 1, 2, 2, 3, 3]


def test_a_stratum_of_one_prompt_joins_its_neighbour() -> None:
    assert strata_of(np.arange(4.0), np.array([10.0, 1, 1, 1]), 2).tolist() == [0, 0, 0, 0]
    assert merged(np.array([0, 1, 1, 2])).tolist() == [0, 0, 0, 0]
    assert merged(np.array([0, 0, 1, 2, 2])).tolist() == [0, 0, 1, 1, 1]


@given(populations, st.integers(1, 12))
def test_equal_scores_share_a_stratum_and_none_is_of_one_prompt(
    rows: NDArray[np.float64], count: int
) -> None:
    scores, requests, _ = rows
    strata = strata_of(scores, requests, count)
    numbers, sizes = np.unique(strata, return_counts=True)
    assert numbers.tolist() == list(range(len(numbers)))
    assert len(numbers) <= count
    assert (sizes >= 2).all()
    order = np.argsort(scores)
    assert (np.diff(strata[order]) >= 0).all()
    for score in np.unique(scores):
        assert len(set(strata[scores == score])) == 1


def test_prompts_are_allotted_in_proportion_to_requests_within_what_there_is() -> None:
    assert allocation([100, 100, 200], [50, 50, 50], 40) == [10, 10, 20]
    # Two at least, all where there are few.
    assert allocation([1, 1000], [50, 50], 20) == [2, 18]
    assert allocation([500, 500], [3, 50], 20) == [3, 17]
    assert allocation([1, 2], [4, 5], 9) == [4, 5]


@given(
    st.lists(st.tuples(st.floats(1, 1e6), st.integers(2, 30)), min_size=1, max_size=10), st.data()
)
def test_a_larger_sample_never_allots_fewer(
    strata: list[tuple[float, int]], data: st.DataObject
) -> None:
    totals, prompts = map(list, zip(*strata, strict=True))
    size = data.draw(st.integers(1, sum(prompts)))
    smaller = data.draw(st.integers(1, size))
    found = allocation(totals, prompts, size)
    assert sum(found) == size
    fewer = allocation(totals, prompts, smaller)
    assert all(few <= many for few, many in zip(fewer, found, strict=True))
    assert all(taken <= there for taken, there in zip(found, prompts, strict=True))


def test_five_prompts_drawn_by_priority_by_hand() -> None:
    # r / u is 20, 10, 4, 12.5, 2: the first two and the limit 10.
    requests, luck = np.array([10.0, 5, 2, 5, 1]), np.array([0.5, 0.5, 0.5, 0.4, 0.5])
    rows, weights = draw_by_priority(requests, luck, 2)
    assert rows.tolist() == [0, 3]
    # The first is drawn for certain and counts as itself, the second stands for all others.
    assert weights.tolist() == [10, 13]
    rows, weights = draw_by_priority(requests, luck, 5)
    assert sorted(rows.tolist()) == [0, 1, 2, 3, 4]
    assert weights.tolist() == requests[rows].tolist()


@given(populations, st.data())
def test_what_is_drawn_stands_for_all_requests_of_its_stratum(
    rows: NDArray[np.float64], data: st.DataObject
) -> None:
    scores, requests, luck = rows
    size = data.draw(st.integers(1, len(scores)))
    drawn = draw_by_strata(scores, requests, luck, size)
    assert len(set(drawn.rows.tolist())) == size
    assert (drawn.weights > 0).all()
    assert drawn.weights.sum() == pytest.approx(requests.sum())
    if size == len(scores):
        assert drawn.weights == pytest.approx(requests[drawn.rows])


def test_drawn_prompts_estimate_sums_over_requests_without_bias() -> None:
    scores, requests, _ = traffic(300)
    wanted = requests * (scores > 0.4) * np.sin(9 * scores) ** 2
    generator = np.random.default_rng(1)
    estimates = []
    for _ in range(2000):
        drawn = draw_by_strata(scores, requests, generator.random(300), 40)
        each = drawn.weights / requests[drawn.rows]
        estimates.append((each * wanted[drawn.rows]).sum())
    error = np.std(estimates) / np.sqrt(2000)
    assert abs(np.mean(estimates) - wanted.sum()) < 4 * error + 0.01 * wanted.sum()


def kept(smaller: int, larger: int, seed: int) -> float:
    """The share of a smaller sample that a larger one holds."""
    population = traffic(1000, seed)
    few, many = (set(draw_by_strata(*population, size).rows.tolist()) for size in (smaller, larger))
    return len(few & many) / smaller


@pytest.mark.parametrize(("smaller", "larger"), [(100, 101), (100, 300), (150, 700), (40, 49)])
def test_a_larger_sample_of_as_many_strata_keeps_all_of_a_smaller_one(
    smaller: int, larger: int
) -> None:
    assert all(kept(smaller, larger, seed) == 1 for seed in range(20))


@pytest.mark.parametrize(("smaller", "larger"), [(20, 300), (90, 300), (50, 100)])
def test_a_larger_sample_of_more_strata_keeps_most_of_a_smaller_one(
    smaller: int, larger: int
) -> None:
    assert np.mean([kept(smaller, larger, seed) for seed in range(20)]) > 0.9


def test_every_beginning_of_a_draw_is_spread_over_the_strata() -> None:
    drawn = draw_by_strata(*traffic(1000), 200)
    assert sorted(set(drawn.strata[:10].tolist())) == list(range(10))


def test_rows_that_are_kept_stand_for_those_that_are_not() -> None:
    weights = np.array([1.0, 3, 2, 2, 5, 5])
    strata = np.array([0, 0, 1, 1, 2, 2])
    kept = np.array([True, True, True, False, True, True])
    # One row is left of the second stratum, so it joins the third: 7 + 5 stand for 14.
    found, joined = remaining(weights, strata, kept)
    assert joined.tolist() == [0, 0, 1, 1, 1]
    assert found == pytest.approx([1, 3, 2 * 14 / 12, 5 * 14 / 12, 5 * 14 / 12])
    all_, same = remaining(weights, strata, np.ones(6, dtype=bool))
    assert (all_.tolist(), same.tolist()) == (weights.tolist(), strata.tolist())


@given(populations, st.data())
def test_lost_rows_leave_all_requests_accounted_for(
    rows: NDArray[np.float64], data: st.DataObject
) -> None:
    drawn = draw_by_strata(*rows, rows.shape[1])
    n = len(drawn.rows)
    kept = np.array(data.draw(st.lists(st.booleans(), min_size=n, max_size=n)))
    kept[0] = True
    weights, strata = remaining(drawn.weights, drawn.strata, kept)
    assert len(weights) == len(strata) == kept.sum()
    assert weights.sum() == pytest.approx(drawn.weights.sum())
    if kept.sum() >= 2:
        assert (np.unique(strata, return_counts=True)[1] >= 2).all()
