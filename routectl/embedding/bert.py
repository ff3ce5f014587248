"""A plain BERT: with mean pooling, as the default embedder is, or up to its first token's vector.

It is written out in torch because importing `transformers` and `sentence_transformers` takes longer
than scoring a thousand prompts. The texts of a batch lie behind each other without padding; only
attention looks at them one length at a time. The architecture is that of BERT (arXiv 1810.04805,
section 3; the encoder of arXiv 1706.03762), pooling that of Sentence-BERT (arXiv 1908.10084).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

from routectl.embedding.files import EmbedderFiles
from routectl.errors import CheckpointError

if TYPE_CHECKING:
    import torch

_KINDS = ("Transformer", "Pooling", "Normalize")
_TOKENIZERS = ("BertTokenizer", "BertTokenizerFast")


@dataclass(frozen=True, slots=True)
class BertSettings:
    """What the files of a plain BERT embedder state."""

    weights: Path
    tokenizer: Path
    layers: int
    heads: int
    epsilon: float
    max_tokens: int


def bert_settings(files: EmbedderFiles) -> BertSettings | None:
    """The settings of an embedder that `Bert` computes exactly; None for any other.

    Whatever could change a vector and is not known here makes it another: a different pooling, a
    prompt put before every text, another activation, a tokenizer that its config overrides.
    """
    modules = _json(files.folder / "modules.json", list)
    kinds = [str(module.get("type", "")).rsplit(".", 1)[-1] for module in modules]
    if tuple(kinds) not in (_KINDS, _KINDS[:2]):
        return None
    folder = files.folder / str(modules[0].get("path", ""))
    pooling = _json(files.folder / str(modules[1].get("path", "")) / "config.json", dict)
    sentence = _json(folder / "sentence_bert_config.json", dict)
    config = _json(folder / "config.json", dict)
    tokenizer = folder / "tokenizer.json"
    weights = folder / "model.safetensors"
    max_tokens = sentence.get("max_seq_length")
    plain = (
        _pools_by_mean(pooling)
        and not _json(files.folder / "config_sentence_transformers.json", dict).get("prompts")
        and set(sentence) <= {"max_seq_length", "do_lower_case"}
        and not sentence.get("do_lower_case")
        and config.get("architectures") == ["BertModel"]
        and _is_plain(config)
        and isinstance(max_tokens, int)
        and 2 < max_tokens <= config.get("max_position_embeddings", 0)
        and _reads_as_its_file_says(tokenizer, _json(folder / "tokenizer_config.json", dict))
        and weights.is_file()
    )
    if not plain or not isinstance(max_tokens, int):
        return None
    return _settings(folder, config, max_tokens)


def encoder_settings(files: EmbedderFiles) -> BertSettings:
    """The settings of any model that is a plain BERT, whatever it was trained for.

    Its texts are read as its tokenizer.json says, as many tokens of them as its
    sentence_bert_config.json allows or else as it has positions.

    Raises:
        CheckpointError: it is another kind of model, or a file is missing.
    """
    for name in ("config.json", "model.safetensors", "tokenizer.json"):
        if not (files.folder / name).is_file():
            raise CheckpointError(
                f"The encoder {files.name!r} has no {name} in {files.folder}; give the folder of a "
                "BERT with safetensors weights and a fast tokenizer."
            )
    config = _json(files.folder / "config.json", dict)
    positions = config.get("max_position_embeddings")
    if not _is_plain(config) or not isinstance(positions, int):
        raise CheckpointError(
            f"The encoder {files.name!r} is no plain BERT (its model_type is "
            f"{config.get('model_type')!r}); give one whose model_type is 'bert', with absolute "
            "positions and the activation gelu."
        )
    sentence = _json(files.folder / "sentence_bert_config.json", dict)
    wanted = sentence.get("max_seq_length")
    return _settings(
        files.folder, config, min(wanted, positions) if isinstance(wanted, int) else positions
    )


def _is_plain(config: Mapping[str, Any]) -> bool:
    return (
        config.get("model_type") == "bert"
        and config.get("hidden_act") == "gelu"
        and config.get("position_embedding_type", "absolute") == "absolute"
        and not config.get("is_decoder")
    )


def _settings(folder: Path, config: Mapping[str, Any], max_tokens: int) -> BertSettings:
    return BertSettings(
        folder / "model.safetensors",
        folder / "tokenizer.json",
        int(config["num_hidden_layers"]),
        int(config["num_attention_heads"]),
        float(config["layer_norm_eps"]),
        max_tokens,
    )


def _pools_by_mean(pooling: Mapping[str, Any]) -> bool:
    modes = {key for key, value in pooling.items() if key.startswith("pooling_mode_") and value}
    return modes == {"pooling_mode_mean_tokens"}


def _reads_as_its_file_says(tokenizer: Path, config: Mapping[str, Any]) -> bool:
    """Whether `transformers` would take tokenizer.json as it is, overriding nothing in it."""
    normalizer = _json(tokenizer, dict).get("normalizer") or {}
    return (
        config.get("tokenizer_class") in _TOKENIZERS
        and normalizer.get("type") == "BertNormalizer"
        and normalizer.get("lowercase") == config.get("do_lower_case", True)
        and normalizer.get("strip_accents") == config.get("strip_accents")
        and normalizer.get("handle_chinese_chars") == config.get("tokenize_chinese_chars", True)
    )


def _json(path: Path, kind: type) -> Any:
    """What a JSON file holds; empty where it is missing, damaged or of another kind."""
    try:
        value = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return kind()
    return value if isinstance(value, kind) else kind()


class Bert:
    """The encoder and its pooling, as `local.LocalModel`. T tokens, H hidden numbers."""

    prefix = ""

    def __init__(
        self, settings: BertSettings, replaced: Mapping[str, torch.Tensor] | None = None
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
        } | dict(replaced or {})
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

    def pool(self, tokens: Sequence[Sequence[int]]) -> torch.Tensor:
        """Mean of each text's token vectors, shape (n, H).

        Args:
            tokens: ids of each text, none empty; texts of one length side by side are faster.
        """
        import torch

        lengths = [len(ids) for ids in tokens]
        return torch.stack([part.mean(dim=0) for part in torch.split(self.states(tokens), lengths)])

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

    def first(self, tokens: Sequence[Sequence[int]]) -> torch.Tensor:
        """Vector of each text's first token, shape (n, H); the last layer computes no other."""
        import torch

        lengths = torch.tensor([len(ids) for ids in tokens])
        x, layer = self.states(tokens, len(self._layers) - 1), self._layers[-1]
        starts = torch.cumsum(lengths, 0) - lengths
        return self._finished(
            layer, x[starts], self._first_attention(layer, x, x[starts], lengths.tolist())
        )

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
        for start, count, length in _runs(lengths):
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
        for start, count, length in _runs(lengths):
            rows = others[start : start + count * length]
            keys, values = rows.view(count, length, 2, self._heads, -1).permute(2, 0, 3, 1, 4)
            query = queries[text : text + count].view(count, 1, self._heads, -1).transpose(1, 2)
            attended = functional.scaled_dot_product_attention(query, keys, values)
            parts.append(attended.reshape(count, -1))
            text += count
        return torch.cat(parts)


def _runs(lengths: Sequence[int]) -> Iterator[tuple[int, int, int]]:
    """Neighbours of one length: first token, texts, tokens of each."""
    start = 0
    for length, group in groupby(lengths):
        count = len(list(group))
        yield start, count, length
        start += count * length


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
