"""How well mf's fits hold on a task that they have not seen: leave one task out, for each task.

    python research/leave_task_out.py --gold FILE [FILE ...] [--where 'COLUMN!=VALUE' ...]
        [--against weakest|middle]

For every task of the gold tables (column task, else category, else the file) `train mf`'s fit, with
the question's length as an extra feature and without, is trained on all other tasks and scores this
one. Judged is the gap between the mean scores of two tiers: the
third of the task's models that score highest in it, and the third that score lowest (--against
middle: the third between them, where there is one, which is nearer, as a pair of today is). Printed
are the mean APGR over tasks with its 95 % bootstrap interval over prompts, and the difference from
the fit without the length, paired by prompt; over all tasks, and over those in which the strong
tier scores above 0.7, as a strong model of today does on most traffic. "length alone" is the
question's length (`routers/question_length.py`) without any fit.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from routectl.embedding import open_embedder
from routectl.evaluation.metrics import apgr, quality_curve
from routectl.preferences.comparisons import Comparisons, read_comparisons
from routectl.preferences.gold import read_gold
from routectl.records import Condition
from routectl.routers.question_length import QuestionLength
from routectl.training.fits.difficulty import DifficultySettings, fit_difficulty

SEED, DRAWS, MOSTLY_RIGHT = 0, 400, 0.7
FITS = ("train mf", "train mf --question-length", "length alone")


def tiers(
    paths: list[Path], conditions: list[Condition], comparisons: Comparisons, middle: bool
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean scores of each prompt's strong and weak tier, NaN where a tier was not asked."""
    place = {prompt: index for index, prompt in enumerate(comparisons.prompts)}
    scores: dict[int, dict[str, float]] = {}
    for path in paths:
        for row in read_gold(path, conditions):
            if row.prompt in place:
                scores[place[row.prompt]] = dict(row.scores)
    strong, weak = (np.full(len(place), np.nan) for _ in range(2))
    for task in np.unique(comparisons.task):
        rows = [i for i in np.flatnonzero(comparisons.task == task) if i in scores]
        names = sorted({name for i in rows for name in scores[i]})
        means = {m: np.mean([scores[i][m] for i in rows if m in scores[i]]) for m in names}
        order = sorted(names, key=lambda name: means[name])
        count = max(1, len(order) // 3)
        between = order[count : 2 * len(order) // 3] if middle else []
        for side, members in ((weak, between or order[:count]), (strong, order[-count:])):
            for i in rows:
                known = [scores[i][m] for m in members if m in scores[i]]
                side[i] = np.mean(known) if known else np.nan
    return strong, weak


def direction(
    vectors: NDArray[np.float32], others: Comparisons, settings: DifficultySettings
) -> NDArray[np.float64]:
    """Of the fit's strongest model against its weakest, by the sign of their scores' spread."""
    held_out = np.random.default_rng(SEED).random(len(others.prompts)) < 0.1
    parts = others.of_prompts(~held_out), others.of_prompts(held_out)
    fit = fit_difficulty(vectors, *parts, settings, lambda *_: None)
    wins = np.zeros(len(others.models))
    np.add.at(wins, others.model_a, others.weight * (2 * others.outcome - 1))
    np.add.at(wins, others.model_b, others.weight * (1 - 2 * others.outcome))
    gap = fit.model_vectors[wins.argmax()] - fit.model_vectors[wins.argmin()]
    return (fit.projection.T @ (fit.weights * gap)).astype(np.float64)


def mean_apgr(
    tasks: Sequence[tuple[Sequence[NDArray[np.float64]], NDArray[np.float64], NDArray[np.float64]]],
    generator: np.random.Generator | None,
) -> NDArray[np.float64]:
    """Mean over tasks of each fit's APGR, shape (fits,); on prompts drawn anew if asked to."""
    values = []
    for scores, strong, weak in tasks:
        rows = np.arange(len(strong))
        if generator is not None:
            rows = generator.integers(0, len(strong), len(strong))
        if (strong[rows] - weak[rows]).sum() > 0:
            curves = [quality_curve(s[rows], strong[rows], weak[rows]) for s in scores]
            values.append([apgr(curve) for curve in curves])
    return np.mean(values, axis=0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--gold", type=Path, nargs="+", required=True)
    parser.add_argument("--where", action="append", default=[], metavar="COLUMN!=VALUE")
    parser.add_argument("--against", choices=("weakest", "middle"), default="weakest")
    arguments = parser.parse_args()
    pairs = (text.split("!=", 1) for text in arguments.where)
    conditions = [Condition(column, "!=", value) for column, value in pairs]
    comparisons = read_comparisons([], arguments.gold, conditions)
    middle = arguments.against == "middle"
    strong, weak = tiers(arguments.gold, conditions, comparisons, middle)
    vectors = open_embedder().embed(comparisons.prompts)
    length = QuestionLength.fit(comparisons.prompts).of(comparisons.prompts)
    longer = np.hstack([vectors, length.astype(np.float32)])
    judged = []
    for task in np.unique(comparisons.task):
        here = (comparisons.task == task) & np.isfinite(strong) & np.isfinite(weak)
        others = comparisons.of_prompts(comparisons.task != task)
        scores = [x[here] @ direction(x, others, DifficultySettings()) for x in (vectors, longer)]
        scores.append(length[here, 0])
        judged.append((np.array(scores), strong[here], weak[here]))
    for name, chosen in (
        ("all tasks", judged),
        ("strong tier above 0.7", [task for task in judged if task[1].mean() > MOSTLY_RIGHT]),
    ):
        value = mean_apgr(chosen, None)
        generator = np.random.default_rng(SEED)
        drawn = np.array([mean_apgr(chosen, generator) for _ in range(DRAWS)])
        print(f"\n| {name} ({len(chosen)}) | mean APGR | less that of the first |\n|---|---|---|")
        for column, fit in enumerate(FITS):
            low, high = np.quantile(drawn[:, column], [0.025, 0.975])
            less = np.quantile(drawn[:, column] - drawn[:, 0], [0.025, 0.975])
            print(
                f"| {fit} | {value[column]:.3f} ({low:.3f} to {high:.3f}) | "
                f"{value[column] - value[0]:+.3f} ({less[0]:+.3f} to {less[1]:+.3f}) |",
                flush=True,
            )


if __name__ == "__main__":
    main()
