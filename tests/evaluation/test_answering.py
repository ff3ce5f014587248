import math

import numpy as np
import pytest

from routectl.evaluation.answering import Answer, answers, prompts_needed
from routectl.evaluation.benchmark import JudgedPair
from routectl.evaluation.bootstrap import Estimate
from routectl.records import ModelPair


def answer(strong: list[float], scores: list[float], **changes: object) -> Answer:
    """What verdicts say: 1 where the strong model won, 0.5 for a tie."""
    quality = np.array(strong)
    judged = JudgedPair(
        benchmark="traffic",
        pair=ModelPair("big", "small"),
        prompts=("",) * len(quality),
        strong_quality=quality,
        weak_quality=1 - quality,
        **changes,
    )
    return answers({"it": scores}, judged, draws=300)["it"]


SCORES = np.linspace(1, 0, 100).tolist()


def test_a_router_that_knows_who_wins_is_better_and_its_reverse_is_worse() -> None:
    verdicts = [1.0] * 40 + [0.5] * 60
    good = answer(verdicts, SCORES)
    assert (good.better_than_random, good.gap_is, good.needed) == ("yes", "shown", None)
    assert good.figures["APGR"].value == pytest.approx(0.8)
    assert answer(verdicts, SCORES[::-1]).better_than_random == "no"


def test_a_router_that_knows_nothing_leaves_it_open_and_more_prompts_are_asked_for() -> None:
    verdicts = ([1.0] * 2 + [0.5] * 3) * 20
    open_ = answer(verdicts, SCORES)
    assert (open_.better_than_random, open_.gap_is) == ("can't tell", "shown")
    assert open_.needed > 100


def test_where_no_gap_is_shown_nothing_is_divided_by_it() -> None:
    even = answer([1.0, 0.0] * 50, SCORES)
    assert (even.better_than_random, even.gap_is) == ("can't tell", "not shown")
    assert even.figures["APGR"] is None
    assert even.figures["AUC"] is not None
    ties = answer([0.5] * 100, SCORES)
    assert (ties.gap_is, ties.gap.value, ties.needed) == ("not shown", 0, None)


def test_where_the_weak_model_is_the_better_one_the_answer_is_no() -> None:
    found = answer([0.0] * 40 + [0.5] * 60, SCORES)
    assert (found.better_than_random, found.gap_is) == ("no", "reversed")
    assert found.figures["APGR"] is None


def test_weights_can_turn_the_answer() -> None:
    verdicts = [1.0] * 30 + [0.5] * 40 + [0.0] * 10 + [1.0] * 20
    weights = np.array([1.0] * 80 + [20.0] * 20)
    assert answer(verdicts, SCORES).better_than_random == "yes"
    assert answer(verdicts, SCORES, weights=weights).better_than_random == "no"


@pytest.mark.parametrize(
    ("estimate", "rows", "needed"),
    [
        # The half width of 0.2 has to come down to 0.1: four times as many.
        (Estimate(0.6, 0.4, 0.9), 100, 400),
        (Estimate(0.4, 0.1, 0.7), 100, 900),
        (Estimate(0.53, 0.4, 0.6), 300, 5700),
        # An end on the very value asks for a little more.
        (Estimate(0.6, 0.5, 0.7), 50, 51),
        (Estimate(0.5, 0.4, 0.6), 100, None),
        (Estimate(0.6, -math.inf, math.inf), 100, None),
        (Estimate(None, 0.4, math.inf), 100, None),
    ],
)
def test_how_many_prompts_would_tell(estimate: Estimate, rows: int, needed: int | None) -> None:
    assert prompts_needed(estimate, 0.5, rows) == needed
