"""What the files of a plain BERT state, and whether a model is one."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from routectl.embedding.files import EmbedderFiles
from routectl.errors import CheckpointError

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
