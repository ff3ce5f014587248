"""The fit of `mf`: from prompt vectors and comparisons to the factors of section 4.2.2.

The published training fits each model's vector by itself. Models of different data sets then share
nothing, and what one data set says about strong models never reaches the others. Here a model's
vector starts from a straight line in its rating and departs from it as far as its own comparisons
carry: `v_M = c0 + c1 * rating_M + u_M`, with a penalty on u. What is stored is v_M.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from routectl.preferences.comparisons import Comparisons, ratings
from routectl.training.fits.curve import LossCurve

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Settings:
    """How the fit is done. The values were chosen on held-out gold prompts, see docs/routers.md."""

    dimension: int = 64
    learning_rate: float = 3e-3
    weight_decay: float = 0.1
    """AdamW's, on W1 and w2."""
    departure_penalty: float = 0.3
    """Times the mean of |u_M|^2, added to the loss."""
    input_noise: float = 0.0
    """Length of the normal noise that is added to a prompt's vector while training."""
    batch_prompts: int = 512
    max_epochs: int = 100
    patience: int = 8
    """Epochs without a lower held-out loss before the fit stops."""


@dataclass(frozen=True, slots=True)
class Fit:
    """The factors with the lowest held-out loss. M models, d dimensions, D the embedding's."""

    model_vectors: NDArray[np.float32]
    """Shape (M, d), rows of length 1."""
    projection: NDArray[np.float32]
    """W1, shape (d, D)."""
    weights: NDArray[np.float32]
    """w2, shape (d,)."""
    curve: LossCurve
    """Its baseline: the models' ratings alone, which know nothing of the prompt."""


def factorize(
    vectors: NDArray[np.float32],
    training: Comparisons,
    held_out: Comparisons,
    settings: Settings,
    seed: int,
    on_epoch: Callable[[int, int], None],
) -> Fit:
    """Fit the factors by early stopping on the held-out loss.

    The held-out loss is the weighted mean cross-entropy, in nats, of the model as it scores:
    without noise on its input. The same seed gives the same bits on the same machine.

    Args:
        vectors: shape (prompts, D).
        on_epoch: called after each epoch with the number done and the number at most.
    """
    import torch

    before = torch.are_deterministic_algorithms_enabled()
    torch.use_deterministic_algorithms(True)
    try:
        return _factorize(vectors, training, held_out, settings, seed, on_epoch)
    finally:
        torch.use_deterministic_algorithms(before)


def _factorize(
    vectors: NDArray[np.float32],
    training: Comparisons,
    held_out: Comparisons,
    settings: Settings,
    seed: int,
    on_epoch: Callable[[int, int], None],
) -> Fit:
    import numpy as np
    import torch

    generator = torch.Generator().manual_seed(seed)
    # Weights from another generator than the shuffles, so that the two stay independent.
    order = np.random.default_rng(seed)
    rating = ratings(training)
    scale = float(np.std(rating)) or 1.0
    standard = torch.tensor(rating / scale, dtype=torch.float32)
    d, width = settings.dimension, vectors.shape[1]

    def normal(*shape: int) -> Any:
        return torch.randn(*shape, generator=generator)

    projection = torch.nn.Parameter(normal(d, width) / width**0.5)
    weights = torch.nn.Parameter(torch.ones(d))
    base = torch.nn.Parameter(normal(d))
    slope = torch.nn.Parameter(normal(d))
    departures = torch.nn.Parameter(torch.zeros(len(training.models), d))
    optimizer = torch.optim.AdamW(
        [
            {"params": [projection, weights], "weight_decay": settings.weight_decay},
            {"params": [base, slope, departures], "weight_decay": 0.0},
        ],
        lr=settings.learning_rate,
    )
    inputs = torch.from_numpy(np.ascontiguousarray(vectors))
    batches = _Batches(training)

    def model_vectors() -> Any:
        raw = base + standard[:, None] * slope + departures
        return torch.nn.functional.normalize(raw, dim=1)

    def loss_sum(batch: _Batch, noise: float) -> Any:
        q = inputs[batch.prompts]
        if noise:
            q = q + noise / width**0.5 * normal(*q.shape)
        scores = (q @ projection.T) @ (weights * model_vectors()).T
        logits = scores[batch.row, batch.model_a] - scores[batch.row, batch.model_b]
        return torch.nn.functional.binary_cross_entropy_with_logits(
            logits, batch.outcome, weight=batch.weight, reduction="sum"
        )

    held_out_batches = _Batches(held_out)
    held_out_weight = float(held_out.weight.sum())
    best_loss, best_epoch, best = float("inf"), 0, None
    training_weight = float(training.weight.sum())
    losses: list[tuple[float, float]] = []
    for epoch in range(1, settings.max_epochs + 1):
        shuffled = order.permutation(len(batches.prompts))
        training_loss = 0.0
        for start in range(0, len(shuffled), settings.batch_prompts):
            batch = batches.take(shuffled[start : start + settings.batch_prompts])
            summed = loss_sum(batch, settings.input_noise)
            training_loss += float(summed.detach())
            loss = (
                summed / batch.weight.sum()
                + settings.departure_penalty * departures.square().sum(dim=1).mean()
            )
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        with torch.no_grad():
            total = sum(float(loss_sum(batch, 0.0)) for batch in held_out_batches.all(512))
            held_out_loss = total / held_out_weight
            losses.append((training_loss / training_weight, held_out_loss))
            if held_out_loss < best_loss:
                best_loss, best_epoch = held_out_loss, epoch
                best = [t.detach().clone() for t in (model_vectors(), projection, weights)]
        on_epoch(epoch, settings.max_epochs)
        if epoch - best_epoch >= settings.patience:
            break
    assert best is not None  # the first epoch's loss is finite, vectors and weights being so
    vectors_of_models, best_projection, best_weights = (tensor.numpy() for tensor in best)
    return Fit(
        model_vectors=vectors_of_models,
        projection=best_projection,
        weights=best_weights,
        curve=LossCurve(
            training=tuple(loss for loss, _ in losses),
            held_out=tuple(loss for _, loss in losses),
            best_epoch=best_epoch,
            baseline=rating_loss(rating, held_out),
        ),
    )


def rating_loss(rating: NDArray[np.float64], comparisons: Comparisons) -> float:
    """Weighted mean cross-entropy, in nats, of win rates that follow from ratings alone."""
    import numpy as np

    logits = rating[comparisons.model_a] - rating[comparisons.model_b]
    losses = np.logaddexp(0, logits) - comparisons.outcome * logits
    return float(np.average(losses, weights=comparisons.weight))


@dataclass(frozen=True, slots=True)
class _Batch:
    prompts: Any
    """Which prompts, shape (p,)."""
    row: Any
    """Of each comparison: which of those p prompts, shape (n,)."""
    model_a: Any
    model_b: Any
    outcome: Any
    weight: Any


class _Batches:
    """Comparisons by prompt, so that a prompt's vector is multiplied once for all of its own."""

    def __init__(self, comparisons: Comparisons) -> None:
        import numpy as np

        self._comparisons = comparisons
        self.prompts, self._starts, self._counts = np.unique(
            comparisons.prompt, return_index=True, return_counts=True
        )

    def take(self, chosen: NDArray[np.int64]) -> _Batch:
        import numpy as np
        import torch

        counts = self._counts[chosen]
        row = np.repeat(np.arange(len(chosen)), counts)
        within = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
        at = np.repeat(self._starts[chosen], counts) + within
        source = self._comparisons
        arrays = (source.model_a[at], source.model_b[at], source.outcome[at], source.weight[at])
        return _Batch(
            torch.from_numpy(self.prompts[chosen].astype(np.int64)),
            torch.from_numpy(row),
            *(torch.from_numpy(array) for array in arrays),
        )

    def all(self, size: int) -> list[_Batch]:
        import numpy as np

        return [
            self.take(np.arange(start, min(start + size, len(self.prompts))))
            for start in range(0, len(self.prompts), size)
        ]
