"""A plain BERT: with mean pooling, as the default embedder is, or up to its first token's vector.

It is written out in torch because importing `transformers` and `sentence_transformers` takes longer
than scoring a thousand prompts. The texts of a batch lie behind each other without padding; only
attention looks at them one length at a time. The architecture is that of BERT (arXiv 1810.04805,
section 3; the encoder of arXiv 1706.03762), pooling that of Sentence-BERT (arXiv 1908.10084).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from routectl.embedding.batches import runs
from routectl.embedding.bert_files import BertSettings

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray


class Bert:
    """The encoder and its pooling, as `local.LocalModel`. T tokens, H hidden numbers."""

    prefix = ""

    def __init__(
        self, settings: BertSettings, replaced: Mapping[str, NDArray[np.float32]] | None = None
    ) -> None:
        """Read the weights.

        Args:
            replaced: tensors to take instead of those of the same names in the file.

        Raises:
            Exception: they are damaged, or not those of such a model.
        """
        import torch
        from safetensors.torch import load_file
        from tokenizers import Tokenizer

        self.tokenizer = Tokenizer.from_file(str(settings.tokenizer))
        self.max_tokens = settings.max_tokens

        tensors = {
            name.removeprefix("bert."): tensor.float()
            for name, tensor in load_file(settings.weights).items()
        } | {name: torch.from_numpy(tensor) for name, tensor in (replaced or {}).items()}
        self._heads = settings.heads
        self._epsilon = settings.epsilon
        self._words = tensors["embeddings.word_embeddings.weight"]
        # Every token is of type 0, so its type's vector is a part of its position's.
        self._positions = (
            tensors["embeddings.position_embeddings.weight"]
            + tensors["embeddings.token_type_embeddings.weight"][0]
        )
        self._norm = tensors["embeddings.LayerNorm.weight"], tensors["embeddings.LayerNorm.bias"]
        self._layers = []
        for number in range(settings.layers):
            prefix = f"encoder.layer.{number}"
            projections = [f"{prefix}.attention.self.{part}" for part in ("query", "key", "value")]
            self._layers.append(
                _Layer(
                    torch.cat([tensors[f"{part}.weight"] for part in projections]),
                    torch.cat([tensors[f"{part}.bias"] for part in projections]),
                    *_affine(tensors, f"{prefix}.attention.output.dense"),
                    *_affine(tensors, f"{prefix}.attention.output.LayerNorm"),
                    *_affine(tensors, f"{prefix}.intermediate.dense"),
                    *_affine(tensors, f"{prefix}.output.dense"),
                    *_affine(tensors, f"{prefix}.output.LayerNorm"),
                )
            )
        self.vocabulary, self.dimension = self._words.shape

    def pool(self, tokens: Sequence[Sequence[int]]) -> NDArray[np.float32]:
        """Mean of each text's token vectors, shape (n, H).

        Args:
            tokens: ids of each text, none empty; texts of one length side by side are faster.
        """
        import torch

        lengths = [len(ids) for ids in tokens]
        with torch.inference_mode():
            parts = torch.split(self.states(tokens), lengths)
            means: NDArray[np.float32] = torch.stack([part.mean(dim=0) for part in parts]).numpy()
        return means

    def states(self, tokens: Sequence[Sequence[int]], layers: int | None = None) -> torch.Tensor:
        """The texts' tokens behind each other, after the first `layers` layers, shape (T, H)."""
        import torch

        lengths = [len(ids) for ids in tokens]
        flat = torch.tensor([token for ids in tokens for token in ids])
        position = torch.cat([torch.arange(length) for length in lengths])
        x = self._normed(self._words[flat] + self._positions[position], *self._norm)
        for layer in self._layers[:layers]:
            x = self._finished(layer, x, self._attention(layer, x, lengths))
        return x

    def first(self, tokens: Sequence[Sequence[int]]) -> NDArray[np.float32]:
        """Vector of each text's first token, shape (n, H); the last layer computes no other."""
        import torch

        lengths = torch.tensor([len(ids) for ids in tokens])
        starts = torch.cumsum(lengths, 0) - lengths
        with torch.inference_mode():
            x, layer = self.states(tokens, len(self._layers) - 1), self._layers[-1]
            attended = self._first_attention(layer, x, x[starts], lengths.tolist())
            vectors: NDArray[np.float32] = self._finished(layer, x[starts], attended).numpy()
        return vectors

    def _finished(self, layer: _Layer, x: torch.Tensor, attended: torch.Tensor) -> torch.Tensor:
        """The rest of a layer after its attention, for any rows (R, H) of its input."""
        from torch.nn import functional

        mixed = functional.linear(attended, layer.mix, layer.mix_bias)
        x = self._normed(x + mixed, layer.mix_norm, layer.mix_norm_bias)
        wide = functional.gelu(functional.linear(x, layer.widen, layer.widen_bias))
        narrow = functional.linear(wide, layer.narrow, layer.narrow_bias)
        return self._normed(x + narrow, layer.norm, layer.norm_bias)

    def _normed(self, x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
        from torch.nn import functional

        return functional.layer_norm(x, (x.shape[-1],), weight, bias, self._epsilon)

    def _attention(self, layer: _Layer, x: torch.Tensor, lengths: Sequence[int]) -> torch.Tensor:
        """Attention within each text, shape (T, H)."""
        import torch
        from torch.nn import functional

        projected = functional.linear(x, layer.qkv, layer.qkv_bias)
        parts = []
        for start, count, length in runs(lengths):
            rows = projected[start : start + count * length]
            # (3, texts, heads, tokens, H / heads)
            qkv = rows.view(count, length, 3, self._heads, -1).permute(2, 0, 3, 1, 4)
            attended = functional.scaled_dot_product_attention(*qkv)
            parts.append(attended.transpose(1, 2).reshape(count * length, -1))
        return torch.cat(parts)

    def _first_attention(
        self, layer: _Layer, x: torch.Tensor, first: torch.Tensor, lengths: Sequence[int]
    ) -> torch.Tensor:
        """Attention of each text's first token, a row of `first`, within its text, shape (n, H)."""
        import torch
        from torch.nn import functional

        width = self.dimension
        queries = functional.linear(first, layer.qkv[:width], layer.qkv_bias[:width])
        others = functional.linear(x, layer.qkv[width:], layer.qkv_bias[width:])
        parts, text = [], 0
        for start, count, length in runs(lengths):
            rows = others[start : start + count * length]
            keys, values = rows.view(count, length, 2, self._heads, -1).permute(2, 0, 3, 1, 4)
            query = queries[text : text + count].view(count, 1, self._heads, -1).transpose(1, 2)
            attended = functional.scaled_dot_product_attention(query, keys, values)
            parts.append(attended.reshape(count, -1))
            text += count
        return torch.cat(parts)


@dataclass(frozen=True, slots=True)
class _Layer:
    qkv: torch.Tensor
    qkv_bias: torch.Tensor
    mix: torch.Tensor
    mix_bias: torch.Tensor
    mix_norm: torch.Tensor
    mix_norm_bias: torch.Tensor
    widen: torch.Tensor
    widen_bias: torch.Tensor
    narrow: torch.Tensor
    narrow_bias: torch.Tensor
    norm: torch.Tensor
    norm_bias: torch.Tensor


def _affine(tensors: Mapping[str, torch.Tensor], name: str) -> tuple[torch.Tensor, torch.Tensor]:
    return tensors[f"{name}.weight"], tensors[f"{name}.bias"]
