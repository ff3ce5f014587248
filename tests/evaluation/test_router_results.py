import math

import numpy as np
import pytest

from routectl.errors import InputError
from routectl.evaluation.benchmark import JudgedPair
from routectl.evaluation.metrics import quality_curve
from routectl.evaluation.router_results import evaluate_routers, operating_point
from routectl.records import ModelPair


def judged(strong: object, weak: object) -> JudgedPair:
    strong, weak = np.asarray(strong, dtype=float), np.asarray(weak, dtype=float)
    return JudgedPair(
        "own", ModelPair("big", "small"), tuple(map(str, range(len(strong)))), strong, weak
    )


def easy_and_hard(n: int = 200) -> JudgedPair:
    """The strong model gains on the second half of the prompts alone."""
    return judged(np.ones(n), np.arange(n) < n // 2)


def test_a_router_that_knows_is_better_than_random_and_than_one_that_does_not() -> None:
    pair = easy_and_hard()
    luck = np.random.default_rng(1).random(len(pair))
    results = evaluate_routers({"good": np.arange(len(pair)), "luck": luck}, pair, draws=200)
    good, other = results.routers
    assert good.better_than["random"].verdict == "better"
    assert good.better_than["luck"].verdict == "better"
    assert other.better_than["good"].verdict == "worse"
    assert other.better_than["random"].verdict == "can't tell"


def test_a_router_that_is_backwards_is_worse_than_random() -> None:
    pair = easy_and_hard()
    result = evaluate_routers({"backwards": -np.arange(len(pair))}, pair, draws=200).routers[0]
    assert result.better_than["random"].verdict == "worse"


def test_random_is_its_exact_expectation() -> None:
    random = evaluate_routers({"a": np.arange(200)}, easy_and_hard(), draws=10).random
    values = {name: e.value for name, e in random.figures.items() if e is not None}
    assert values == pytest.approx({"APGR": 0.5, "CPT(50%)": 0.5, "CPT(80%)": 0.8, "AUC": 0.75})
    assert all(e is not None and e.low == e.high for e in random.figures.values())


def test_the_oracle_is_the_best_there_can_be() -> None:
    results = evaluate_routers(
        {"a": np.random.default_rng(0).random(200)}, easy_and_hard(), draws=10
    )
    apgr = results.oracle.figures["APGR"]
    assert apgr is not None
    assert apgr.value == pytest.approx(0.75)


def test_the_least_strong_fraction_for_a_quality() -> None:
    result = evaluate_routers(
        {"a": np.arange(200)}, easy_and_hard(), qualities=(0.75, 1.0, 1.5), draws=10
    ).routers[0]
    values = {quality: estimate.value for quality, estimate in result.fraction_for_quality.items()}
    assert values == pytest.approx({0.75: 0.25, 1.0: 0.5, 1.5: None})
    assert result.fraction_for_quality[0.75].low < 0.25 < result.fraction_for_quality[0.75].high
    assert result.fraction_for_quality[1.5].high == math.inf


def test_where_the_weak_model_is_the_better_one_nothing_is_divided_by() -> None:
    pair = judged([0, 0, 1, 0], [1, 1, 1, 1])
    results = evaluate_routers({"a": np.arange(4)}, pair, draws=20)
    assert results.gap < 0
    assert results.routers[0].better_than == {}
    assert results.routers[0].figures["APGR"] is None
    assert results.random.figures["CPT(50%)"] is None
    area = results.routers[0].figures["AUC"]
    assert area is not None
    # Qualities 1, 3/4, 3/4, 1/2, 1/4, from the highest score down.
    assert area.value == pytest.approx(0.65625)


def test_an_operating_point_is_what_the_threshold_does() -> None:
    point = operating_point(quality_curve([0.1, 0.4, 0.5, 0.9], [1, 1, 1, 1], [1, 0, 0, 0]), "0.5")
    assert (point.strong_fraction, point.quality) == (0.5, 0.75)
    assert point.gap_recovered == pytest.approx(2 / 3)
    assert operating_point(quality_curve([0.1, 0.4], [0, 0], [1, 1]), "0.2").gap_recovered is None


def test_a_router_cannot_have_a_baselines_name() -> None:
    with pytest.raises(InputError, match="oracle is a baseline"):
        evaluate_routers({"oracle": np.arange(200)}, easy_and_hard(), draws=10)
