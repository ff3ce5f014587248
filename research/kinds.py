"""What clusters of prompts with a direction of their own bring: `train mf --kinds`.

    python research/kinds.py --gold FILE [FILE ...] [--where 'COLUMN!=VALUE' ...]
        [--weight FILE=NUMBER] [--embedder NAME] [--kinds 0 4 6 8] [--vectors FILE]

`train mf --question-length` learns from the gold tables with each number of clusters;
0 is one direction for all prompts. Once in five folds of all prompts, each scored by a fit that has
not seen it, and once with each task (column task, else category, else the file) left out of all:
of them, too. Judged is, within every task, the gap between the third of its models that scores
highest and the third between, and that to the third that scores lowest. Printed are the mean APGR
of each file's tasks and the mean of the files, each file alike, and the mean over the tasks left
out, each with the 95 % bootstrap interval over prompts of its difference from the first number of
kinds. --vectors keeps the embeddings in a file, so that a second run need not embed.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from leave_task_out import direction, mean_apgr
from numpy.typing import NDArray
from own_weight import DRAWS, FOLDS, SEED, Judged, by_file, what_is_judged

from routectl.embedding import Embedder, open_embedder
from routectl.preferences.comparisons import Comparisons, read_comparisons
from routectl.records import Condition
from routectl.routers.features import Features
from routectl.routers.kinds import Kinds
from routectl.routers.question_length import QuestionLength
from routectl.routers.standardised import Standardisation
from routectl.training.fits.difficulty import DifficultySettings

Rows = NDArray[np.bool_]


class Trial:
    """The prompts of the tables, and a fit of some of them that scores others."""

    def __init__(
        self, comparisons: Comparisons, embedder: Embedder, embeddings: NDArray[np.float32]
    ) -> None:
        self.comparisons = comparisons
        self._sentences = embedder.sentence_dimension
        self._standardises = not embedder.comparable
        self._embeddings = embeddings

    def scores(self, learned: Rows, judged: Rows, kinds: int) -> NDArray[np.float64]:
        """Of the judged prompts, by a fit of the learned ones."""
        prompts = self.comparisons.prompts
        own = [prompts[row] for row in np.flatnonzero(learned)]
        standardisation = (
            Standardisation.fit(self._embeddings[learned]) if self._standardises else None
        )
        features = Features(standardisation, QuestionLength.fit(own))
        if kinds:
            vectors = features.vectors(self._embeddings[learned], own)
            sentences = self._embeddings[learned][:, -self._sentences :]
            found = Kinds.fit(sentences, vectors, kinds, SEED)
            features = Features(features.standardisation, features.question_length, found)
        made = features.of(self._embeddings, prompts)
        return made[judged] @ direction(
            made, self.comparisons.of_prompts(learned), DifficultySettings()
        )

    def out_of_fold(self, kinds: int) -> NDArray[np.float64]:
        count = len(self.comparisons.prompts)
        fold = np.random.default_rng(SEED).integers(0, FOLDS, count)
        scores = np.empty(count)
        for number in range(FOLDS):
            scores[fold == number] = self.scores(fold != number, fold == number, kinds)
        return scores

    def out_of_task(self, kinds: int) -> NDArray[np.float64]:
        task = self.comparisons.task
        scores = np.empty(len(task))
        for number in np.unique(task):
            scores[task == number] = self.scores(task != number, task == number, kinds)
        return scores


def over_tasks(
    scores: NDArray[np.float64], judged: Judged, generator: np.random.Generator | None
) -> float:
    """Mean APGR over the tasks of all files; on prompts drawn anew if asked to."""
    tasks = [([scores[rows]], strong, weak) for file in judged for rows, strong, weak in file]
    return float(mean_apgr(tasks, generator)[0])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--gold", type=Path, nargs="+", required=True)
    parser.add_argument("--where", action="append", default=[], metavar="COLUMN!=VALUE")
    parser.add_argument("--weight", action="append", default=[], metavar="FILE=NUMBER")
    parser.add_argument("--embedder", default=None)
    parser.add_argument("--kinds", type=int, nargs="+", default=[0, 4, 6, 8])
    parser.add_argument("--vectors", type=Path)
    arguments = parser.parse_args()
    conditions = [
        Condition(column, "!=", value)
        for column, value in (text.split("!=", 1) for text in arguments.where)
    ]
    weights = {
        Path(path): float(number)
        for path, _, number in (text.rpartition("=") for text in arguments.weight)
    }
    comparisons = read_comparisons([], arguments.gold, conditions, weights=weights)
    embedder = open_embedder(arguments.embedder) if arguments.embedder else open_embedder()
    if arguments.vectors and arguments.vectors.exists():
        embeddings = np.load(arguments.vectors)
    else:
        embeddings = embedder.embed(comparisons.prompts)
        if arguments.vectors:
            np.save(arguments.vectors, embeddings)
    trial = Trial(comparisons, embedder, embeddings)
    judged = what_is_judged(arguments.gold, conditions, comparisons)
    files = " | ".join(path.name for path in arguments.gold)
    print(f"| clusters | {files} | mean | less the first | tasks left out | less the first |")
    print("|---" * (len(arguments.gold) + 5) + "|")
    base: tuple[NDArray[np.float64], NDArray[np.float64]] | None = None
    for kinds in arguments.kinds:
        folds, tasks = trial.out_of_fold(kinds), trial.out_of_task(kinds)
        first_folds, first_tasks = base = base or (folds, tasks)
        values = by_file(folds, judged, None)
        of_tasks = over_tasks(tasks, judged, None)
        less = []
        for found, first, measure in (
            (folds, first_folds, lambda s, g: by_file(s, judged, g).mean()),
            (tasks, first_tasks, lambda s, g: over_tasks(s, judged, g)),
        ):
            drawn = [
                measure(found, np.random.default_rng(draw))
                - measure(first, np.random.default_rng(draw))
                for draw in range(DRAWS)
            ]
            low, high = np.quantile(drawn, [0.025, 0.975])
            less.append(
                f"{measure(found, None) - measure(first, None):+.3f} ({low:+.3f} to {high:+.3f})"
            )
        cells = " | ".join(f"{value:.3f}" for value in (*values, values.mean()))
        print(f"| {kinds} | {cells} | {less[0]} | {of_tasks:.3f} | {less[1]} |", flush=True)


if __name__ == "__main__":
    main()
