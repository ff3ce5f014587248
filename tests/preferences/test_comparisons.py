from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from routectl.errors import InputError
from routectl.preferences.comparisons import (
    Comparisons,
    make_comparisons,
    ratings,
    read_comparisons,
)
from routectl.preferences.gold import GoldRow
from routectl.records import Battle, Condition


def as_rows(comparisons: Comparisons) -> list[tuple[str, str, str, float]]:
    models = comparisons.models
    arrays = (comparisons.prompt, comparisons.model_a, comparisons.model_b, comparisons.outcome)
    return [
        (comparisons.prompts[p], models[a], models[b], float(outcome))
        for p, a, b, outcome in zip(*arrays, strict=True)
    ]


def test_of_two_models_the_better_one_wins_and_equal_ones_tie() -> None:
    made = make_comparisons([], [GoldRow("q", {"x": 1.0, "y": 0.0, "z": 1.0})])
    assert as_rows(made) == [("q", "x", "y", 1.0), ("q", "x", "z", 0.5), ("q", "y", "z", 0.0)]


def test_a_win_by_a_few_marks_counts_less_than_one_by_all() -> None:
    rows = [
        GoldRow("q", {"x": 10.0, "y": 1.0, "z": 9.0}, "judged"),
        GoldRow("p", {"x": 3.0, "y": 3.0}, "judged"),
        GoldRow("r", {"x": 3.0, "y": 1.0}, "of three marks"),
    ]
    made = make_comparisons([], rows)
    assert as_rows(made) == [
        ("q", "x", "y", 1.0),
        ("q", "x", "z", pytest.approx(0.5 + 1 / 18)),
        ("q", "y", "z", pytest.approx(0.5 - 8 / 18)),
        ("p", "x", "y", 0.5),
        ("r", "x", "y", 1.0),
    ]
    short = made.vs_perfect
    assert short.outcome.tolist() == pytest.approx(
        [0.5, 1.0, 0.5 + 1 / 18, 0.5 + 7 / 18, 0.5 + 7 / 18, 0.5, 1.0]
    )


def test_a_task_in_which_all_answers_are_alike_is_all_ties() -> None:
    made = make_comparisons([], [GoldRow("q", {"x": 0.3, "y": 0.3}), GoldRow("p", {"x": 0.3})])
    assert made.outcome.tolist() == [0.5]
    assert set(made.vs_perfect.outcome.tolist()) == {0.5}


def test_rows_of_a_file_weigh_what_was_asked(tmp_path: Path) -> None:
    (tmp_path / "own.csv").write_text("prompt,x,y\nmine,1,0\n")
    (tmp_path / "public.csv").write_text("prompt,x,y,z\ntheirs,1,0,1\n")
    (tmp_path / "votes.csv").write_text("prompt,model_a,model_b,winner\nhers,x,y,model_a\n")
    own, votes = tmp_path / "own.csv", tmp_path / "votes.csv"
    made = read_comparisons([votes], [own, tmp_path / "public.csv"], weights={own: 10, votes: 0.5})
    of_prompts = dict(zip(made.prompts, np.bincount(made.prompt, made.weight), strict=True))
    assert of_prompts == pytest.approx({"hers": 0.5, "mine": 10, "theirs": 1})
    short = made.vs_perfect
    of_answers = np.bincount(short.prompt, short.weight, minlength=3)
    assert of_answers.tolist() == pytest.approx([0, 10, 1])


@given(st.lists(st.integers(2, 12), min_size=1, max_size=5))
def test_every_row_of_gold_labels_weighs_as_much_as_a_battle(models: list[int]) -> None:
    rows = [GoldRow(f"q{i}", {f"m{k}": k % 2 for k in range(m)}) for i, m in enumerate(models)]
    made = make_comparisons([Battle("battle", "m0", "m1", "tie")], rows)
    weights = np.bincount(made.prompt, made.weight)
    np.testing.assert_allclose(weights, 1, rtol=1e-5)


def test_battles_and_gold_labels_meet_on_one_prompt_under_one_name() -> None:
    battle = Battle("q", "gpt4_1106_preview", "llama-3.1-8b-instruct", "model_a")
    gold = GoldRow("q", {"gpt-4-1106-preview": 1.0, "Meta-Llama-3_1-8B-Instruct": 0.0})
    made = make_comparisons([battle], [gold])
    assert made.prompts == ("q",)
    assert made.models == ("gpt-4-1106-preview", "Meta-Llama-3.1-8B-Instruct")


def test_a_model_does_not_meet_itself() -> None:
    with pytest.raises(InputError, match="no row compares two models"):
        make_comparisons([Battle("q", "gpt4", "gpt-4", "tie")], [GoldRow("q", {"x": 1.0})])


def test_held_out_prompts_leave_with_all_of_their_comparisons() -> None:
    rows = [GoldRow(f"q{i}", {"x": 1.0, "y": 0.0, "z": 0.0}) for i in range(6)]
    made = make_comparisons([], rows)
    wanted = np.array([True, False, True, False, False, False])
    inside, outside = made.of_prompts(wanted), made.of_prompts(~wanted)
    assert set(inside.prompt) == {0, 2}
    assert set(outside.prompt) == {1, 3, 4, 5}
    assert len(inside) + len(outside) == len(made)


def test_two_models_that_win_three_to_one_are_a_known_rating_apart() -> None:
    battles = [Battle(f"q{i}", "x", "y", "model_a" if i < 300 else "model_b") for i in range(400)]
    rating = ratings(make_comparisons(battles, []))
    # log(3), a little less for the two games that each also has against a model of rating 0
    assert rating[0] - rating[1] == pytest.approx(np.log(3), abs=0.02)
    assert rating.sum() == pytest.approx(0)


def test_ratings_exist_where_a_model_lost_everything() -> None:
    rating = ratings(
        make_comparisons([Battle(f"q{i}", "x", "y", "model_a") for i in range(50)], [])
    )
    assert np.isfinite(rating).all()
    assert rating[0] > rating[1]


def test_a_condition_on_a_column_that_no_file_has_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "gold.csv"
    path.write_text("task,prompt,x,y\na,q,1,0\n")
    with pytest.raises(InputError, match="No file has the column 'tsak' of the condition tsak!=a"):
        read_comparisons([], [path], [Condition("tsak", "!=", "a")])


def test_conditions_that_leave_nothing_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "gold.csv"
    path.write_text("task,prompt,x,y\na,q,1,0\n")
    with pytest.raises(InputError, match="nothing to learn from"):
        read_comparisons([], [path], [Condition("task", "!=", "a")])


def test_a_model_falls_short_where_the_task_has_seen_a_better_score() -> None:
    rows = [
        GoldRow("p", {"x": 1.0, "y": 0.0}, "exam"),
        GoldRow("q", {"x": 7.0, "y": 9.0}, "judged"),
        GoldRow("r", {"x": 0.5}, "exam"),
    ]
    made = make_comparisons([], rows)
    short = made.vs_perfect
    assert [
        (made.prompts[p], made.models[m], float(outcome), float(weight))
        for p, m, outcome, weight in zip(
            short.prompt, short.model, short.outcome, short.weight, strict=True
        )
    ] == [("p", "x", 0.5, 0.5), ("p", "y", 1.0, 0.5), ("q", "x", 1.0, 0.5), ("q", "y", 0.5, 0.5)]
    assert made.task[0] != made.task[1]
    assert made.of_prompts(np.array([True, False])).vs_perfect.prompt.tolist() == [0, 0]


def test_tasks_of_two_files_are_not_one_though_they_share_a_name(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / f"{name}.csv").write_text(f"task,prompt,x,y\nmath,{name},1,0\nlaw,l{name},1,0")
    made = read_comparisons([], [tmp_path / "one.csv", tmp_path / "two.csv"])
    assert len(set(made.task.tolist())) == 4
