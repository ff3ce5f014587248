"""The fit of `bert`: the last layers of an encoder and a head of three classes, by AdamW.

The layers below stay as they are, so their output is computed once and kept; an epoch
then costs only what is trained. Pooler and head read the first token's vector, so the last layer is
computed for no other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from routectl.training.fits.curve import LossCurve
from routectl.training.output.partial import PartialRun

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray

_EPOCH = "epoch"
_SORTED_BATCHES = 8
"""Batches whose prompts are sorted by length among each other, to waste little on padding."""


@dataclass(frozen=True, slots=True)
class Settings:
    """How the fit is done. The values: research/routers.md."""

    layers: int = 1
    """Last layers that are trained, with the pooler and the head."""
    learning_rate: float = 3e-5
    weight_decay: float = 0.01
    batch_prompts: int = 32
    warm_up: float = 0.1
    """Share of all steps in which the learning rate rises; it then falls to zero."""
    max_epochs: int = 3
    patience: int = 2
    """Epochs without a lower held-out loss before the fit stops."""


@dataclass(frozen=True, slots=True)
class States:
    """The output of the layers that stay as they are, of n prompts with T tokens in all."""

    values: NDArray[np.float16]
    """The prompts' tokens behind each other, shape (T, H)."""
    starts: NDArray[np.int64]
    """Where each prompt begins, and the end, shape (n + 1,)."""

    def padded(self, rows: Sequence[int]) -> tuple[torch.Tensor, torch.Tensor]:
        """The prompts `rows` as (rows, longest, H), and which of it is text, (rows, longest)."""
        import torch

        lengths = [int(self.starts[row + 1] - self.starts[row]) for row in rows]
        states = torch.zeros((len(rows), max(lengths), self.values.shape[1]))
        mask = torch.zeros((len(rows), max(lengths)), dtype=torch.bool)
        for at, (row, length) in enumerate(zip(rows, lengths, strict=True)):
            start = int(self.starts[row])
            states[at, :length] = torch.from_numpy(self.values[start : start + length]).float()
            mask[at, :length] = True
        return states, mask


@dataclass(frozen=True, slots=True)
class Fit:
    """The weights with the lowest held-out loss, by the names of `transformers`."""

    tensors: dict[str, NDArray[np.float32]]
    curve: LossCurve
    """Its baseline: the mean outcome and the task intercepts, which know only the prompt's task."""


def fine_tune(
    model: Any,
    trained: Iterable[str],
    states: States,
    outcome: NDArray[np.float32],
    task_intercept: NDArray[np.float32],
    held_out: NDArray[np.bool_],
    settings: Settings,
    seed: int,
    partial: PartialRun,
    on_step: Callable[[int, int], None],
) -> Fit:
    """Minimise the cross-entropy of the outcomes, and keep the epoch that is best when held out.

    What is random in an epoch hangs on the seed and its number alone, so that a run that goes on
    from a kept epoch does what the uninterrupted one does.

    Args:
        model: a BertForSequenceClassification of three labels.
        trained: names of its parameters that are trained.
        states: the output of its lower layers, of n prompts.
        outcome: shares of the three classes, shape (n, 3), rows sum to 1.
        task_intercept: added to the logits while learning and measuring, shape (n, 3); see
            `labels.task_intercepts`.
        held_out: shape (n,), with at least one True and one False.
        partial: keeps each epoch.
        on_step: called with the steps done and those of all epochs.
    """
    import numpy as np
    import torch

    learning, measured = np.flatnonzero(~held_out), np.flatnonzero(held_out)
    top = _Top(model, settings.layers)
    parameters = _only(model, trained)
    optimizer = torch.optim.AdamW(
        parameters.values(), lr=settings.learning_rate, weight_decay=settings.weight_decay
    )
    most = settings.max_epochs * _batch_count(len(learning), settings)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, _schedule(most, settings.warm_up))
    progress = _Progress.taken_up(partial, parameters, optimizer, schedule)
    targets = _Targets(torch.from_numpy(outcome), torch.from_numpy(task_intercept))
    lengths = np.diff(states.starts)

    while not progress.is_over(settings):
        order = np.random.default_rng([seed, 2, progress.epochs]).permutation(learning)
        torch.manual_seed(seed * 1_000_003 + progress.epochs)
        top.train()
        total = 0.0
        for rows in _batches(order, lengths, settings.batch_prompts):
            loss = targets.loss(top(*states.padded(rows)), rows)
            optimizer.zero_grad()
            torch.autograd.backward(loss)
            torch.nn.utils.clip_grad_norm_(parameters.values(), 1.0)
            optimizer.step()
            schedule.step()
            total += float(loss.detach()) * len(rows)
            on_step(schedule.last_epoch, most)
        held_out_loss = _measure(top, states, targets, measured, lengths, settings.batch_prompts)
        progress.add(total / len(learning), held_out_loss, parameters)
        progress.keep(partial, parameters, optimizer)
    on_step(most, most)
    mean = torch.from_numpy(np.log(np.maximum(outcome[learning].mean(axis=0), 1e-6)))
    baseline = targets.loss(mean.expand(len(measured), -1), measured)
    return Fit(
        {name: tensor.numpy() for name, tensor in progress.best.items()},
        LossCurve(
            tuple(progress.training),
            tuple(progress.held_out),
            progress.best_epoch,
            float(baseline),
        ),
    )


@dataclass(frozen=True, slots=True)
class _Targets:
    """What n prompts came to."""

    outcome: torch.Tensor
    """Shares of the classes, shape (n, 3)."""
    task_intercept: torch.Tensor
    """What their tasks add to the logits, shape (n, 3)."""

    def loss(self, logits: torch.Tensor, rows: Any) -> torch.Tensor:
        """Mean cross-entropy, in nats, of the prompts `rows`, with logits of shape (rows, 3)."""
        from torch.nn import functional

        return functional.cross_entropy(logits + self.task_intercept[rows], self.outcome[rows])


class _Top:
    """The layers that are trained, the pooler and the head, applied to states below them."""

    def __init__(self, model: Any, layers: int) -> None:
        self._model = model
        body = model.base_model
        self._layers = list(body.encoder.layer[len(body.encoder.layer) - layers :])
        self._pooler = body.pooler

    def train(self) -> None:
        self._model.train()

    def eval(self) -> None:
        self._model.eval()

    def __call__(self, x: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Logits, shape (n, 3), of states (n, T, H) where `mask`, (n, T), is True."""
        for number, layer in enumerate(self._layers, start=1):
            queries = x[:, :1] if number == len(self._layers) else x
            x = _layer(layer, x, mask, queries)
        logits: torch.Tensor = self._model.classifier(self._model.dropout(self._pooler(x)))
        return logits


def _layer(layer: Any, x: torch.Tensor, mask: torch.Tensor, queries: torch.Tensor) -> torch.Tensor:
    """A layer's output in the places of `queries`, which are the first ones of `x`."""
    from torch.nn import functional

    own = layer.attention.self

    def heads(projected: torch.Tensor) -> torch.Tensor:
        split = projected.view(*projected.shape[:2], own.num_attention_heads, -1)
        return split.transpose(1, 2)

    attended = functional.scaled_dot_product_attention(
        heads(own.query(queries)),
        heads(own.key(x)),
        heads(own.value(x)),
        attn_mask=mask[:, None, None, :],
        dropout_p=own.dropout.p if own.training else 0.0,
    )
    mixed = layer.attention.output(attended.transpose(1, 2).flatten(2), queries)
    output: torch.Tensor = layer.output(layer.intermediate(mixed), mixed)
    return output


class _Progress:
    """The epochs so far, and the weights of the best."""

    def __init__(self) -> None:
        self.training: list[float] = []
        self.held_out: list[float] = []
        self.best: dict[str, torch.Tensor] = {}

    @property
    def epochs(self) -> int:
        return len(self.held_out)

    @property
    def best_epoch(self) -> int:
        """The first is 1."""
        return 1 + self.held_out.index(min(self.held_out))

    def is_over(self, settings: Settings) -> bool:
        if self.epochs == 0:
            return False
        waited = self.epochs - self.best_epoch
        return self.epochs == settings.max_epochs or waited == settings.patience

    def add(self, training: float, held_out: float, parameters: dict[str, Any]) -> None:
        self.training.append(training)
        self.held_out.append(held_out)
        if self.best_epoch == self.epochs:
            self.best = {name: value.detach().clone() for name, value in parameters.items()}

    def keep(self, partial: PartialRun, parameters: dict[str, Any], optimizer: Any) -> None:
        """Keep all that the next epoch starts from."""
        tensors = {f"best/{name}": value for name, value in self.best.items()}
        for name, value in parameters.items():
            tensors[f"now/{name}"] = value.detach()
            tensors |= {f"{key}/{name}": optimizer.state[value][key] for key in _MOMENTS}
        facts = {"training": self.training, "held_out": self.held_out}
        steps = int(optimizer.state[next(iter(parameters.values()))]["step"])
        partial.save(
            _EPOCH, {key: value.numpy() for key, value in tensors.items()}, facts | {"steps": steps}
        )

    @classmethod
    def taken_up(
        cls, partial: PartialRun, parameters: dict[str, Any], optimizer: Any, schedule: Any
    ) -> _Progress:
        """What an earlier run kept, put into the model, the optimizer and the schedule."""
        import torch

        progress = cls()
        kept = partial.load(_EPOCH)
        if kept is None:
            return progress
        tensors, facts = {key: torch.from_numpy(value) for key, value in kept[0].items()}, kept[1]
        progress.training, progress.held_out = facts["training"], facts["held_out"]
        progress.best = {name: tensors[f"best/{name}"] for name in parameters}
        steps = int(facts["steps"])
        moments = {}
        for number, (name, value) in enumerate(parameters.items()):
            value.data.copy_(tensors[f"now/{name}"])
            moments[number] = {key: tensors[f"{key}/{name}"] for key in _MOMENTS}
            moments[number]["step"] = torch.tensor(float(steps))
        optimizer.load_state_dict({**optimizer.state_dict(), "state": moments})
        schedule.last_epoch = steps
        for group, rate in zip(optimizer.param_groups, schedule.base_lrs, strict=True):
            group["lr"] = rate * schedule.lr_lambdas[0](steps)
        return progress


_MOMENTS = ("exp_avg", "exp_avg_sq")
"""Of the gradient, as AdamW calls its running means."""


def _only(model: Any, trained: Iterable[str]) -> dict[str, Any]:
    """The parameters that are trained; all others are frozen."""
    wanted = set(trained)
    tensors = {}
    for name, value in model.named_parameters():
        value.requires_grad_(name in wanted)
        if name in wanted:
            tensors[name] = value
    return tensors


def _schedule(steps: int, warm_up: float) -> Callable[[int], float]:
    rising = max(1, round(warm_up * steps))
    return lambda step: min((step + 1) / rising, max(0.0, (steps - step) / max(1, steps - rising)))


def _batch_count(prompts: int, settings: Settings) -> int:
    return -(-prompts // settings.batch_prompts)


def _batches(order: NDArray[np.intp], lengths: NDArray[np.int64], size: int) -> Iterator[list[int]]:
    """Batches of a random order, of about equal lengths within each few."""
    for start in range(0, len(order), size * _SORTED_BATCHES):
        chunk = sorted(order[start : start + size * _SORTED_BATCHES], key=lambda row: -lengths[row])
        for at in range(0, len(chunk), size):
            yield [int(row) for row in chunk[at : at + size]]


def _measure(
    top: _Top,
    states: States,
    targets: _Targets,
    rows: NDArray[np.intp],
    lengths: NDArray[np.int64],
    size: int,
) -> float:
    import torch

    top.eval()
    total = 0.0
    with torch.no_grad():
        for batch in _batches(rows, lengths, size):
            total += float(targets.loss(top(*states.padded(batch)), batch)) * len(batch)
    return total / len(rows)
