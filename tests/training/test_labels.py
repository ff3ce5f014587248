"""What a prompt's comparisons say to a router that knows only strong and weak."""

import numpy as np
import pytest

from routectl.errors import InputError
from routectl.preferences.comparisons import make_comparisons
from routectl.preferences.gold import GoldRow
from routectl.records import Battle, ModelPair
from routectl.training.labels import strong_weak_labels, task_intercepts, with_graded_scores

# The best, its near equal, one in the middle, the worst; each of 100 prompts asked of all four.
RIGHT_UP_TO = {"best": 95, "near": 93, "middle": 55, "worst": 5}
GOLD = [
    GoldRow(f"prompt {n}", {name: float(n < last) for name, last in RIGHT_UP_TO.items()})
    for n in range(100)
]
PAIR = ModelPair("best", "worst")


def test_models_beside_the_pairs_count_with_them_and_the_middle_teaches_neither() -> None:
    labels = strong_weak_labels(make_comparisons([], GOLD), PAIR)
    assert labels.strong_models == ("best", "near")
    assert labels.weak_models == ("worst",)
    assert len(labels) == 100


def test_a_prompts_row_is_how_often_strong_beat_weak() -> None:
    comparisons = make_comparisons([], GOLD)
    labels = strong_weak_labels(comparisons, PAIR)
    by_prompt = dict(
        zip([comparisons.prompts[row] for row in labels.prompt], labels.outcome, strict=True)
    )
    assert by_prompt["prompt 0"].tolist() == [0, 1, 0]  # all are right
    assert by_prompt["prompt 50"].tolist() == [1, 0, 0]  # only the strong ones are
    assert by_prompt["prompt 94"].tolist() == [0.5, 0.5, 0]  # the best one is
    assert by_prompt["prompt 99"].tolist() == [0, 1, 0]  # none is


def test_a_weak_models_win_is_one_from_either_side_of_the_battle() -> None:
    battles = [Battle(f"p{n}", "best", "worst", "model_a") for n in range(3)]
    battles += [Battle("upset", "best", "worst", "model_b")]
    battles += [Battle("other way", "worst", "best", "model_a")]
    labels = strong_weak_labels(make_comparisons(battles, []), PAIR)
    assert labels.outcome.tolist() == [[1, 0, 0]] * 3 + [[0, 0, 1]] * 2


def test_a_win_by_some_of_the_marks_is_that_share_of_a_win_and_else_a_tie() -> None:
    rows = [
        GoldRow("clear", {"best": 10, "worst": 1}),
        GoldRow("close", {"best": 9, "worst": 7}),
        GoldRow("upset", {"best": 4, "worst": 5.5}),
    ]
    labels = strong_weak_labels(make_comparisons([], rows), PAIR)
    assert labels.outcome == pytest.approx(
        np.array([[1, 0, 0], [2 / 9, 7 / 9, 0], [0, 5 / 6, 1 / 6]])
    )


def test_a_data_set_without_the_strong_class_teaches_by_the_models_that_lie_as_far_apart() -> None:
    # Another data set asked only the middle and the worst, and a model that is hardly better.
    rows = [
        GoldRow(f"else {n}", {"middle": float(n < 60), "worst": 0.0, "bad": float(n == 0)})
        for n in range(100)
    ]
    comparisons = make_comparisons([], [*GOLD, *rows])
    labels = strong_weak_labels(comparisons, PAIR)
    assert len(labels) == 200
    by_prompt = dict(
        zip([comparisons.prompts[row] for row in labels.prompt], labels.outcome, strict=True)
    )
    assert by_prompt["else 1"].tolist() == [1, 0, 0]
    assert by_prompt["else 99"].tolist() == [0, 1, 0]
    assert by_prompt["prompt 50"].tolist() == [1, 0, 0]
    assert "middle" not in (*labels.strong_models, *labels.weak_models)


def test_labels_of_some_prompts_are_theirs_alone() -> None:
    labels = strong_weak_labels(make_comparisons([], GOLD), PAIR)
    wanted = np.zeros(100, dtype=np.bool_)
    wanted[[3, 50]] = True
    assert labels.of_prompts(wanted).prompt.tolist() == [3, 50]


def test_a_pair_the_wrong_way_round_is_said() -> None:
    with pytest.raises(InputError, match="worst is rated no higher than best"):
        strong_weak_labels(make_comparisons([], GOLD), ModelPair("worst", "best"))


def test_two_wrong_answers_are_no_sign_that_the_weak_model_was_good_enough() -> None:
    tie = np.array([[0, 1, 0], [0, 1, 0], [1, 0, 0]], dtype=np.float32)
    marks = np.array([0, 0.75, np.nan], dtype=np.float32)
    shares = with_graded_scores(tie, marks, won=0, lost=1)
    assert shares.tolist() == [[1, 0, 0], [0.25, 0.75, 0], [1, 0, 0]]
    assert tie[0].tolist() == [0, 1, 0]  # what was handed in stays


def test_a_level_is_what_a_tasks_prompts_have_in_common() -> None:
    shares = np.repeat([[1, 0], [0, 1], [1, 0], [0, 1]], [900, 100, 300, 700], axis=0)
    task = np.repeat([4, 7], 1000).astype(np.int32)
    everything = np.ones(2000, dtype=np.bool_)
    task_intercept = task_intercepts(shares.astype(np.float32), task, everything)
    assert (task_intercept[task == 4] == task_intercept[0]).all()
    # Added to the log shares of all prompts, it gives those of the task.
    for one, share in ((4, 0.9), (7, 0.3)):
        logits = np.log([0.6, 0.4]) + task_intercept[task == one][0]
        assert np.exp(logits[0]) / np.exp(logits).sum() == pytest.approx(share, abs=0.01)


def test_one_task_alone_has_no_level_and_neither_has_an_unseen_or_tiny_one() -> None:
    shares = np.repeat([[1, 0], [0, 1]], [60, 41], axis=0).astype(np.float32)
    alone = task_intercepts(shares, np.zeros(101, dtype=np.int32), np.ones(101, dtype=np.bool_))
    assert np.abs(alone).max() < 1e-6
    task = np.repeat([1, 2], [100, 1]).astype(np.int32)
    assert not task_intercepts(shares, task, task == 1)[-1].any()
    tiny = task_intercepts(shares, task, np.ones(101, dtype=np.bool_))[-1]
    assert np.abs(tiny).max() < 0.2


def test_held_out_prompts_change_no_level() -> None:
    generator = np.random.default_rng(0)
    shares = generator.dirichlet((1, 1, 1), 200).astype(np.float32)
    task, learned = generator.integers(0, 3, 200).astype(np.int32), np.arange(200) < 150
    before = task_intercepts(shares, task, learned)
    shares[~learned] = [1, 0, 0]
    assert (task_intercepts(shares, task, learned) == before).all()
