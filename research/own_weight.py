"""How much a small set of other prompts should count next to large ones: `train mf --weight`.

    python research/own_weight.py --gold FILE [FILE ...] --own FILE [--where 'COLUMN!=VALUE' ...]
        [--weights 0 1 3 10 30]

`train mf --question-length` learns from the gold tables and from one more, whose
rows count --weights times as much as the others', in five folds of all prompts; each fold is scored
by a fit that has not seen it. Judged is, within every task (column task, else category, else the
file), the gap between the third of its models that scores highest and the third between, and that
to the third that scores lowest. Printed are the mean APGR of each file's tasks and the mean of the
files, each file alike, with the 95 % bootstrap interval over prompts of the difference from weight
1. "Whole wins" stands for training as it was before graded scores: any better score wins outright.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
from leave_task_out import direction, mean_apgr, tiers
from numpy.typing import NDArray

from routectl.embedding import open_embedder
from routectl.preferences.comparisons import Comparisons, read_comparisons
from routectl.preferences.gold import read_gold
from routectl.records import Condition
from routectl.routers.question_length import QuestionLength
from routectl.training.fits.difficulty import DifficultySettings

SEED, FOLDS, DRAWS, LEAST_GAP = 0, 5, 400, 0.02
Judged = list[list[tuple[NDArray[np.intp], NDArray[np.float64], NDArray[np.float64]]]]
"""Of each file, for every task and gap: the prompts, and both tiers' mean scores."""


def whole_wins(comparisons: Comparisons) -> Comparisons:
    """Any better score wins outright, and any worse one than the best falls short wholly."""
    short = comparisons.vs_perfect
    return replace(
        comparisons,
        outcome=(np.sign(comparisons.outcome - 0.5) + 1) / 2,
        vs_perfect=replace(short, outcome=(np.sign(short.outcome - 0.5) + 1) / 2),
    )


def out_of_fold(vectors: NDArray[np.float32], comparisons: Comparisons) -> NDArray[np.float64]:
    """A score for each prompt, by the fit of the folds that it is not in."""
    fold = np.random.default_rng(SEED).integers(0, FOLDS, len(comparisons.prompts))
    scores = np.empty(len(fold))
    for number in range(FOLDS):
        fitted = direction(vectors, comparisons.of_prompts(fold != number), DifficultySettings())
        scores[fold == number] = vectors[fold == number] @ fitted
    return scores


def by_file(
    scores: NDArray[np.float64], judged: Judged, generator: np.random.Generator | None
) -> NDArray[np.float64]:
    """Mean APGR of the tasks of each file, shape (files,); on prompts drawn anew if asked to."""
    files = [[([scores[rows]], strong, weak) for rows, strong, weak in tasks] for tasks in judged]
    return np.array([mean_apgr(tasks, generator)[0] for tasks in files])


def what_is_judged(
    files: list[Path], conditions: list[Condition], comparisons: Comparisons
) -> Judged:
    """The tasks of each file in which the gap between the groups is significant."""
    judged: Judged = [[] for _ in files]
    for middle in (True, False):
        strong, weak = tiers(files, conditions, comparisons, middle)
        for number, path in enumerate(files):
            inside = {row.prompt for row in read_gold(path, conditions)}
            of_file = np.array([prompt in inside for prompt in comparisons.prompts])
            for task in np.unique(comparisons.task[of_file]):
                rows = np.flatnonzero((comparisons.task == task) & np.isfinite(strong + weak))
                if len(rows) and (strong[rows] - weak[rows]).mean() > LEAST_GAP:
                    judged[number].append((rows, strong[rows], weak[rows]))
    return judged


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--gold", type=Path, nargs="+", required=True)
    parser.add_argument("--own", type=Path, required=True)
    parser.add_argument("--where", action="append", default=[], metavar="COLUMN!=VALUE")
    parser.add_argument("--weights", type=float, nargs="+", default=[0, 1, 3, 10, 30])
    arguments = parser.parse_args()
    pairs = (text.split("!=", 1) for text in arguments.where)
    conditions = [Condition(column, "!=", value) for column, value in pairs]
    files = [*arguments.gold, arguments.own]

    def read(weight: float) -> Comparisons:
        return read_comparisons([], files, conditions, weights={arguments.own: weight or 1e-9})

    comparisons = read(1)
    vectors = open_embedder().embed(comparisons.prompts)
    length = QuestionLength.fit(comparisons.prompts).of(comparisons.prompts)
    features = np.hstack([vectors, length.astype(np.float32)])
    judged = what_is_judged(files, conditions, comparisons)
    found = {}
    for weight in arguments.weights:
        found[f"{weight:g}"] = out_of_fold(features, read(weight))
        found[f"{weight:g}, whole wins"] = out_of_fold(features, whole_wins(read(weight)))
    base = found.setdefault("1", out_of_fold(features, comparisons))
    print("| weight of a row | " + " | ".join(path.name for path in files) + " | mean | less 1's |")
    print("|---" * (len(files) + 3) + "|")
    for name, scores in found.items():
        values = by_file(scores, judged, None)
        drawn = [
            by_file(scores, judged, np.random.default_rng(draw)).mean()
            - by_file(base, judged, np.random.default_rng(draw)).mean()
            for draw in range(DRAWS)
        ]
        low, high = np.quantile(drawn, [0.025, 0.975])
        less = values.mean() - by_file(base, judged, None).mean()
        cells = " | ".join(f"{value:.3f}" for value in (*values, values.mean()))
        print(f"| {name} | {cells} | {less:+.3f} ({low:+.3f} to {high:+.3f}) |", flush=True)


if __name__ == "__main__":
    main()
