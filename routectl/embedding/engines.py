"""What computes a plain BERT: onnxruntime where the extra `light` is installed, else torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from routectl.embedding.onnx_bert import OnnxBert, is_installed

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from routectl.embedding.bert_files import BertSettings


class PlainBert(Protocol):
    """An encoder that is in memory; also a `local.LocalModel`."""

    tokenizer: Any
    """A `tokenizers.Tokenizer`."""
    max_tokens: int
    dimension: int
    vocabulary: int
    """How many tokens it knows."""
    prefix: str

    def pool(self, tokens: Sequence[Sequence[int]]) -> NDArray[np.float32]:
        """Mean of each text's token vectors, shape (n, dimension)."""

    def first(self, tokens: Sequence[Sequence[int]]) -> NDArray[np.float32]:
        """Vector of each text's first token, shape (n, dimension)."""


def load_bert(
    settings: BertSettings, replaced: Mapping[str, NDArray[np.float32]] | None = None
) -> PlainBert:
    """Load an encoder.

    Args:
        replaced: tensors to take instead of those of the same names in its file.

    Raises:
        Exception: its files are damaged.
    """
    if is_installed():
        return OnnxBert(settings, replaced)
    from routectl.embedding.bert import Bert

    return Bert(settings, replaced)
