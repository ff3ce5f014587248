"""How sure a saving is."""

import math

import numpy as np
import pytest

from routectl.errors import InputError
from routectl.evaluation.benchmark import JudgedPair
from routectl.evaluation.bootstrap import Estimate, bootstrap
from routectl.evaluation.costs import AnswerCosts, expense_at_cpt
from routectl.evaluation.metrics import cpt_at, quality_curve
from routectl.evaluation.savings import savings, strong_calls_saving
from routectl.records import ModelPair


def benchmark(n: int, seed: int = 0, **given: object) -> tuple[JudgedPair, dict[str, np.ndarray]]:
    """Prompts of which the strong model answers more, and two routers that know a little of it."""
    rng = np.random.default_rng(seed)
    needed = rng.random(n)
    weak = (rng.random(n) > needed).astype(float)
    strong = (rng.random(n) > 0.3 * needed).astype(float)
    scores = {"fair": needed + rng.normal(0, 0.5, n), "ties": np.round(4 * rng.random(n))}
    pair = ModelPair("big", "small")
    return JudgedPair("own", pair, ("p",) * n, strong, weak, **given), scores


def constant(n: int, strong: float, weak: float) -> AnswerCosts:
    return AnswerCosts(np.full(n, strong), np.full(n, weak), None, None)


@pytest.mark.parametrize("weighted", [False, True])
def test_where_all_answers_cost_alike_the_interval_is_that_of_cpt(weighted: bool) -> None:
    n = 200
    rng = np.random.default_rng(1)
    given = (
        {"weights": rng.integers(1, 5, n) / 3, "strata": rng.integers(0, 3, n)} if weighted else {}
    )
    judged, scores = benchmark(n, **given)
    found = savings(scores, judged, constant(n, 10, 1), draws=300, seed=7)
    drawn = bootstrap(
        scores, judged.strong_quality, judged.weak_quality, draws=300, seed=7, **given
    )

    def saving(strong_fraction: float) -> float:
        return 10 / (1 + 9 * strong_fraction)

    for name in scores:
        for x in (0.5, 0.8):
            calls = drawn.estimate(name, cpt_at(x))
            assert calls.value is not None
            ours = found[name][x]
            assert ours.value == pytest.approx(saving(calls.value))
            assert ours.low == pytest.approx(saving(calls.high))
            assert ours.high == pytest.approx(saving(calls.low))


def test_the_interval_holds_the_saving_of_all_prompts_as_often_as_it_says() -> None:
    # A population of 4,000 prompts whose long ones cost more and need the strong model more.
    judged, scores = benchmark(4000, seed=3)
    rng = np.random.default_rng(4)
    strong = rng.lognormal(0, 0.7, 4000) * (1 + scores["fair"].clip(0))
    costs = AnswerCosts(strong, strong / 20, None, None)
    curve = quality_curve(
        scores["fair"], judged.strong_quality, judged.weak_quality, costs=costs.both
    )
    truth = expense_at_cpt(curve, 0.5)
    assert truth is not None
    assert truth.saving is not None
    held, runs = 0, 120
    for seed in range(runs):
        some = np.random.default_rng([5, seed]).integers(0, 4000, 300)
        part = AnswerCosts(costs.strong[some], costs.weak[some], None, None)
        one = savings(
            {"fair": scores["fair"][some]},
            judged.rows(some.tolist()),
            part,
            recovered=(0.5,),
            draws=200,
            seed=seed,
        )["fair"][0.5]
        held += one.low <= truth.saving <= one.high
    # 95 % of 120 are 114, less three standard deviations of 2.4.
    assert held >= 107


def test_better_than_always_strong_may_never_be_reached() -> None:
    judged, _ = benchmark(60)
    rising = {"rising": judged.strong_quality - judged.weak_quality}
    found = savings(rising, judged, constant(60, 2, 1), recovered=(1e3, 1.0), draws=50)
    assert found["rising"][1e3] == Estimate(None, 0.0, 0.0)
    assert found["rising"][1.0].value is not None


def test_a_saving_at_cpt_takes_a_gap() -> None:
    judged, scores = benchmark(60)
    worse = JudgedPair(
        "own", judged.pair, judged.prompts, judged.weak_quality, judged.strong_quality
    )
    with pytest.raises(InputError, match="no gap"):
        savings(scores, worse, constant(60, 2, 1), draws=10)
    # Two prompts: a quarter of the draws has only the one that shows no gap.
    small = JudgedPair("own", judged.pair, ("a", "b"), np.array([1.0, 0]), np.zeros(2))
    one = savings({"r": [1, 0]}, small, constant(2, 2, 1), recovered=(0.5,), draws=100)["r"][0.5]
    assert (one.low, one.high) == (-math.inf, math.inf)
    assert one.value == pytest.approx(2 / 1.25)


def test_no_draws_are_no_bootstrap() -> None:
    judged, scores = benchmark(10)
    with pytest.raises(InputError, match="at least one draw"):
        savings(scores, judged, constant(10, 2, 1), draws=0)


def test_strong_calls_are_counted_against_random_as_in_the_paper_s_table_6() -> None:
    # Its Table 1 has CPT(50%) 13.40 % and CPT(80%) 31.31 %: 3.66 and 2.49 with its own draws of
    # random (49.03 and 78.08 %), and a little more with random's expectation.
    half = strong_calls_saving(0.5, Estimate(0.1340, 0.10, 0.25))
    assert half.value == pytest.approx(3.73, abs=0.005)
    assert (half.low, half.high) == pytest.approx((2, 5))
    assert strong_calls_saving(0.4903, Estimate(0.1340, 0.1, 0.2)).value == pytest.approx(
        3.66, abs=0.005
    )
    never = strong_calls_saving(1.1, Estimate(None, 0.8, math.inf))
    assert (never.value, never.low, never.high) == (None, 0, pytest.approx(1.375))
    unknown = strong_calls_saving(0.5, Estimate(0.3, -math.inf, math.inf))
    assert (unknown.low, unknown.high) == (-math.inf, math.inf)
