"""BERT classifier, section 4.2.3 of RouteLLM (arXiv 2406.18665).

An encoder reads the prompt, and a head on its first token's vector tells three classes apart: the
strong model wins, a tie, the weak model wins. The strong win rate is 1 less the summed probability
of the last two. A checkpoint holds the encoder's last layers and the head; the layers below are the
base's, an encoder that is installed. RouteLLM's own checkpoints are read by `published/bert.py`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from routectl.checkpoint import SHIPPED, Checkpoint, read_checkpoint
from routectl.embedding.trained_bert import CLASSES, Base, load_classifier, read_base, read_trained
from routectl.errors import RouterError
from routectl.records import ModelPair, RouterIdentity
from routectl.routers.pairs import choose_pair, default_pair
from routectl.routers.protocol import EXTRACTION_FACT, OpenRouter, RouterDescription, fingerprint

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from routectl.embedding.reading import TokenReader

SUMMARY = "BERT classifier: strong wins, tie or weak wins (RouteLLM, section 4.2.3)"


@dataclass(frozen=True, slots=True)
class ModelGroups:
    """The models that a checkpoint was trained between; within a group it tells none apart."""

    strong: tuple[str, ...]
    weak: tuple[str, ...]

    def choose(self, strong: str | None, weak: str | None, default: ModelPair) -> ModelPair:
        """The pair that was asked for, one model of each group.

        Raises:
            RouterError: a model is not known, or not of the group that its side takes.
        """
        pair = choose_pair(strong, weak, default, (*self.strong, *self.weak))
        if pair.strong in self.strong and pair.weak in self.weak:
            return pair
        if pair.strong in self.weak and pair.weak in self.strong:
            why = f"{pair.strong} is of its weak group and {pair.weak} of its strong group"
        else:
            group = "strong" if pair.strong in self.strong else "weak"
            why = f"{pair.strong} and {pair.weak} are both of its {group} group"
        raise RouterError(
            f"This bert checkpoint cannot decide between them: {why}. Strong group: "
            f"{', '.join(self.strong)}; weak group: {', '.join(self.weak)}."
        )


def open_router(
    checkpoint: Path | None, strong_model: str | None, weak_model: str | None
) -> OpenRouter:
    """Open a bert checkpoint.

    Every pair of a strong-group and a weak-group model has the same scores, and the pair is part of
    the fingerprint; None takes the checkpoint's default.

    Args:
        checkpoint: a folder of routectl's own.

    Raises:
        RouterError: the checkpoint does not know a model, or both are of one group.
        CheckpointError: the checkpoint is missing, damaged or of another kind.
    """

    folder = SHIPPED / "bert_3" if checkpoint is None else checkpoint
    saved = read_checkpoint(folder, "bert")
    base = read_base(saved)
    weights, digest = read_trained(saved, base)
    groups = ModelGroups(*(_names(saved, key) for key in ("strong_models", "weak_models")))
    default = default_pair(saved, (*groups.strong, *groups.weak))
    pair = groups.choose(strong_model, weak_model, default)
    facts: dict[str, object] = {
        "router": "bert",
        "weights": digest,
        "base": base.digest,
        "max_tokens": base.max_tokens,
        "reads": "head",
        "strong_model": pair.strong,
        "weak_model": pair.weak,
        "extraction": EXTRACTION_FACT,
    }
    noise: float = saved.get("noise", kind=(int, float))
    identity = RouterIdentity("bert", fingerprint(facts), pair, noise, facts)
    description = RouterDescription(
        name="bert",
        kind="bert",
        summary=SUMMARY,
        checkpoint=saved.folder,
        models=(*groups.strong, *groups.weak),
        default_pair=default,
        embedder=base.name,
        reads=f"the beginning of a long prompt ({base.max_tokens} tokens)",
        licence=saved.licence,
        card=saved.card,
    )
    return OpenRouter(identity, description, lambda: _load(identity, base, weights, saved.folder))


def _names(checkpoint: Checkpoint, key: str) -> tuple[str, ...]:
    return tuple(str(name) for name in checkpoint.get(key, kind=list))


def _load(
    identity: RouterIdentity, base: Base, weights: Mapping[str, NDArray[Any]], folder: Path
) -> BertRouter:
    from routectl.embedding.reading import TokenReader

    classifier = load_classifier(base, weights, folder)
    reader = TokenReader(classifier.bert.tokenizer, base.max_tokens)
    return BertRouter(identity, classifier, reader)


class Classifier(Protocol):
    """A model that is in memory."""

    def logits(self, tokens: Sequence[Sequence[int]]) -> NDArray[np.float32]:
        """Of each text's token ids the three classes' logits, shape (n, 3)."""


class BertRouter:
    """Scores prompts by a classifier of three classes."""

    def __init__(
        self, identity: RouterIdentity, classifier: Classifier, reader: TokenReader
    ) -> None:
        self.identity = identity
        self._classifier = classifier
        self._reader = reader

    def strong_win_rates(
        self, prompts: Sequence[str], *, token_budget: int = 1024
    ) -> NDArray[np.float64]:
        """Shape (n,), in [0, 1].

        Args:
            token_budget: tokens of a batch, padding included; it moves speed and the noise, and
                nothing else.
        """
        import numpy as np

        from routectl.embedding.batches import batches

        tokens = self._reader.read(prompts)
        logits = np.empty((len(prompts), len(CLASSES)))
        for rows in batches([len(ids) for ids in tokens], token_budget):
            logits[rows] = self._classifier.logits([tokens[row] for row in rows])
        return win_rates(logits)

    def longer_than_read(self, prompts: Sequence[str]) -> NDArray[np.bool_]:
        """Shape (n,): True where the prompt has more tokens than are read."""
        import numpy as np

        return np.array(self._reader.longer_than_read(prompts), dtype=np.bool_)


def win_rates(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    """1 less the summed probability of tie and weak win, as published.

    Args:
        logits: shape (n, 3), in the order of `CLASSES`.

    Returns:
        Shape (n,), in [0, 1].
    """
    import numpy as np

    exp_logits = np.exp(logits - logits.max(axis=1, keepdims=True))
    probabilities = exp_logits / exp_logits.sum(axis=1, keepdims=True)
    rates: NDArray[np.float64] = np.clip(1 - probabilities[:, 1:].sum(axis=1), 0, 1)
    return rates
