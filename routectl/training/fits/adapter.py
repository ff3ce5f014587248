"""The fit of `causal_llm`: a low-rank adapter of a causal language model that predicts ratings."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from routectl.embedding.batches import batches
from routectl.embedding.language_model import device, tokens_at_once
from routectl.routers.causal_model import TARGETS, last_hidden

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray


def faster_dtype() -> str:
    """bfloat16 where this GPU or processor multiplies it, else float32.

    A processor without such instructions computes bfloat16 several times slower than float32.
    """
    import torch

    if device() == "cuda":
        return "bfloat16" if torch.cuda.is_bf16_supported() else "float32"
    # An older torch does not say what the processor can do.
    capabilities: dict[str, object] = getattr(torch.cpu, "get_capabilities", dict)()
    return (
        "bfloat16"
        if any(capabilities[name] for name in capabilities if "bf16" in name)
        else "float32"
    )


@dataclass(frozen=True, slots=True)
class AdapterSettings:
    """How the fit is done."""

    rank: int = 8
    scale: int = 2
    """Times B A in the adapted weight W + scale * B A."""
    learning_rate: float = 1e-3
    """AdamW's at its highest: it rises over the first twentieth of the steps, then falls to 0."""
    batch_examples: int = 8
    max_tokens: int = 256
    """Tokens of a training example, template included; scoring reads more of a long prompt."""
    dtype: str = field(default_factory=lambda: faster_dtype())
    """Of the base's weights while training; the adapter and what ships are float32."""
    max_epochs: int = 1
    evaluations_per_epoch: int = 2
    """How often in a pass over the examples the held-out loss is taken, evenly spaced."""
    patience: int = 2
    """Evaluations without a lower held-out loss before the fit stops."""
    token_budget: int = 1024
    """Tokens that go through the model at once on a CPU; it moves speed and rounding alone."""


@dataclass(frozen=True, slots=True)
class Examples:
    """What is learned from; n of them."""

    tokens: Sequence[Sequence[int]]
    """Template and prompt."""
    targets: NDArray[np.float32]
    """Probability of each of the five ratings, shape (n, 5), rows sum to 1."""
    task_intercept: NDArray[np.float32]
    """Added to the logits while learning and measuring, shape (n, 5); see
    `labels.task_intercepts`."""

    def __len__(self) -> int:
        return len(self.tokens)


@dataclass(slots=True)
class FitState:
    """Where a fit is, all that it takes to go on from there."""

    step: int = 0
    tensors: dict[str, NDArray[np.float32]] = field(default_factory=dict)
    """The bias; the adapter now (`now.`) and at the lowest held-out loss (`best.`); and AdamW's
    moments of it."""
    training: list[float] = field(default_factory=list)
    """Mean training loss since the evaluation before, in nats; one for each evaluation."""
    held_out: list[float] = field(default_factory=list)
    best_evaluation: int = 0
    """1-based; 0 before the first."""
    running: tuple[float, float] = (0.0, 0.0)
    """Sum of the losses and number of the examples since the last evaluation."""


class Keeper(Protocol):
    """Keeps the state of a fit."""

    def __call__(self, state: FitState) -> None: ...


STEPS_BETWEEN_SAVES = 10
_BIAS_SAMPLE = 64
_LEAST_SHARE = 0.002


def fit_adapter(
    model: Any,
    training: Examples,
    held_out: Examples,
    ratings: Sequence[int],
    settings: AdapterSettings,
    seed: int,
    state: FitState | None = None,
    keep: Keeper = lambda state: None,
    on_examples: Callable[[int, int], None] = lambda done, total: None,
) -> tuple[dict[str, NDArray[np.float32]], FitState]:
    """Fit the adapter by cross-entropy, with early stopping on the held-out loss.

    The same seed gives the same adapter on the same machine, stopped and resumed or not.

    Args:
        model: a causal language model of transformers; it is changed.
        ratings: token ids of the five ratings.
        state: where an earlier run of the same fit stopped; None to begin.
        keep: called with the state every few steps.
        on_examples: called with the number of examples learned from and of those at most.

    Returns:
        The adapter with the lowest held-out loss, named as in `causal_model.adapter_shapes`, and
        the state at the end.
    """
    import torch

    state = state or FitState()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        run = _Run(model, ratings, settings, state)
        if state.step == 0:
            run.start(training)
    steps = -(-len(training) // settings.batch_examples)
    total = steps * settings.max_epochs
    evaluate_at = _evaluations(steps, settings)
    while state.step < total and not _is_over(state, settings):
        order = _order(len(training), seed, state.step // steps)
        start = state.step % steps * settings.batch_examples
        run.learn(training, order[start : start + settings.batch_examples], total)
        on_examples(
            min(state.step * settings.batch_examples, settings.max_epochs * len(training)),
            settings.max_epochs * len(training),
        )
        evaluate = (state.step - 1) % steps + 1 in evaluate_at
        if evaluate:
            run.evaluate(held_out)
        if evaluate or state.step % STEPS_BETWEEN_SAVES == 0:
            run.write()
            keep(state)
    best = {name[5:]: t for name, t in state.tensors.items() if name.startswith("best.")}
    return {**best, "bias": state.tensors["bias"]}, state


def _evaluations(steps: int, settings: AdapterSettings) -> set[int]:
    """After which steps of an epoch, counted from 1, the held-out loss is taken."""
    count = min(settings.evaluations_per_epoch, steps)
    return {round(steps * number / count) for number in range(1, count + 1)}


def _is_over(state: FitState, settings: AdapterSettings) -> bool:
    return len(state.held_out) - state.best_evaluation >= settings.patience


def _order(count: int, seed: int, epoch: int) -> NDArray[np.int64]:
    import numpy as np

    return np.random.default_rng([seed, 2, epoch]).permutation(count)


def learning_rate(step: int, total: int, highest: float) -> float:
    """Of step `step` of `total`, counted from 0: up over a twentieth, then down to 0 in a line."""
    warm = max(1, total // 20)
    return highest * min((step + 1) / warm, (total - step) / max(1, total - warm + 1))


class _Run:
    """A model with its adapter and optimiser."""

    def __init__(
        self, model: Any, ratings: Sequence[int], settings: AdapterSettings, state: FitState
    ) -> None:
        import torch
        from peft import LoraConfig, get_peft_model

        config = LoraConfig(
            r=settings.rank,
            lora_alpha=settings.scale * settings.rank,
            target_modules=list(TARGETS),
        )
        self._head = model.get_output_embeddings().weight[list(ratings)].detach().float()
        # What peft wraps is the model itself: its layers are replaced in place.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # between peft and transformers
            adapted = get_peft_model(model, config, autocast_adapter_dtype=True)
        self._model = model
        self._bias = torch.zeros(len(ratings), device=model.device)
        self._settings = settings
        self._state = state
        self._parameters = {
            _name(name): tensor for name, tensor in adapted.named_parameters() if "lora_" in name
        }
        self._optimizer = torch.optim.AdamW(
            self._parameters.values(), lr=settings.learning_rate, weight_decay=0.0
        )
        if state.step:
            self._read()
            self._bias = torch.from_numpy(state.tensors["bias"]).to(model.device)

    def start(self, examples: Examples) -> None:
        """Set the bias: with it the untouched model gives the mean of the targets.

        The base prefers one rating to another for reasons that have nothing to do with the prompt.
        Without the bias the adapter would spend its first hundreds of examples on unlearning that.
        """
        import numpy as np
        import torch

        sample = examples.tokens[:_BIAS_SAMPLE]
        with torch.inference_mode():
            logits = torch.cat(
                [
                    last_hidden(self._model, [sample[row] for row in part]).float() @ self._head.T
                    for part in batches([len(tokens) for tokens in sample], 1024)
                ]
            ).cpu()
        # A rating that nobody gave keeps a small share, whose logarithm is finite.
        shares = (examples.targets.mean(axis=0) + _LEAST_SHARE) / (1 + 5 * _LEAST_SHARE)
        usual = torch.log_softmax(logits, dim=1).mean(dim=0).clone()
        bias = torch.from_numpy(np.log(shares).astype(np.float32)) - usual
        self._state.tensors["bias"] = bias.numpy()
        self._bias = bias.to(self._model.device)

    def learn(self, examples: Examples, rows: NDArray[np.int64], total: int) -> None:
        """One step of the optimiser on the examples `rows`."""
        import torch

        state, settings = self._state, self._settings
        summed = 0.0
        self._optimizer.zero_grad()
        at_once = tokens_at_once(settings.token_budget)
        for part in batches([len(examples.tokens[row]) for row in rows], at_once):
            loss = self._loss_sum(examples, rows[part])
            torch.autograd.backward(loss / len(rows))
            summed += float(loss.detach())
        torch.nn.utils.clip_grad_norm_(self._parameters.values(), 1.0)
        for group in self._optimizer.param_groups:
            group["lr"] = learning_rate(state.step, total, settings.learning_rate)
        self._optimizer.step()
        state.step += 1
        state.running = (state.running[0] + summed, state.running[1] + len(rows))

    def evaluate(self, held_out: Examples) -> None:
        """Take the held-out loss, and keep the adapter if it is the lowest."""
        import numpy as np
        import torch

        state = self._state
        lengths = [len(tokens) for tokens in held_out.tokens]
        with torch.inference_mode():
            summed = sum(
                float(self._loss_sum(held_out, np.array(part)))
                for part in batches(lengths, tokens_at_once(self._settings.token_budget))
            )
        state.held_out.append(summed / len(held_out))
        state.training.append(state.running[0] / state.running[1])
        state.running = (0.0, 0.0)
        if state.held_out[-1] == min(state.held_out):
            state.best_evaluation = len(state.held_out)
            state.tensors.update(self._tensors("best."))

    def _loss_sum(self, examples: Examples, rows: NDArray[np.int64]) -> torch.Tensor:
        import torch

        states = last_hidden(self._model, [examples.tokens[row] for row in rows])
        logits = states.float() @ self._head.T + self._bias
        task_intercept, targets = (
            torch.from_numpy(of_all[rows]).to(logits.device)
            for of_all in (examples.task_intercept, examples.targets)
        )
        return -(targets * torch.log_softmax(logits + task_intercept, dim=1)).sum()

    def write(self) -> None:
        """Bring the state's tensors up to date."""
        tensors = self._tensors("now.")
        for name, parameter in self._parameters.items():
            for moment in _MOMENTS:
                moments = self._optimizer.state[parameter][moment]
                tensors[f"{moment}.{name}"] = moments.cpu().numpy().copy()
        self._state.tensors.update(tensors)

    def _tensors(self, prefix: str) -> dict[str, NDArray[np.float32]]:
        return {
            prefix + name: parameter.detach().cpu().numpy().copy()
            for name, parameter in self._parameters.items()
        }

    def _read(self) -> None:
        import torch

        saved: Mapping[str, NDArray[np.float32]] = self._state.tensors
        with torch.no_grad():
            for name, parameter in self._parameters.items():
                parameter.copy_(torch.from_numpy(saved[f"now.{name}"]))
                self._optimizer.state[parameter] = {
                    "step": torch.tensor(float(self._state.step)),
                    **{
                        m: torch.from_numpy(saved[f"{m}.{name}"].copy()).to(parameter.device)
                        for m in _MOMENTS
                    },
                }


_MOMENTS = ("exp_avg", "exp_avg_sq")


def _name(parameter: str) -> str:
    """`...layers.0.self_attn.q_proj.lora_A.default.weight` -> `layers.0.q_proj.A`."""
    parts = parameter.split(".")
    at = parts.index("layers")
    side = parts[-3].removeprefix("lora_")
    return f"layers.{parts[at + 1]}.{parts[at + 3]}.{side}"
