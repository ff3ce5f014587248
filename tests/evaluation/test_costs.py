"""What routing costs, and what it saves."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from routectl.errors import InputError, UsageError
from routectl.evaluation.benchmark import JudgedPair
from routectl.evaluation.costs import (
    AnswerCosts,
    answer_costs,
    expense_at,
    expense_at_cpt,
    expense_at_threshold,
)
from routectl.evaluation.metrics import quality_curve
from routectl.prices import parse_prices
from routectl.records import ModelPair

PRICES = parse_prices(["big=10/30", "small=1/2"])

# By falling score: gains 1 0 1 0 0, and the first prompt is a dear one.
SCORES = np.array([0.9, 0.1, 0.5, 0.7, 0.3])
STRONG, WEAK = np.array([1.0, 1, 1, 0, 1]), np.array([0.0, 1, 0, 0, 1])
COSTS = AnswerCosts(
    np.array([0.10, 0.02, 0.02, 0.04, 0.02]), np.array([0.01, 0, 0, 0, 0]), None, None
)
CURVE = quality_curve(SCORES, STRONG, WEAK, costs=COSTS.both)


def priced(scores, strong_cost, weak_cost, weights=None):
    """A curve that is only asked for costs."""
    ones = np.ones(len(scores))
    return quality_curve(scores, ones, ones, weights, costs=(strong_cost, weak_cost))


def judged(**given: object) -> JudgedPair:
    columns = {
        "benchmark": "own",
        "pair": ModelPair("big", "small"),
        "prompts": ("abcd", "abcde", ""),
        "strong_quality": np.ones(3),
        "weak_quality": np.zeros(3),
    }
    return JudgedPair(**(columns | given))


def test_five_prompts_by_hand() -> None:
    # Always weak costs 0.01 for all five; then 0.09, 0.04, 0.02, 0.02, 0.02 more.
    assert CURVE.strong_fraction == pytest.approx([0, 0.2, 0.4, 0.6, 0.8, 1])
    assert CURVE.cost * 5 == pytest.approx([0.01, 0.10, 0.14, 0.16, 0.18, 0.20])
    assert expense_at(CURVE, 0.3).per_1000 == pytest.approx(120 / 5)
    # CPT(50%) is 20 % of the requests, and half the bill.
    half = expense_at_cpt(CURVE, 0.5)
    assert half is not None
    assert half.strong_fraction == pytest.approx(0.2)
    assert half.per_1000 == pytest.approx(20)
    assert half.saving == pytest.approx(2)
    # CPT(80%) is 0.52: 0.14 and 0.6 of the way to 0.16.
    most = expense_at_cpt(CURVE, 0.8)
    assert most is not None
    assert most.per_1000 == pytest.approx(200 * (0.14 + 0.6 * 0.02))
    assert expense_at_cpt(CURVE, 1.01) is None


def test_a_threshold_costs_what_its_rows_cost() -> None:
    found = expense_at_threshold(CURVE, "0.5")
    assert found.strong_fraction == pytest.approx(0.6)
    assert found.per_1000 == pytest.approx(1000 * 0.16 / 5)
    assert found.saving == pytest.approx(0.20 / 0.16)
    # The row that stands for three requests costs three times.
    weighted = expense_at_threshold(priced(SCORES, *COSTS.both, [1, 1, 1, 3, 1]), "0.5")
    assert weighted.strong_fraction == pytest.approx(5 / 7)
    assert weighted.per_1000 == pytest.approx(1000 * (0.16 + 2 * 0.04) / 7)
    assert weighted.saving == pytest.approx((0.20 + 2 * 0.04) / (0.16 + 2 * 0.04))


def test_a_saving_is_below_1_where_the_strong_model_is_the_cheaper_one() -> None:
    turned = priced(SCORES, COSTS.weak, COSTS.strong)
    assert expense_at(turned, 0.0).saving == pytest.approx(0.05)


def test_what_costs_nothing_saves_no_number() -> None:
    free = priced(SCORES, np.ones(5), np.zeros(5))
    assert expense_at(free, 0.0).saving is None
    assert expense_at(free, 0.5).saving == pytest.approx(2)


def test_no_strong_fraction_lies_outside_0_to_1() -> None:
    for fraction in (-0.1, 1.1, math.nan):
        with pytest.raises(InputError, match="between 0 and 1"):
            expense_at(CURVE, fraction)


def test_without_costs_in_the_benchmark_prices_and_lengths_make_them() -> None:
    found = answer_costs(judged(), PRICES, 100)
    # 1, 2 and 0 tokens in, 100 out.
    assert found.strong * 1e6 == pytest.approx([3010, 3020, 3000])
    assert found.weak * 1e6 == pytest.approx([201, 202, 200])
    assert (found.prices, found.answer_tokens) == ((PRICES["big"], PRICES["small"]), 100)
    assert answer_costs(judged(), PRICES).answer_tokens == 300


def test_the_benchmark_s_own_costs_go_before_list_prices_and_behind_own_ones() -> None:
    costs = {"strong_cost": np.array([1.0, 2, 3]), "weak_cost": np.zeros(3)}
    own = answer_costs(judged(**costs), parse_prices(["other=1/1"]))
    assert (own.strong.tolist(), own.weak.tolist()) == ([1, 2, 3], [0, 0, 0])
    assert (own.prices, own.answer_tokens) == (None, None)
    # One price of one's own, and neither model is taken from the benchmark.
    with pytest.raises(UsageError, match=r"no price is known for small: .*--price small=IN/OUT"):
        answer_costs(judged(**costs), parse_prices(["big=10/30"]))
    assert answer_costs(judged(**costs), PRICES).prices is not None


@pytest.mark.parametrize("bad", [-1.0, math.nan, math.inf])
def test_a_cost_of_the_benchmark_that_is_none_is_named(bad: float) -> None:
    costs = {"strong_cost": np.ones(3), "weak_cost": np.array([0, bad, 1])}
    with pytest.raises(InputError, match=r"costs of small, 1 of 3 are no US dollars, .* row 2"):
        answer_costs(judged(**costs), {})


rows = st.lists(
    st.tuples(st.integers(0, 4), st.integers(0, 100), st.integers(0, 100), st.integers(1, 5)),
    min_size=1,
    max_size=30,
).map(lambda found: np.array(found, dtype=float).T)


@given(rows)
def test_every_cut_costs_what_its_threshold_costs(drawn) -> None:
    scores, strong, weak, weights = drawn
    curve = priced(scores, strong, weak, weights)
    for score in scores:
        at = expense_at_threshold(curve, str(score))
        spent = np.where(scores >= score, strong, weak)
        assert at.per_1000 == pytest.approx(1000 * np.average(spent, weights=weights))
        assert expense_at(curve, at.strong_fraction).per_1000 == pytest.approx(at.per_1000)
    assert curve.cost[0] == pytest.approx(np.average(weak, weights=weights))
    assert curve.cost[-1] == pytest.approx(np.average(strong, weights=weights))


@given(rows, st.floats(0, 1))
def test_equal_scores_cost_what_chance_costs(drawn, fraction) -> None:
    _, strong, weak, weights = drawn
    curve = priced(np.zeros(len(strong)), strong, weak, weights)
    by_chance = fraction * curve.cost[-1] + (1 - fraction) * curve.cost[0]
    assert expense_at(curve, fraction).per_1000 == pytest.approx(1000 * by_chance)


@given(rows)
def test_rows_that_stand_for_several_requests_cost_as_if_they_were_repeated(drawn) -> None:
    scores, strong, weak, weights = drawn
    repeated = [np.repeat(values, weights.astype(int)) for values in (scores, strong, weak)]
    ours, theirs = priced(scores, strong, weak, weights), priced(*repeated)
    assert ours.strong_fraction == pytest.approx(theirs.strong_fraction)
    assert ours.cost == pytest.approx(theirs.cost)
