"""A causal language model that rates a prompt, section 4.2.4 of RouteLLM (arXiv 2406.18665).

It predicts one of five ratings of how well the weak model's answer would do. The strong win rate is
1 less the probability of a rating of `score_threshold` or more, given one of the five, so every
prompt has a score. A checkpoint is a low-rank adapter of a base model that is installed apart.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from routectl.checkpoint import (
    SHIPPED,
    Checkpoint,
    read_checkpoint,
    read_weights,
    require,
)
from routectl.embedding.base_models import CONVERTS, find_base, is_ready
from routectl.embedding.language_model import Template, load_model
from routectl.errors import CheckpointError, RouterError
from routectl.model_names import resolve
from routectl.records import ModelPair, RouterIdentity
from routectl.routers.causal_model import (
    LENGTH_WEIGHT,
    RATINGS,
    ROWS,
    TOKEN_BUDGET,
    RatingReader,
    adapter_shapes,
    last_states,
    merge_adapter,
    rating_logits,
    strong_win_rates,
)
from routectl.routers.protocol import EXTRACTION_FACT, OpenRouter, RouterDescription, fingerprint
from routectl.routers.question_length import OF_QUESTION, QuestionLength, read_question_length

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

SUMMARY = "a causal language model that rates the prompt (RouteLLM, section 4.2.4); slow"


def open_router(
    checkpoint: Path | None, strong_model: str | None, weak_model: str | None
) -> OpenRouter:
    """Open a causal_llm checkpoint for a model pair; None takes the checkpoint's default.

    Raises:
        RouterError: the checkpoint does not know a model on that side.
        CheckpointError: the checkpoint is missing, damaged or of another kind. That the base is
            missing is said when it is loaded, so that the router can be listed without it.
    """
    folder = SHIPPED / "causal_llm_4" if checkpoint is None else checkpoint
    saved = read_checkpoint(folder, "causal_llm")
    base_name: str = saved.get("base", "name", kind=str)
    base_digest: str = saved.get("base", "digest", kind=str)
    rank: int = saved.get("adapter", "rank", kind=int)
    scale: float = saved.get("adapter", "scale", kind=(int, float))
    tensors, digest = _read_adapter(saved, rank)
    length_feature = read_question_length(saved)
    if (length_feature is None) != (LENGTH_WEIGHT not in tensors):
        raise CheckpointError(
            f"{saved.folder}: the config's 'surface' and the tensor {LENGTH_WEIGHT!r} belong "
            "together, and one is missing; restore the checkpoint."
        )
    template = Template(*(saved.get("template", k, kind=str) for k in ("before", "after")))
    score_threshold = _score_threshold(saved)
    max_tokens: int = saved.get("max_tokens", kind=int)
    noise: float = saved.get("noise", kind=(int, float))
    default, strong_models, weak_models = _model_groups(saved)
    pair = ModelPair(
        default.strong
        if strong_model is None
        else resolve(strong_model, strong_models, side="strong"),
        default.weak if weak_model is None else resolve(weak_model, weak_models, side="weak"),
    )
    if pair.strong == pair.weak:
        raise RouterError(
            f"{pair.strong} is both the strong and the weak model; choose two different models."
        )
    facts: dict[str, object] = {
        "router": "causal_llm",
        "weights": digest,
        "scale": float(scale),
        "base": base_digest,
        "template": [template.before, template.after],
        "score_threshold": score_threshold,
        "max_tokens": max_tokens,
        "strong_model": pair.strong,
        "weak_model": pair.weak,
        "extraction": EXTRACTION_FACT,
        **({} if length_feature is None else {"surface": length_feature.config}),
    }
    identity = RouterIdentity("causal_llm", fingerprint(facts), pair, noise, facts)
    description = RouterDescription(
        name="causal_llm",
        kind="causal_llm",
        summary=SUMMARY,
        checkpoint=saved.folder,
        models=(*strong_models, *weak_models),
        default_pair=default,
        embedder=None,
        reads=f"the beginning of a long prompt ({max_tokens} tokens with the template)"
        + ("" if length_feature is None else OF_QUESTION),
        licence=saved.licence,
        card=saved.card,
        slow=True,
        notice=None if is_ready(base_digest) else CONVERTS,
    )

    def load() -> CausalLlmRouter:
        base = find_base(base_name, base_digest)
        reader = RatingReader(base.folder, template, max_tokens)
        model = load_model(base.folder)
        _require_fit(tensors, model.config.to_dict(), rank, saved)
        merge_adapter(model, tensors, scale)
        head = Head(tensors["bias"], tensors.get(ROWS), length_feature, tensors.get(LENGTH_WEIGHT))
        return CausalLlmRouter(identity, model, reader, head, score_threshold)

    return OpenRouter(identity, description, load)


def _read_adapter(checkpoint: Checkpoint, rank: int) -> tuple[dict[str, NDArray[Any]], str]:
    """The tensors of an adapter, each finite and of its rank, and the SHA-256 of their file."""
    tensors, digest = read_weights(checkpoint)
    for name, tensor in tensors.items():
        if name in ("bias", LENGTH_WEIGHT):
            require(tensors, name, (len(RATINGS),), checkpoint)
            continue
        if name == ROWS:
            require(tensors, name, (len(RATINGS), *tensor.shape[1:2]), checkpoint)
            continue
        side = name.rsplit(".", 1)[-1]
        if side not in ("A", "B") or tensor.ndim != 2 or tensor.shape["AB".index(side)] != rank:
            # B is (outputs, rank) and A is (rank, inputs).
            raise CheckpointError(
                f"{checkpoint.weights_path}: {name!r} is no tensor of an adapter of rank {rank}; "
                "restore the checkpoint."
            )
        require(tensors, name, tensor.shape, checkpoint)
    return tensors, digest


def _require_fit(
    tensors: Mapping[str, NDArray[Any]],
    base_config: Mapping[str, Any],
    rank: int,
    checkpoint: Checkpoint,
) -> None:
    """Refuse an adapter that does not have just the tensors that its base calls for."""
    shapes = adapter_shapes(base_config, rank)
    if ROWS in tensors:
        shapes[ROWS] = (len(RATINGS), int(base_config["hidden_size"]))
        if LENGTH_WEIGHT in tensors:
            shapes[LENGTH_WEIGHT] = (len(RATINGS),)
    for name, shape in shapes.items():
        require(tensors, name, shape, checkpoint)
    extra = sorted(set(tensors) - set(shapes))
    if extra:
        raise CheckpointError(
            f"{checkpoint.weights_path} holds the tensor {extra[0]!r}, which the base model has no "
            "place for; restore the checkpoint."
        )


def _score_threshold(checkpoint: Checkpoint) -> int:
    value: int = checkpoint.get("score_threshold", kind=int)
    if not 2 <= value <= 5:
        raise CheckpointError(
            f"{checkpoint.folder} has the score_threshold {value}, and it must be 2 to 5; "
            "restore the checkpoint."
        )
    return value


def _model_groups(checkpoint: Checkpoint) -> tuple[ModelPair, tuple[str, ...], tuple[str, ...]]:
    """The default pair, and the models of either group in training."""
    groups = [
        tuple(str(m) for m in checkpoint.get("models", side, kind=list))
        for side in ("strong", "weak")
    ]
    pair = ModelPair(*(checkpoint.get("default_pair", k, kind=str) for k in ("strong", "weak")))
    if pair.strong not in groups[0] or pair.weak not in groups[1]:
        raise CheckpointError(
            f"{checkpoint.folder} names {pair} as its default pair, and does not hold both models."
        )
    return pair, groups[0], groups[1]


@dataclass(frozen=True, slots=True)
class Head:
    """What makes the five ratings' logits of the last layer's state."""

    bias: NDArray[Any]
    """Shape (5,)."""
    rows: NDArray[Any] | None = None
    """What the state is multiplied with, shape (5, width); None is the rows of the base's own
    vocabulary."""
    question_length: QuestionLength | None = None
    """The features of the question's length, where that counts."""
    length_weight: NDArray[Any] | None = None
    """What that is multiplied with, shape (5,)."""

    def logits(self, states: NDArray[np.float32], prompts: Sequence[str]) -> NDArray[np.float64]:
        """With rows of its own: shape (n, 5), of states of shape (n, width)."""
        import numpy as np

        assert self.rows is not None
        logits: NDArray[np.float64] = states.astype(np.float64) @ self.rows.T.astype(np.float64)
        if self.question_length is not None and self.length_weight is not None:
            logits = logits + self.question_length.of(prompts) * self.length_weight
        return logits


class CausalLlmRouter:
    """A base model with an adapter merged into it."""

    def __init__(
        self,
        identity: RouterIdentity,
        model: Any,
        reader: RatingReader,
        head: Head,
        score_threshold: int,
    ) -> None:
        self.identity = identity
        self._model = model
        self._reader = reader
        self._head = head
        self._score_threshold = score_threshold

    def strong_win_rates(
        self, prompts: Sequence[str], *, token_budget: int = TOKEN_BUDGET
    ) -> NDArray[np.float64]:
        """Shape (n,), in [0, 1]. `token_budget` moves speed and the noise, and nothing else."""
        if self._head.rows is None:
            tokens = self._reader.read(prompts)
            logits = rating_logits(self._model, tokens, self._reader.ratings, token_budget)
        else:
            states = self.last_states(prompts, token_budget=token_budget)
            logits = self._head.logits(states, prompts)
        return strong_win_rates(logits + self._head.bias, self._score_threshold)

    def last_states(
        self, prompts: Sequence[str], *, token_budget: int = TOKEN_BUDGET
    ) -> NDArray[np.float32]:
        """What the last layer says at the end of each prompt, shape (n, width)."""
        return last_states(self._model, self._reader.read(prompts), token_budget)

    def rated_by(self, head: Head) -> CausalLlmRouter:
        """The same model with another head."""
        return CausalLlmRouter(
            self.identity, self._model, self._reader, head, self._score_threshold
        )

    def longer_than_read(self, prompts: Sequence[str]) -> NDArray[np.bool_]:
        """Shape (n,): True where the prompt has more tokens than are read."""
        return self._reader.longer_than_read(prompts)
