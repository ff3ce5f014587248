"""Battles and gold labels as one set of arrays: what a router learns from.

The paper's golden-label augmentation (RouteLLM, section 4.1) makes battles of gold labels: of two
models on a prompt the better one wins. Equal outcomes are ties, and a tie is half a win for each.
Its labels are right or wrong. Where a label is a graded score, as a judge's from 1 to 10, a win
counts by how much better the answer was: nine points are a whole win, one point is a ninth of one
and otherwise a tie. Quality is counted in points too, so a model that is a little better on every
prompt is no reason to route any one of them (research/routers.md has the measurement).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from routectl.errors import InputError
from routectl.escaping import quoted_names
from routectl.model_names import canonical_names
from routectl.preferences.battles import read_battles
from routectl.preferences.gold import GoldRow, read_gold
from routectl.records import Battle, Condition
from routectl.tables import read_rows

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_OUTCOMES = {"model_a": 1.0, "tie": 0.5, "model_b": 0.0}


@dataclass(frozen=True, slots=True)
class VsPerfect:
    """Comparisons of a perfect answer with a model's own. n gold labels; shape (n,) each.

    Perfect is the highest score that any model has in the same task of the same file, the worst
    possible the lowest.
    """

    prompt: NDArray[np.int32]
    """Indices into the comparisons' prompts, ascending."""
    model: NDArray[np.int32]
    outcome: NDArray[np.float32]
    """1 where the model's answer was the worst possible, so that a perfect one wins; 1/2 where it
    was perfect itself; between them by its score."""
    weight: NDArray[np.float32]
    """All labels of one row of gold labels weigh 1 together."""

    def of_prompts(self, wanted: NDArray[np.bool_]) -> VsPerfect:
        """The labels on the prompts where `wanted` is True."""
        return self.rows(wanted[self.prompt])

    def rows(self, rows: NDArray[np.bool_]) -> VsPerfect:
        """The labels where `rows`, shape (n,), is True."""
        return VsPerfect(self.prompt[rows], self.model[rows], self.outcome[rows], self.weight[rows])


@dataclass(frozen=True, slots=True)
class Comparisons:
    """Comparisons of two models on a prompt. n of them; all arrays have the shape (n,)."""

    prompts: tuple[str, ...]
    """Each text once."""
    models: tuple[str, ...]
    """Canonical names, A to Z."""
    prompt: NDArray[np.int32]
    """Indices into `prompts`, ascending."""
    model_a: NDArray[np.int32]
    model_b: NDArray[np.int32]
    outcome: NDArray[np.float32]
    """1 where model a won, 0 where model b won, 1/2 where neither did."""
    weight: NDArray[np.float32]
    battle_rows: int
    gold_rows: int
    task: NDArray[np.int32]
    """The task of each prompt, numbered over all files, shape (prompts,); 0 for battles."""
    vs_perfect: VsPerfect

    def __len__(self) -> int:
        return len(self.prompt)

    @property
    def ties(self) -> int:
        return int((self.outcome == 0.5).sum())

    def of_prompts(self, wanted: NDArray[np.bool_]) -> Comparisons:
        """The comparisons on the prompts where `wanted`, shape (len(prompts),), is True."""
        rows = wanted[self.prompt]
        return self._rows(rows, self.vs_perfect.of_prompts(wanted))

    def _rows(self, rows: NDArray[np.bool_], vs_perfect: VsPerfect) -> Comparisons:
        return Comparisons(
            self.prompts,
            self.models,
            self.prompt[rows],
            self.model_a[rows],
            self.model_b[rows],
            self.outcome[rows],
            self.weight[rows],
            self.battle_rows,
            self.gold_rows,
            self.task,
            vs_perfect,
        )


def read_comparisons(
    battles: Sequence[Path],
    gold: Sequence[Path],
    conditions: Sequence[Condition] = (),
    on_file: Callable[[Path, int, int], None] = lambda path, done, total: None,
    weights: Mapping[Path, float] = MappingProxyType({}),
) -> Comparisons:
    """Read files of battles and of gold labels, and make comparisons of them.

    Args:
        conditions: only rows that meet them count; see `rows.keep`.
        weights: what each row of a file weighs; 1 where it is not among them.
        on_file: called before each file with it, the number done and the number of all.

    Raises:
        InputError: a file cannot be read, or all of them hold no comparison of two models; a
            condition names a column that no file has.
    """
    total = len(battles) + len(gold)
    battle_rows: list[Battle] = []
    gold_rows: list[GoldRow] = []
    row_weights: list[float] = []
    _require_columns([*battles, *gold], conditions)
    for number, path in enumerate(battles):
        on_file(path, number, total)
        battle_rows.extend(read_battles(path, conditions))
        row_weights += [weights.get(path, 1.0)] * (len(battle_rows) - len(row_weights))
    for number, path in enumerate(gold, start=len(battles)):
        on_file(path, number, total)
        gold_rows.extend(
            replace(row, task=f"{number} {row.task}") for row in read_gold(path, conditions)
        )
        rows = len(battle_rows) + len(gold_rows)
        row_weights += [weights.get(path, 1.0)] * (rows - len(row_weights))
    return make_comparisons(battle_rows, gold_rows, row_weights)


def _require_columns(paths: Sequence[Path], conditions: Sequence[Condition]) -> None:
    """Refuse a condition on a column that no file has: it is a misspelling, or keeps nothing."""
    if not conditions:
        return
    columns = {column for path in paths for column in read_rows(path)[0]}
    for condition in conditions:
        if condition.field not in columns:
            raise InputError(
                f"No file has the column {condition.field!r} of the condition {condition}; "
                f"the columns are {quoted_names(sorted(columns), 20)}."
            )


def make_comparisons(
    battles: Iterable[Battle], gold: Iterable[GoldRow], weights: Sequence[float] | None = None
) -> Comparisons:
    """Comparisons of battles and of golden labels; two spellings of a model are one model.

    A battle weighs 1, and so do all comparisons of one row of gold labels together: else the data
    set with the most models, whose comparisons grow with their square, would drown the others.

    Args:
        weights: what each battle and then each row weighs instead; None is 1 for all.

    Raises:
        InputError: no comparison of two models is left.
    """
    import numpy as np

    battles, gold = list(battles), list(gold)
    row_weights = [1.0] * (len(battles) + len(gold)) if weights is None else weights
    battle_weights, gold_weights = row_weights[: len(battles)], row_weights[len(battles) :]
    spellings = sorted(
        {name for battle in battles for name in (battle.model_a, battle.model_b)}
        | {name for row in gold for name in row.scores}
    )
    canonical = canonical_names(spellings)
    models = tuple(sorted(set(canonical.values()), key=lambda name: (name.lower(), name)))
    column = {spelling: models.index(canonical[spelling]) for spelling in spellings}
    prompts: dict[str, int] = {}
    parts: list[tuple[NDArray[Any], ...]] = []
    spans = _spans(gold)

    for battle, row_weight in zip(battles, battle_weights, strict=True):
        a, b = column[battle.model_a], column[battle.model_b]
        if a != b:
            row = prompts.setdefault(battle.prompt, len(prompts))
            parts.append(_part([row], [a], [b], [_OUTCOMES[battle.winner]], [row_weight]))
    for gold_row, row_weight in zip(gold, gold_weights, strict=True):
        by_model = {column[name]: score for name, score in gold_row.scores.items()}
        if len(by_model) < 2:
            continue
        labelled = np.array(sorted(by_model))
        scores = np.array([by_model[model] for model in labelled])
        first, second = np.triu_indices(len(labelled), 1)
        worst, best = spans[gold_row.task]
        outcome = 0.5 + (scores[first] - scores[second]) / (2 * ((best - worst) or 1.0))
        row = prompts.setdefault(gold_row.prompt, len(prompts))
        parts.append(
            _part(
                np.full(len(first), row),
                labelled[first],
                labelled[second],
                outcome,
                np.full(len(first), row_weight / len(first)),
            )
        )
    if not parts:
        raise InputError(
            "There is nothing to learn from: no row compares two models on a prompt; "
            "check the files and the conditions."
        )
    arrays = [np.concatenate(column) for column in zip(*parts, strict=True)]
    order = np.argsort(arrays[0], kind="stable")
    prompt, model_a, model_b, outcome, weight = (array[order] for array in arrays)
    task, vs_perfect = _against_perfect(gold, gold_weights, spans, prompts, column)
    return Comparisons(
        tuple(prompts),
        models,
        prompt,
        model_a,
        model_b,
        outcome,
        weight,
        len(battles),
        len(gold),
        task,
        vs_perfect,
    )


def _spans(gold: Iterable[GoldRow]) -> dict[str, tuple[float, float]]:
    """The worst and the best score that any model has in each task."""
    spans: dict[str, tuple[float, float]] = {}
    for row in gold:
        worst, best = spans.get(row.task, (math.inf, -math.inf))
        scores = row.scores.values()
        spans[row.task] = min((worst, *scores)), max((best, *scores))
    return spans


def _against_perfect(
    gold: Sequence[GoldRow],
    weights: Sequence[float],
    spans: Mapping[str, tuple[float, float]],
    prompts: Mapping[str, int],
    column: Mapping[str, int],
) -> tuple[NDArray[np.int32], VsPerfect]:
    """The task of each prompt, and the comparisons of that task's best score with each model's."""
    import numpy as np

    number = {name: index for index, name in enumerate(spans, start=1)}
    task = np.zeros(len(prompts), dtype=np.int32)
    parts: list[tuple[int, int, float, float]] = []
    for row, weight in zip(gold, weights, strict=True):
        if row.prompt not in prompts:
            continue
        task[prompts[row.prompt]] = number[row.task]
        worst, best = spans[row.task]
        by_model = {column[name]: score for name, score in row.scores.items()}
        for model, score in by_model.items():
            outcome = 0.5 + (best - score) / (2 * ((best - worst) or 1.0))
            parts.append((prompts[row.prompt], model, outcome, weight / len(by_model)))
    parts.sort()
    columns = list(zip(*parts, strict=True)) or [(), (), (), ()]
    return task, VsPerfect(
        np.array(columns[0], dtype=np.int32),
        np.array(columns[1], dtype=np.int32),
        np.array(columns[2], dtype=np.float32),
        np.array(columns[3], dtype=np.float32),
    )


def _part(prompt: Any, a: Any, b: Any, outcome: Any, weight: Any) -> tuple[NDArray[Any], ...]:
    import numpy as np

    return (
        np.asarray(prompt, dtype=np.int32),
        np.asarray(a, dtype=np.int32),
        np.asarray(b, dtype=np.int32),
        np.asarray(outcome, dtype=np.float32),
        np.asarray(weight, dtype=np.float32),
    )


def ratings(comparisons: Comparisons) -> NDArray[np.float64]:
    """How strong each model is: Bradley and Terry's rating, on the scale of log-odds, mean 0.

    Every model also has one win and one loss against a model of rating 0, so that ratings exist
    where a model won or lost everything, or where two groups of models never met.

    Returns:
        Shape (models,).
    """
    import numpy as np

    n = len(comparisons.models)
    wins = np.zeros((n, n))
    weight = comparisons.weight.astype(np.float64)
    outcome = comparisons.outcome.astype(np.float64)
    np.add.at(wins, (comparisons.model_a, comparisons.model_b), weight * outcome)
    np.add.at(wins, (comparisons.model_b, comparisons.model_a), weight * (1 - outcome))
    return bradley_terry(wins)


def rating_loss(rating: NDArray[np.float64], comparisons: Comparisons) -> float:
    """Weighted mean cross-entropy, in nats, of win rates that follow from ratings alone."""
    import numpy as np

    logits = rating[comparisons.model_a] - rating[comparisons.model_b]
    losses = np.logaddexp(0, logits) - comparisons.outcome * logits
    return float(np.average(losses, weights=comparisons.weight))


def bradley_terry(wins: NDArray[np.float64]) -> NDArray[np.float64]:
    """Ratings, shape (n,), of a matrix of wins: `wins[i, j]` is how often i beat j.

    As for `ratings`: on the scale of log-odds, mean 0, one win and one loss for everyone added.
    """
    import numpy as np

    games = wins + wins.T
    rating = np.zeros(len(wins))
    for _ in range(100):
        # Newton's method on the concave log-likelihood.
        p = 1 / (1 + np.exp(rating[None, :] - rating[:, None]))
        p0 = 1 / (1 + np.exp(-rating))
        gradient = wins.sum(axis=1) - (games * p).sum(axis=1) + 1 - 2 * p0
        curvature = games * p * (1 - p)
        hessian = np.diag(curvature.sum(axis=1) + 2 * p0 * (1 - p0)) - curvature
        step = np.linalg.solve(hessian, gradient)
        rating += np.clip(step, -1, 1)
        if np.abs(step).max() < 1e-9:
            break
    centred: NDArray[np.float64] = rating - rating.mean()
    return centred
