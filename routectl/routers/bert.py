"""BERT classifier, section 4.2.3 of RouteLLM (arXiv 2406.18665).

An encoder reads the prompt, and a head on its first token's vector tells three classes apart: the
strong model wins, a tie, the weak model wins. The strong win rate is 1 less the summed probability
of the last two. A checkpoint holds the encoder's last layers and the head; the layers below are the
base's, an encoder that is installed. RouteLLM's own checkpoints are read by `bert_published`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from routectl.errors import CheckpointError, RouterError
from routectl.records import ModelPair, RouterIdentity
from routectl.routers.checkpoint import (
    SHIPPED,
    Checkpoint,
    read_checkpoint,
    read_weights,
    require,
)
from routectl.routers.pairs import choose_pair, default_pair
from routectl.routers.protocol import OpenRouter, RouterDescription, fingerprint
from routectl.routers.published import is_published, locate

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray

    from routectl.embedding.bert import Bert
    from routectl.embedding.reading import TokenReader

SUMMARY = "BERT classifier: strong wins, tie or weak wins (RouteLLM, section 4.2.3)"
CLASSES = ("strong wins", "tie", "weak wins")
"""In the order of the head's outputs."""


@dataclass(frozen=True, slots=True)
class Tiers:
    """The models that a checkpoint was trained between: it tells none from its tier-mates."""

    strong: tuple[str, ...]
    weak: tuple[str, ...]

    def choose(self, strong: str | None, weak: str | None, default: ModelPair) -> ModelPair:
        """The pair that was asked for, one model of each tier.

        Raises:
            RouterError: a model is not known, or not of the tier that its side takes.
        """
        pair = choose_pair(strong, weak, default, (*self.strong, *self.weak))
        if pair.strong in self.strong and pair.weak in self.weak:
            return pair
        if pair.strong in self.weak and pair.weak in self.strong:
            why = f"{pair.strong} is of its weak tier and {pair.weak} of its strong tier"
        else:
            tier = "strong" if pair.strong in self.strong else "weak"
            why = f"{pair.strong} and {pair.weak} are both of its {tier} tier"
        raise RouterError(
            f"This bert checkpoint cannot decide between them: {why}. Strong tier: "
            f"{', '.join(self.strong)}; weak tier: {', '.join(self.weak)}."
        )


@dataclass(frozen=True, slots=True)
class Base:
    """The encoder under the trained layers, as a checkpoint's config names it."""

    name: str
    digest: str
    """Of all its files, the tokenizer's included."""
    layers: int
    hidden: int
    intermediate: int
    max_tokens: int


def open_router(
    checkpoint: Path | None, strong_model: str | None, weak_model: str | None
) -> OpenRouter:
    """Open a bert checkpoint.

    Every pair of a strong-tier and a weak-tier model has the same scores, and the pair is part of
    the fingerprint; None takes the checkpoint's default.

    Args:
        checkpoint: a folder of routectl's own or in RouteLLM's published layout, or the latter's
            name on the model hub.

    Raises:
        RouterError: the checkpoint does not know a model, or both are of one tier.
        CheckpointError: the checkpoint is missing, damaged or of another kind.
    """
    from routectl.extraction import EXTRACTION_VERSION
    from routectl.routers import bert_published

    folder = SHIPPED / "bert_3" if checkpoint is None else locate(checkpoint)
    if is_published(folder):
        return bert_published.open_published(folder, strong_model, weak_model)
    found = read_checkpoint(folder, "bert")
    base = _base(found)
    weights, digest = read_trained(found, base)
    tiers = Tiers(*(_names(found, key) for key in ("strong_models", "weak_models")))
    default = default_pair(found, (*tiers.strong, *tiers.weak))
    pair = tiers.choose(strong_model, weak_model, default)
    facts: dict[str, object] = {
        "router": "bert",
        "weights": digest,
        "base": base.digest,
        "max_tokens": base.max_tokens,
        "reads": "head",
        "strong_model": pair.strong,
        "weak_model": pair.weak,
        "extraction": EXTRACTION_VERSION,
    }
    noise: float = found.get("noise", kind=(int, float))
    identity = RouterIdentity("bert", fingerprint(facts), pair, noise, facts)
    description = RouterDescription(
        name="bert",
        kind="bert",
        summary=SUMMARY,
        checkpoint=found.folder,
        models=(*tiers.strong, *tiers.weak),
        default_pair=default,
        embedder=base.name,
        reads=f"the beginning of a long prompt ({base.max_tokens} tokens)",
        licence=found.licence,
        card=found.card,
    )
    return OpenRouter(identity, description, lambda: _load(identity, base, weights, found.folder))


def trained_shapes(base: Base, trained_layers: int) -> dict[str, tuple[int, ...]]:
    """Name and shape of each tensor of a checkpoint, named as `transformers` names them."""
    wide, narrow = (base.intermediate, base.hidden), (base.hidden, base.intermediate)
    square, row = (base.hidden, base.hidden), (base.hidden,)
    shapes: dict[str, tuple[int, ...]] = {}
    for number in range(base.layers - trained_layers, base.layers):
        at = f"bert.encoder.layer.{number}"
        for part in ("self.query", "self.key", "self.value", "output.dense"):
            shapes |= {f"{at}.attention.{part}.weight": square, f"{at}.attention.{part}.bias": row}
        for part in ("attention.output.LayerNorm", "output.LayerNorm"):
            shapes |= {f"{at}.{part}.weight": row, f"{at}.{part}.bias": row}
        shapes[f"{at}.intermediate.dense.weight"] = wide
        shapes[f"{at}.intermediate.dense.bias"] = (base.intermediate,)
        shapes |= {f"{at}.output.dense.weight": narrow, f"{at}.output.dense.bias": row}
    shapes |= {"bert.pooler.dense.weight": square, "bert.pooler.dense.bias": row}
    shapes["classifier.weight"] = (len(CLASSES), base.hidden)
    shapes["classifier.bias"] = (len(CLASSES),)
    return shapes


def read_trained(checkpoint: Checkpoint, base: Base) -> tuple[dict[str, NDArray[Any]], str]:
    """The trained tensors of a checkpoint and the SHA-256 of their file.

    Raises:
        CheckpointError: missing, truncated, not finite, or others than the config calls for.
    """
    trained_layers: int = checkpoint.get("trained_layers", kind=int)
    if not 0 <= trained_layers <= base.layers:
        raise CheckpointError(
            f"{checkpoint.folder} says that {trained_layers} of its base's {base.layers} layers "
            "are trained; restore the checkpoint."
        )
    tensors, digest = read_weights(checkpoint)
    shapes = trained_shapes(base, trained_layers)
    extra = sorted(set(tensors) - set(shapes))
    if extra:
        raise CheckpointError(
            f"{checkpoint.weights_path} holds {len(extra)} tensors too many, the first is "
            f"{extra[0]!r}; restore the checkpoint."
        )
    return {name: require(tensors, name, shapes[name], checkpoint) for name in shapes}, digest


def _base(checkpoint: Checkpoint) -> Base:
    return Base(
        *(checkpoint.get("base", key, kind=str) for key in ("name", "digest")),
        *(
            checkpoint.get("base", key, kind=int)
            for key in ("layers", "hidden", "intermediate", "max_tokens")
        ),
    )


def _names(checkpoint: Checkpoint, key: str) -> tuple[str, ...]:
    return tuple(str(name) for name in checkpoint.get(key, kind=list))


def open_encoder(folder: Path) -> tuple[Bert, str]:
    """The encoder of a checkpoint with its trained layers, and a digest of all of its weights.

    Raises:
        CheckpointError: it is missing, damaged or of another kind, or the encoder that is installed
            is not the one under it.
    """
    found = read_checkpoint(folder, "bert")
    base = _base(found)
    weights, digest = read_trained(found, base)
    return _classifier(base, weights, folder).bert, f"{base.digest} {digest}"


def _load(
    identity: RouterIdentity, base: Base, weights: Mapping[str, NDArray[Any]], folder: Path
) -> BertRouter:
    from routectl.embedding.reading import TokenReader

    classifier = _classifier(base, weights, folder)
    reader = TokenReader(classifier.bert.tokenizer, base.max_tokens)
    return BertRouter(identity, classifier, reader)


def _classifier(base: Base, weights: Mapping[str, NDArray[Any]], folder: Path) -> BertClassifier:
    from routectl.embedding.bert import encoder_settings
    from routectl.embedding.files import locate_encoder

    files = locate_encoder(base.name)
    settings = encoder_settings(files)
    if (files.digest(), settings.max_tokens) != (base.digest, base.max_tokens):
        raise CheckpointError(
            f"{folder} was trained on another version of the encoder {base.name!r} than the one "
            "installed (their digests differ), so its scores would mean nothing; install that "
            "version or train again."
        )
    try:
        classifier = BertClassifier.of(settings, weights)
    except Exception as error:  # whatever the libraries below raise on damaged files
        raise CheckpointError(
            f"The encoder {base.name!r} in {files.folder} cannot be loaded "
            f"({type(error).__name__}); restore its files."
        ) from error
    require_fitting(classifier.bert.tokenizer, classifier.bert.vocabulary, files.folder)
    return classifier


def require_fitting(tokenizer: Any, vocabulary: int, folder: Path) -> None:
    """Refuse a tokenizer with tokens that the model has no vector for.

    Args:
        tokenizer: a `tokenizers.Tokenizer`.
        vocabulary: how many tokens the model knows.

    Raises:
        CheckpointError: it has.
    """
    highest = max(tokenizer.get_vocab(with_added_tokens=True).values(), default=0)
    if highest >= vocabulary:
        raise CheckpointError(
            f"The tokenizer in {folder} does not fit its model: it has the token id {highest:,}, "
            f"and the model knows {vocabulary:,} tokens; restore the files that belong together."
        )


class Classifier(Protocol):
    """A model that is in memory."""

    def logits(self, tokens: Sequence[Sequence[int]]) -> torch.Tensor:
        """Of each text's token ids the three classes' logits, shape (n, 3)."""


class BertClassifier:
    """A base with trained last layers, pooler and head."""

    def __init__(self, bert: Bert, head: Mapping[str, torch.Tensor]) -> None:
        """Take an encoder and the tensors of pooler and classifier by name."""
        self.bert = bert
        self._head = head

    @classmethod
    def of(cls, settings: Any, weights: Mapping[str, NDArray[Any]]) -> BertClassifier:
        """The base of `settings` (a `BertSettings`) with the trained tensors in it.

        Raises:
            Exception: the base's files are damaged.
        """
        import numpy as np
        import torch

        from routectl.embedding.bert import Bert

        tensors = {
            name.removeprefix("bert."): torch.from_numpy(tensor.astype(np.float32))
            for name, tensor in weights.items()
        }
        return cls(Bert(settings, tensors), tensors)

    def logits(self, tokens: Sequence[Sequence[int]]) -> torch.Tensor:
        """Shape (n, 3)."""
        import torch
        from torch.nn import functional

        head = self._head
        pooled = torch.tanh(
            functional.linear(
                self.bert.first(tokens), head["pooler.dense.weight"], head["pooler.dense.bias"]
            )
        )
        return functional.linear(pooled, head["classifier.weight"], head["classifier.bias"])


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
        import torch

        from routectl.embedding.batches import batches

        tokens = self._reader.read(prompts)
        logits = np.empty((len(prompts), len(CLASSES)))
        with torch.inference_mode():
            for rows in batches([len(ids) for ids in tokens], token_budget):
                logits[rows] = self._classifier.logits([tokens[row] for row in rows]).numpy()
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

    odds = np.exp(logits - logits.max(axis=1, keepdims=True))
    probabilities = odds / odds.sum(axis=1, keepdims=True)
    rates: NDArray[np.float64] = np.clip(1 - probabilities[:, 1:].sum(axis=1), 0, 1)
    return rates
