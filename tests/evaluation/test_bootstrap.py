import math
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from routectl.errors import InputError
from routectl.evaluation.bootstrap import (
    Estimate,
    apgr_interval,
    better_than_random,
    bootstrap,
)
from routectl.evaluation.metrics import (
    APGR,
    AUC,
    GAP,
    Metric,
    apgr,
    cpt_at,
    pgr_at,
    quality_curve,
)

METRICS = (AUC, GAP, APGR, pgr_at(0.3), cpt_at(0.5), cpt_at(1.2))

rows = st.lists(
    st.tuples(st.integers(0, 4), st.integers(0, 4), st.integers(0, 3)), min_size=1, max_size=12
).map(lambda found: np.array(found, dtype=float).T)


def plain(
    metric: Metric,
    scores: NDArray[np.float64],
    strong: NDArray[np.float64],
    weak: NDArray[np.float64],
    weights: NDArray[np.float64] | None = None,
) -> float:
    """The figure of drawn prompts, by the way that a person would write it."""
    curve = quality_curve(scores, strong, weak, weights)
    if metric not in (AUC, GAP) and not curve.gap > 0:
        return math.nan
    value = metric.of(curve)
    return math.inf if value is None else value


@pytest.mark.slow
@given(rows, st.integers(0, 5))
@settings(deadline=None, max_examples=150)
def test_every_draw_has_the_figures_of_its_prompts(found: NDArray[np.float64], seed: int) -> None:
    strong, weak, scores = found
    n, draws = len(scores), 20
    drawn = bootstrap(
        {"a": scores, "b": -scores}, strong, weak, metrics=METRICS, draws=draws, seed=seed
    ).drawn
    prompts = np.random.default_rng(seed).integers(0, n, (draws, n))
    for metric in METRICS:
        for name, sign in (("a", 1), ("b", -1)):
            expected = [plain(metric, sign * scores[r], strong[r], weak[r]) for r in prompts]
            assert drawn[name, metric] == pytest.approx(expected, nan_ok=True, abs=1e-8)


def sample(n: int, seed: int = 0) -> tuple[NDArray[np.float64], ...]:
    """Scores, and qualities of two models of which the strong one is mostly the better."""
    generator = np.random.default_rng(seed)
    weak = (generator.random(n) < 0.6).astype(float)
    return generator.normal(size=n) - weak, (generator.random(n) < 0.9).astype(float), weak


def test_a_large_sample_in_chunks_has_the_same_draws_as_a_plain_loop() -> None:
    scores, strong, weak = sample(5000)
    drawn = bootstrap({"a": scores}, strong, weak, metrics=METRICS, draws=500, seed=3).drawn
    generator = np.random.default_rng(3)
    for draw in range(500):
        r = generator.integers(0, 5000, 5000)
        if draw % 100 == 99:
            for metric in METRICS:
                expected = plain(metric, scores[r], strong[r], weak[r])
                assert drawn["a", metric][draw] == pytest.approx(expected, abs=1e-9)


def test_the_same_seed_gives_the_same_draws_whatever_else_is_asked() -> None:
    scores, strong, weak = sample(50)
    alone = bootstrap({"a": scores}, strong, weak, metrics=(APGR,), draws=50, seed=7)
    among = bootstrap({"b": -scores, "a": scores}, strong, weak, draws=50, seed=7)
    other = bootstrap({"a": scores}, strong, weak, metrics=(APGR,), draws=50, seed=8)
    assert alone.drawn["a", APGR].tolist() == among.drawn["a", APGR].tolist()
    assert alone.drawn["a", APGR].tolist() != other.drawn["a", APGR].tolist()


def test_the_interval_holds_the_estimate_and_narrows_with_more_prompts() -> None:
    widths = []
    for n in (100, 1600):
        scores, strong, weak = sample(n)
        low, high = apgr_interval(scores, strong, weak, draws=300)
        assert low < apgr(quality_curve(scores, strong, weak)) < high
        widths.append(high - low)
    assert 2.5 < widths[0] / widths[1] < 6.5


def test_a_clearly_better_router_is_better_on_every_figure() -> None:
    scores, strong, weak = sample(2000)
    luck = np.random.default_rng(1).random(2000)
    found = bootstrap({"good": scores, "luck": luck}, strong, weak, draws=300)
    for metric in (APGR, AUC, cpt_at(0.5), cpt_at(0.8)):
        assert found.compare("good", "luck", metric).verdict == "better"
        assert found.compare("luck", "good", metric).verdict == "worse"


def test_a_router_is_neither_better_nor_worse_than_itself() -> None:
    scores, strong, weak = sample(200)
    found = bootstrap({"a": scores, "b": 2 * scores}, strong, weak, draws=100)
    for metric in (APGR, cpt_at(0.5)):
        compared = found.compare("a", "b", metric)
        assert (compared.low, compared.high, compared.verdict) == (0, 0, "can't tell")


def test_the_difference_is_surer_than_the_figures_because_the_prompts_are_the_same() -> None:
    scores, strong, weak = sample(1000)
    near = scores + np.random.default_rng(2).normal(scale=0.2, size=1000)
    found = bootstrap({"a": scores, "b": near}, strong, weak, draws=300)
    one, both = found.estimate("a", APGR), found.compare("a", "b")
    assert both.high - both.low < (one.high - one.low) / 2


def test_a_cpt_that_some_draws_never_reach_has_no_upper_end() -> None:
    # Ten prompts; one tenth more than always-strong hangs on the last one, a loss.
    strong, weak = np.ones(10), np.array([0.0] * 9 + [2.0])
    scores = np.arange(10.0, 0.0, -1.0)
    found = bootstrap({"a": scores, "b": scores}, strong, weak, metrics=(cpt_at(1.1),), draws=500)
    estimate = found.estimate("a", cpt_at(1.1))
    assert estimate.value is not None
    assert math.isfinite(estimate.low)
    assert estimate.high == math.inf
    # Where neither router reaches it, neither is the better one.
    compared = found.compare("a", "b", cpt_at(1.1))
    assert (compared.low, compared.high, compared.verdict) == (0, 0, "can't tell")


def test_prompts_that_do_not_even_show_a_gap_leave_the_figure_open() -> None:
    strong, weak = np.array([1.0, 1, 0, 1]), np.array([1.0, 0, 1, 0])
    found = bootstrap({"a": np.arange(4.0), "b": -np.arange(4.0)}, strong, weak)
    estimate = found.estimate("a", APGR)
    assert (estimate.low, estimate.high) == (-math.inf, math.inf)
    assert found.compare("a", "b").verdict == "can't tell"
    # The quality itself needs no gap.
    assert math.isfinite(found.estimate("a", AUC).high)


def test_a_weak_model_that_is_the_better_one_is_said() -> None:
    scores, strong, weak = sample(100)
    with pytest.raises(InputError, match="no better than the weak one"):
        apgr_interval(scores, weak, strong)


def test_a_bootstrap_asks_for_what_exists() -> None:
    scores, strong, weak = sample(10)
    with pytest.raises(InputError, match="at least one draw"):
        bootstrap({"a": scores}, strong, weak, draws=0)
    with pytest.raises(InputError, match="confidence"):
        apgr_interval(scores, strong, weak, confidence=95)


@pytest.mark.slow
def test_a_thousand_draws_of_fourteen_thousand_prompts_take_seconds() -> None:
    scores, strong, weak = sample(14_000)
    started = time.process_time()
    bootstrap({"a": scores, "b": -scores, "c": scores}, strong, weak, draws=1000)
    assert time.process_time() - started < 20


def test_the_interval_covers_the_truth_about_as_often_as_it_says() -> None:
    generator = np.random.default_rng(1)
    covered = 0
    for _ in range(200):
        weak = (generator.random(200) < 0.5).astype(float)
        # Scores that know nothing: the truth is one half.
        low, high = apgr_interval(generator.random(200), np.ones(200), weak, draws=200)
        covered += low <= 0.5 <= high
    assert 180 <= covered <= 199


@given(rows, st.integers(0, 5), st.data())
@settings(deadline=None, max_examples=40)
def test_every_weighted_draw_takes_as_many_rows_of_each_stratum_as_it_has(
    found: NDArray[np.float64], seed: int, data: st.DataObject
) -> None:
    strong, weak, scores = found
    n, draws = len(scores), 20
    many = {"min_size": n, "max_size": n}
    weights = np.array(data.draw(st.lists(st.integers(1, 5), **many)), dtype=float)
    strata = np.array(data.draw(st.lists(st.integers(-1, 2), **many)))
    drawn = bootstrap(
        {"a": scores},
        strong,
        weak,
        weights=weights,
        strata=strata,
        metrics=METRICS,
        draws=draws,
        seed=seed,
    ).drawn
    # The rows of each stratum, in their order, stand one stratum after another.
    members = [np.flatnonzero(strata == number) for number in np.unique(strata)]
    generator = np.random.default_rng(seed)
    sizes = np.concatenate([np.full(len(rows), len(rows)) for rows in members])
    for draw in range(draws):
        places = np.split(generator.integers(0, sizes), np.cumsum([len(m) for m in members])[:-1])
        r = np.concatenate([rows[at] for rows, at in zip(members, places, strict=True)])
        for metric in METRICS:
            expected = plain(metric, scores[r], strong[r], weak[r], weights[r])
            assert drawn["a", metric][draw] == pytest.approx(expected, nan_ok=True, abs=1e-8)


def test_equal_weights_give_the_draws_that_no_weights_give() -> None:
    scores, strong, weak = sample(50)
    plainly = bootstrap({"a": scores}, strong, weak, metrics=METRICS, draws=50)
    weighted = bootstrap(
        {"a": scores}, strong, weak, weights=np.full(50, 0.3), metrics=METRICS, draws=50
    )
    for metric in METRICS:
        assert weighted.drawn["a", metric] == pytest.approx(plainly.drawn["a", metric])


def test_rows_alone_in_their_strata_leave_nothing_to_chance() -> None:
    scores, strong, weak = sample(20)
    found = bootstrap({"a": scores}, strong, weak, strata=np.arange(20), draws=30)
    assert set(found.drawn["a", APGR].round(12)) == {round(apgr(found.curves["a"]), 12)}


def test_strata_that_part_easy_from_hard_prompts_narrow_the_gap() -> None:
    generator = np.random.default_rng(0)
    hard = np.repeat([0, 1], 200)
    weak = (generator.random(400) < np.where(hard, 0.1, 0.95)).astype(float)
    widths = []
    for strata in (None, hard):
        found = bootstrap(
            {"a": hard}, np.ones(400), weak, strata=strata, metrics=(GAP,), draws=400
        ).estimate("a", GAP)
        widths.append(found.high - found.low)
    assert widths[1] < 0.7 * widths[0]


def test_five_rows_in_two_strata_by_hand() -> None:
    # Gains 1 0 | 1 0 0 with weights 3 3 | 2 1 1: the first stratum's gain is 6, 3 or 0, with the
    # chances 1/4, 1/2, 1/4; no draw of ten weighs otherwise than its rows.
    strong, weak = np.array([1.0, 0, 1, 0, 1]), np.array([0.0, 0, 0, 0, 1])
    found = bootstrap(
        {"a": [5, 4, 3, 2, 1]},
        strong,
        weak,
        weights=[3, 3, 2, 1, 1],
        strata=[0, 0, 1, 1, 1],
        metrics=(GAP,),
        draws=4000,
    )
    assert found.curves["a"].gap == pytest.approx(0.5)
    # The second stratum's k of three rows that gain weigh 2 each, the others 1.
    possible = {(first + 2 * k) / (6 + 3 + k) for first in (0, 3, 6) for k in range(4)}
    gaps = found.drawn["a", GAP]
    assert {round(gap, 9) for gap in gaps} == {round(gap, 9) for gap in possible}
    # Both extremes: a quarter, times the 8/27 and 1/27 of k = 0 and k = 3.
    assert np.mean(gaps == 0) == pytest.approx(2 / 27, abs=0.02)
    assert np.mean(gaps == 1) == pytest.approx(1 / 108, abs=0.01)


@pytest.mark.parametrize(
    ("low", "high", "answer"),
    [
        (0.51, 0.7, "yes"),
        (0.5, 0.7, "can't tell"),
        (0.3, 0.6, "can't tell"),
        (0.3, 0.5, "can't tell"),
        (0.3, 0.49, "no"),
        (-math.inf, math.inf, "can't tell"),
    ],
)
def test_better_than_random_is_said_where_the_whole_interval_is(
    low: float, high: float, answer: str
) -> None:
    assert better_than_random(Estimate(0.5, low, high)) == answer


def test_strata_of_another_shape_are_refused() -> None:
    scores, strong, weak = sample(10)
    with pytest.raises(InputError, match=r"10 scores, and strata of the shape \(3,\)"):
        bootstrap({"a": scores}, strong, weak, strata=[1, 2, 3])
