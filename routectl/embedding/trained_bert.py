"""A BERT encoder whose last layers were trained as a classifier of three classes.

A checkpoint of the `bert` router holds the trained layers and the head; the layers below are the
base's, an encoder that is installed. Its token vectors serve as an embedder too (`classifier.py`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from routectl.checkpoint import Checkpoint, read_checkpoint, read_weights, require
from routectl.embedding.names import in_checkpoint
from routectl.errors import CheckpointError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from routectl.embedding.engines import PlainBert

CLASSES = ("strong wins", "tie", "weak wins")
"""In the order of the head's outputs."""


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


def trained_shapes(base: Base, trained_layers: int) -> dict[str, tuple[int, ...]]:
    """Name and shape of each tensor of a checkpoint, named as `transformers` names them."""
    wide, narrow = (base.intermediate, base.hidden), (base.hidden, base.intermediate)
    square, row = (base.hidden, base.hidden), (base.hidden,)
    shapes: dict[str, tuple[int, ...]] = {}
    for number in range(base.layers - trained_layers, base.layers):
        prefix = f"bert.encoder.layer.{number}"
        for part in ("self.query", "self.key", "self.value", "output.dense"):
            shapes |= {
                f"{prefix}.attention.{part}.weight": square,
                f"{prefix}.attention.{part}.bias": row,
            }
        for part in ("attention.output.LayerNorm", "output.LayerNorm"):
            shapes |= {f"{prefix}.{part}.weight": row, f"{prefix}.{part}.bias": row}
        shapes[f"{prefix}.intermediate.dense.weight"] = wide
        shapes[f"{prefix}.intermediate.dense.bias"] = (base.intermediate,)
        shapes |= {f"{prefix}.output.dense.weight": narrow, f"{prefix}.output.dense.bias": row}
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


def read_base(checkpoint: Checkpoint) -> Base:
    """The encoder that a checkpoint's config names.

    Raises:
        CheckpointError: the config does not say it.
    """
    return Base(
        in_checkpoint(checkpoint.get("base", "name", kind=str), checkpoint.folder),
        checkpoint.get("base", "digest", kind=str),
        *(
            checkpoint.get("base", key, kind=int)
            for key in ("layers", "hidden", "intermediate", "max_tokens")
        ),
    )


def open_encoder(folder: Path) -> tuple[PlainBert, str]:
    """The encoder of a checkpoint with its trained layers, and a digest of all of its weights.

    Raises:
        CheckpointError: it is missing, damaged or of another kind, or the encoder that is installed
            is not the one under it.
    """
    checkpoint = read_checkpoint(folder, "bert")
    base = read_base(checkpoint)
    weights, digest = read_trained(checkpoint, base)
    return load_classifier(base, weights, folder).bert, f"{base.digest} {digest}"


def load_classifier(
    base: Base, weights: Mapping[str, NDArray[Any]], folder: Path
) -> BertClassifier:
    """A checkpoint's classifier on the encoder that is installed.

    Args:
        weights: the trained tensors, of `read_trained`.
        folder: of the checkpoint, for what an error says.

    Raises:
        CheckpointError: the encoder is missing, damaged, or not the one under the checkpoint.
    """
    from routectl.embedding.bert_files import encoder_settings
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


class BertClassifier:
    """A base with trained last layers, pooler and head."""

    def __init__(self, bert: PlainBert, head: Mapping[str, NDArray[np.float32]]) -> None:
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

        from routectl.embedding.engines import load_bert

        tensors = {
            name.removeprefix("bert."): tensor.astype(np.float32)
            for name, tensor in weights.items()
        }
        return cls(load_bert(settings, tensors), tensors)

    def logits(self, tokens: Sequence[Sequence[int]]) -> NDArray[np.float32]:
        """Shape (n, 3)."""
        import numpy as np

        head, first = self._head, self.bert.first(tokens)
        pooled = np.tanh(first @ head["pooler.dense.weight"].T + head["pooler.dense.bias"])
        logits: NDArray[np.float32] = pooled @ head["classifier.weight"].T + head["classifier.bias"]
        return logits
