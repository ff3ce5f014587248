"""The fit in one direction, on data whose answer is known."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from routectl.preferences.comparisons import Comparisons, bradley_terry, make_comparisons
from routectl.preferences.gold import GoldRow
from routectl.records import Battle
from routectl.training.fits.difficulty import DifficultySettings, fit_difficulty

ABILITY = {"strong": 2.0, "middle": 1.0, "weak": 0.0}


def labelled(
    count: int, hardness_of_task: tuple[float, ...] = (0.0,), seed: int = 0
) -> tuple[NDArray[np.float32], Comparisons, NDArray[np.float64]]:
    """Vectors, labels of three models, and how hard each prompt is within its task.

    A vector's first number is the hardness within the task, its second marks the task.
    """
    generator = np.random.default_rng(seed)
    tasks = generator.integers(0, len(hardness_of_task), count)
    hardness = generator.normal(size=count)
    vectors = generator.normal(size=(count, 8)) * 0.3
    vectors[:, 0], vectors[:, 1] = hardness, 2 * tasks - 1
    rows = [
        GoldRow(
            f"prompt {i}",
            {
                name: float(
                    generator.random()
                    < 1 / (1 + np.exp(hardness[i] + hardness_of_task[tasks[i]] - ability))
                )
                for name, ability in ABILITY.items()
            },
            f"task {tasks[i]}",
        )
        for i in range(count)
    ]
    return vectors.astype(np.float32), make_comparisons([], rows), hardness


def direction(
    vectors: NDArray[np.float32], comparisons: Comparisons, settings: DifficultySettings
) -> NDArray[np.float64]:
    """Of the stored factors, for strong against weak."""
    fit = fit_difficulty(vectors, comparisons, comparisons, settings, lambda *_: None)
    strong, weak = (comparisons.models.index(name) for name in ("strong", "weak"))
    gap = fit.model_vectors[strong] - fit.model_vectors[weak]
    return (fit.projection.T @ (fit.weights * gap)).astype(np.float64)


def test_it_finds_what_makes_a_prompt_hard() -> None:
    vectors, comparisons, _ = labelled(1500)
    v = direction(vectors, comparisons, DifficultySettings(precision=1))
    share = v * vectors.std(axis=0)
    assert share[0] > 3 * np.abs(share[2:]).max()


def test_how_models_do_on_a_whole_task_is_no_part_of_the_direction() -> None:
    vectors, comparisons, _ = labelled(3000, hardness_of_task=(-1.0, 2.0))
    settings = DifficultySettings(precision=1)
    v = direction(vectors, comparisons, settings)
    assert abs(v[1]) < 0.25 * v[0]
    one_task = replace(comparisons, task=np.zeros_like(comparisons.task))
    assert abs(direction(vectors, one_task, settings)[1]) > 2 * abs(v[1])


def without_a_perfect_answer(comparisons: Comparisons) -> Comparisons:
    short = comparisons.vs_perfect
    return replace(comparisons, vs_perfect=short.rows(np.zeros(len(short.prompt), dtype=np.bool_)))


def test_a_perfect_answer_tells_where_both_models_fail_from_where_both_are_right() -> None:
    rows = [GoldRow(f"right {i}", {"strong": 1, "weak": 1}) for i in range(60)]
    rows += [GoldRow(f"wrong {i}", {"strong": 0, "weak": 0}) for i in range(60)]
    rows += [GoldRow(f"apart {i}", {"strong": 1, "weak": 0}) for i in range(10)]
    comparisons = make_comparisons([], rows)
    vectors = np.zeros((130, 2), dtype=np.float32)
    vectors[:60, 0], vectors[60:120, 0], vectors[120:, 1] = -1, 1, 1
    settings = DifficultySettings(precision=1)
    assert abs(direction(vectors, without_a_perfect_answer(comparisons), settings)[0]) < 1e-6
    assert direction(vectors, comparisons, settings)[0] > 0.1


def test_the_fit_ends_where_the_penalised_loss_has_no_slope() -> None:
    vectors, comparisons, _ = labelled(400)
    comparisons = without_a_perfect_answer(comparisons)
    settings = DifficultySettings(precision=5)
    fit = fit_difficulty(vectors, comparisons, comparisons, settings, lambda *_: None)
    # A reference that knows nothing of prompts or Newton: the slope over comparisons, one by one.
    a, b, weight = comparisons.model_a, comparisons.model_b, comparisons.weight
    wins = np.zeros((4, 4))  # the fourth is the perfect answer, which never plays here
    np.add.at(wins, (a, b), weight * comparisons.outcome.astype(np.float64))
    np.add.at(wins, (b, a), weight * (1 - comparisons.outcome.astype(np.float64)))
    rating = bradley_terry(wins)
    first = fit.model_vectors[:, 0].astype(np.float64)
    scaled = rating / rating.std()
    scale = np.abs(scaled[:-1]).max()
    assert first == pytest.approx(scaled[:-1] / scale, abs=1e-5)
    v = fit.projection[0].astype(np.float64) / scale
    gap = scaled[a] - scaled[b]
    logits = rating[a] - rating[b] + gap * (vectors.astype(np.float64) @ v)[comparisons.prompt]
    error = weight * gap * (1 / (1 + np.exp(-logits)) - comparisons.outcome)
    slope = error @ vectors[comparisons.prompt] + settings.precision * v
    assert np.abs(slope).max() < 1e-3 * np.abs(error @ vectors[comparisons.prompt]).max()


def test_the_losses_fall_below_those_of_ratings_and_end_converged() -> None:
    vectors, comparisons, _ = labelled(800)
    half = np.arange(800) < 400
    steps: list[tuple[int, int]] = []
    curve = fit_difficulty(
        vectors,
        comparisons.of_prompts(half),
        comparisons.of_prompts(~half),
        DifficultySettings(precision=1),
        lambda *now: steps.append(now),
    ).curve
    assert curve.held_out[-1] < curve.baseline
    assert list(curve.training) == sorted(curve.training, reverse=True)
    assert curve.best_epoch == len(curve.held_out) < DifficultySettings().max_steps
    assert steps[-1] == (25, 25)


def test_battles_alone_train_it_too() -> None:
    vectors, comparisons, _ = labelled(1000)
    pairs = zip(comparisons.prompt, comparisons.model_a, comparisons.model_b, strict=True)
    battles = [
        Battle(
            comparisons.prompts[p],
            comparisons.models[a],
            comparisons.models[b],
            "model_a" if outcome == 1 else "model_b" if outcome == 0 else "tie",
        )
        for (p, a, b), outcome in zip(pairs, comparisons.outcome, strict=True)
    ]
    made = make_comparisons(battles, [])
    assert len(made.vs_perfect.prompt) == 0
    order = [int(text.split()[1]) for text in made.prompts]
    v = direction(vectors[order], made, DifficultySettings(precision=1))
    assert np.isfinite(v).all()
    assert np.abs(v).max() > 0
