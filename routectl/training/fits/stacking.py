"""Logistic stacking: how much each member's rank should count, and whether that is worth it.

The weights minimise the cross-entropy of the held-out labels with a penalty on their squares,
none below 0; the penalty is chosen by cross-validation. How a task goes as a whole is taken out by
its task intercept (`labels.task_intercepts`): a member that tells tasks apart gets no weight for
it. Whether the ensemble beats its best member is asked of prompts that chose neither weights nor
penalty nor best member: all three are found anew in each outer fold's other prompts (nested
cross-validation).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from routectl.errors import InputError
from routectl.evaluation.bootstrap import Bootstrap, Comparison, bootstrap
from routectl.evaluation.metrics import APGR, apgr, quality_curve
from routectl.routers.ensemble import Weighing, rank_reference
from routectl.training.labels import task_intercepts, with_graded_scores

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

PENALTIES = (0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3)
FOLDS = 5
LEAST_PROMPTS = 50
"""Fewer cannot say anything in five folds of five."""

_BEST = "best member"
_ENSEMBLE = "ensemble"
_LENGTH = "length of the prompts"


@dataclass(frozen=True, slots=True)
class Members:
    """The members' scores of n labelled prompts."""

    names: tuple[str, ...]
    noise: tuple[float, ...]
    scores: NDArray[np.float64]
    """Shape (m, n)."""

    def of(self, rows: NDArray[np.intp]) -> Members:
        return Members(self.names, self.noise, self.scores[:, rows])


@dataclass(frozen=True, slots=True)
class Labels:
    """What is learned of n prompts, and what it is judged by."""

    short: NDArray[np.float64]
    """How much the weak model's answer fell short, 0 to 1, shape (n,)."""
    task_intercept: NDArray[np.float64]
    """What a prompt's task adds to the logit of that, shape (n,)."""
    gain: NDArray[np.float64]
    """Strong wins less weak wins, shape (n,): nothing is fitted to it."""

    @classmethod
    def of(
        cls,
        outcome: NDArray[np.float32],
        quality: NDArray[np.float32],
        task: NDArray[np.int32],
    ) -> Labels:
        """Of shares of strong wins, ties and weak wins, shape (n, 3), and `weak_quality`, (n,).

        Where answers have no graded score, a tie is half a win for each.
        """
        import numpy as np

        won = outcome[:, 0] + outcome[:, 1] / 2
        shares = with_graded_scores(np.stack([won, 1 - won], axis=1), quality, won=0, lost=1)
        task_intercept = task_intercepts(shares, task, np.ones(len(task), dtype=np.bool_)).astype(
            np.float64
        )
        gain = outcome[:, 0].astype(np.float64) - outcome[:, 2]
        return cls(
            shares[:, 0].astype(np.float64), task_intercept[:, 0] - task_intercept[:, 1], gain
        )

    def rows(self, rows: NDArray[np.intp]) -> Labels:
        return Labels(self.short[rows], self.task_intercept[rows], self.gain[rows])

    def losses(self, rates: NDArray[np.float64]) -> NDArray[np.float64]:
        """Cross-entropy of strong win rates, plus the task intercepts, in nats, shape (n,)."""
        import numpy as np

        safe = np.clip(rates, 1e-12, 1 - 1e-12)
        logits = np.log(safe) - np.log1p(-safe) + self.task_intercept
        losses: NDArray[np.float64] = np.logaddexp(0, logits) - self.short * logits
        return losses


@dataclass(frozen=True, slots=True)
class Stack:
    """The fitted ensemble, and what nested cross-validation says of it."""

    weighing: Weighing
    penalty: float
    judged: Bootstrap
    """APGR of "ensemble", "best member" and each member, on prompts that none was fitted on."""
    held_out_loss: float
    """Cross-entropy of the outer folds, nats."""
    baseline_loss: float
    """The same, of the mean label of each fold's other prompts, and the task intercepts."""
    best_members: tuple[str, ...]
    """The member that was best in each outer fold's other prompts."""

    @property
    def against_length(self) -> Comparison:
        """The ensemble against the length of the prompts, by their APGR."""
        return self.judged.compare(_ENSEMBLE, _LENGTH, APGR)

    @property
    def verdict(self) -> str:
        """Of the ensemble against its best member: better, worse or can't tell."""
        return self.judged.compare(_ENSEMBLE, _BEST, APGR).verdict


def stack(members: Members, labels: Labels, seed: int, length_scores: NDArray[np.float64]) -> Stack:
    """Fit an ensemble and judge it.

    Args:
        labels: of the members' n prompts.
        seed: of the folds and of the bootstrap.
        length_scores: of the n prompts by their lengths, in [0, 1].

    Raises:
        InputError: too few prompts, no gap between the models, or no member that helps.
    """
    import numpy as np

    n = len(labels.gain)
    if n < LEAST_PROMPTS:
        raise InputError(
            f"An ensemble needs at least {LEAST_PROMPTS} labelled prompts that its members have "
            f"not learned from, and there are {n}; give more data."
        )
    draw = np.random.default_rng([seed, 2])
    if not labels.gain.sum() > 0:
        raise InputError(
            "On these prompts the strong models win no more often than the weak ones, so there is "
            "nothing that an ensemble could learn; name another pair."
        )
    rates, best_ranks = np.empty(n), np.empty(n)
    ranks = np.empty_like(members.scores)
    baseline = np.empty(n)
    best_members = []
    for inside, outside in _folds(n, draw):
        weighing, _ = fit(members.of(inside), labels.rows(inside), draw)
        rates[outside] = weighing.strong_win_rates(list(members.scores[:, outside]))
        for row, reference in enumerate(weighing.references):
            ranks[row, outside] = reference.of(members.scores[row, outside])
        best = _best_member(members.of(inside), labels.gain[inside])
        best_members.append(members.names[best])
        best_ranks[outside] = ranks[best, outside]
        baseline[outside] = labels.short[inside].mean()
    zero = np.zeros(n)
    scores = {_ENSEMBLE: rates, _BEST: best_ranks, _LENGTH: length_scores}
    scores |= dict(zip(members.names, ranks, strict=True))
    weighing, penalty = fit(members, labels, draw)
    return Stack(
        weighing,
        penalty,
        bootstrap(scores, labels.gain, zero, metrics=(APGR,), seed=seed),
        float(labels.losses(rates).mean()),
        float(labels.losses(baseline).mean()),
        tuple(best_members),
    )


def fit(members: Members, labels: Labels, draw: np.random.Generator) -> tuple[Weighing, float]:
    """The weighing with the penalty that cross-validation on these prompts chooses."""
    import numpy as np

    losses = np.zeros(len(PENALTIES))
    for inside, outside in _folds(len(labels.gain), draw):
        part, part_labels = members.of(inside), labels.rows(inside)
        for column, penalty in enumerate(PENALTIES):
            weighing = _weigh(part, part_labels, penalty)
            rates = weighing.strong_win_rates(list(members.scores[:, outside]))
            losses[column] += labels.rows(outside).losses(rates).sum()
    # Of equal penalties the largest: the simplest ensemble that is as good.
    penalty = PENALTIES[int(len(PENALTIES) - 1 - np.argmin(losses[::-1]))]
    return _weigh(members, labels, penalty), penalty


def _weigh(members: Members, labels: Labels, penalty: float) -> Weighing:
    import numpy as np
    from scipy.optimize import minimize

    from routectl.routers.mf import sigmoid

    references = tuple(
        rank_reference(scores, noise)
        for scores, noise in zip(members.scores, members.noise, strict=True)
    )
    features = np.stack(
        [
            2 * reference.of(scores) - 1
            for reference, scores in zip(references, members.scores, strict=True)
        ]
    )

    def loss(parameters: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        weights, intercept = parameters[:-1], parameters[-1]
        logits = weights @ features + intercept + labels.task_intercept
        losses = np.logaddexp(0, logits) - labels.short * logits
        value = losses.mean() + penalty * weights @ weights
        wrong = (sigmoid(logits) - labels.short) / len(logits)
        return float(value), np.append(features @ wrong + 2 * penalty * weights, wrong.sum())

    start = np.append(np.full(len(features), 1 / len(features)), 0.0)
    bounds = [(0.0, None)] * len(features) + [(None, None)]
    solution = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds)
    return Weighing(references, solution.x[:-1], float(solution.x[-1]))


def _best_member(members: Members, gain: NDArray[np.float64]) -> int:
    import numpy as np

    zero = np.zeros(len(gain))
    if not gain.sum() > 0:  # a fold without a gap cannot tell; the first is as good as any
        return 0
    return int(np.argmax([apgr(quality_curve(row, gain, zero)) for row in members.scores]))


def _folds(
    n: int, draw: np.random.Generator
) -> Iterator[tuple[NDArray[np.intp], NDArray[np.intp]]]:
    """Rows to learn from and rows to judge by, five times; every row is judged by once."""
    import numpy as np

    fold = draw.permutation(n) % FOLDS
    for number in range(FOLDS):
        yield np.flatnonzero(fold != number), np.flatnonzero(fold == number)


def figures(judged: Stack, names: Sequence[str]) -> dict[str, str]:
    """Rows of the model card: APGR of all, the difference, and what it means."""
    rows = {}
    for name in (_ENSEMBLE, *names):
        estimate = judged.judged.estimate(name, APGR)
        rows[f"APGR of {name}, nested cross-validation"] = (
            f"{estimate.value:.3f} ({estimate.low:.3f} to {estimate.high:.3f})"
        )
    difference = judged.judged.compare(_ENSEMBLE, _BEST, APGR)
    rows["ensemble less its best member, APGR"] = (
        f"{difference.difference:+.3f} ({difference.low:+.3f} to {difference.high:+.3f})"
    )
    said = {
        "better": "yes",
        "worse": "no, it is worse",
        "can't tell": "these prompts cannot tell",
    }
    rows["does the ensemble beat its best member?"] = said[difference.verdict]
    return rows
