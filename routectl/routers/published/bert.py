"""BERT checkpoints in the layout that RouteLLM published: an XLM-R classifier of three labels.

The folder is one of `transformers`: config.json whose architecture is
XLMRobertaForSequenceClassification, model.safetensors and the tokenizer's files. It names no
models, so it knows the pair that RouteLLM routes between and no other.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from routectl.checkpoint import CONFIG, WEIGHTS
from routectl.embedding.trained_bert import CLASSES, require_fitting
from routectl.errors import CheckpointError
from routectl.records import ModelPair, RouterIdentity
from routectl.routers import bert
from routectl.routers.protocol import EXTRACTION_FACT, OpenRouter, RouterDescription, fingerprint
from routectl.routers.published.folder import published_config, weights_file

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

ARCHITECTURE = "XLMRobertaForSequenceClassification"
PAIR = ModelPair("gpt-4-1106-preview", "Mixtral-8x7B-Instruct-v0.1")
"""Between which RouteLLM evaluates its routers (arXiv 2406.18665, section 5)."""

NOISE = 1e-5
"""Stated for all such checkpoints; research/routers.md has how far it is from what was measured."""


def open_published(folder: Path, strong_model: str | None, weak_model: str | None) -> OpenRouter:
    """Open a folder for which `published.is_published` holds.

    Raises:
        RouterError: another pair than RouteLLM's was asked for.
        CheckpointError: another architecture, other labels, weights as a pickle or none.
    """
    from routectl.embedding.files import EmbedderFiles

    config = published_config(folder)
    _require_layout(folder, config)
    max_tokens = _max_tokens(folder, config)
    pair = bert.ModelGroups((PAIR.strong,), (PAIR.weak,)).choose(strong_model, weak_model, PAIR)
    facts: dict[str, object] = {
        "router": "bert",
        "layout": "published",
        "files": EmbedderFiles(str(folder), folder).digest(),
        "max_tokens": max_tokens,
        "reads": "head",
        "strong_model": pair.strong,
        "weak_model": pair.weak,
        "extraction": EXTRACTION_FACT,
    }
    identity = RouterIdentity("bert", fingerprint(facts), pair, NOISE, facts)
    description = RouterDescription(
        name="bert",
        kind="bert",
        summary=bert.SUMMARY,
        checkpoint=folder,
        models=(PAIR.strong, PAIR.weak),
        default_pair=PAIR,
        embedder=None,
        reads=f"the beginning of a long prompt ({max_tokens} tokens)",
        licence=None,
        card=folder / "README.md" if (folder / "README.md").is_file() else None,
    )
    return OpenRouter(identity, description, lambda: _load(identity, folder, max_tokens))


def _require_layout(folder: Path, config: Mapping[str, Any]) -> None:
    named = config.get("architectures")
    if named != [ARCHITECTURE]:
        raise CheckpointError(
            f"{folder} is no published bert checkpoint: its architecture is {named}, and "
            f"RouteLLM's is {ARCHITECTURE}."
        )
    labels = config.get("id2label")
    if not isinstance(labels, dict) or len(labels) != len(CLASSES):
        raise CheckpointError(
            f"{folder / CONFIG} names {len(labels) if isinstance(labels, dict) else 'no'} labels, "
            "and a bert router needs three: strong wins, tie, weak wins."
        )
    weights_file(folder)


def _max_tokens(folder: Path, config: Mapping[str, Any]) -> int:
    """As many tokens as the tokenizer says, and no more than the model has positions for."""
    try:
        tokenizer = json.loads((folder / "tokenizer_config.json").read_bytes())
        # Positions are counted from behind the padding token's id on.
        positions = int(config["max_position_embeddings"]) - int(config["pad_token_id"]) - 1
        stated = tokenizer.get("model_max_length")
        most = min(int(stated), positions) if isinstance(stated, int | float) else positions
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise CheckpointError(
            f"{folder} does not say how many tokens it reads: its {CONFIG} or "
            "tokenizer_config.json is missing or damaged; restore the checkpoint."
        ) from error
    if most < 3:
        raise CheckpointError(f"{folder} says that it reads {most} tokens; restore the checkpoint.")
    return most


def _load(identity: RouterIdentity, folder: Path, max_tokens: int) -> bert.BertRouter:
    from routectl.embedding.reading import TokenReader
    from routectl.embedding.sentence_transformer import quiet

    try:
        with quiet():
            from transformers import AutoModelForSequenceClassification, AutoTokenizer

            model, loading = AutoModelForSequenceClassification.from_pretrained(
                folder,
                num_labels=len(CLASSES),
                use_safetensors=True,
                local_files_only=True,
                trust_remote_code=False,
                output_loading_info=True,
                torch_dtype="float32",
            )
            tokenizer = AutoTokenizer.from_pretrained(
                folder, local_files_only=True, trust_remote_code=False
            )
    except Exception as error:  # whatever the library raises on damaged files
        raise CheckpointError(
            f"{folder} cannot be loaded ({type(error).__name__}); restore its files."
        ) from error
    _require_whole(folder, model, loading)
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is None:
        raise CheckpointError(f"{folder} has no fast tokenizer (tokenizer.json); restore it.")
    require_fitting(backend, model.get_input_embeddings().num_embeddings, folder)
    classifier = PublishedClassifier(model.eval())
    return bert.BertRouter(identity, classifier, TokenReader(backend, max_tokens))


def _require_whole(folder: Path, model: Any, loading: dict[str, Any]) -> None:
    """Refuse what `transformers` would fill with random numbers or leave out.

    Raises:
        CheckpointError: tensors are missing, too many, of another shape, or not finite.
    """
    import torch

    path = folder / WEIGHTS
    for key, what in (
        ("missing_keys", "lacks"),
        ("unexpected_keys", "holds too many"),
        ("mismatched_keys", "has in another shape"),
    ):
        names = sorted(str(name[0] if isinstance(name, tuple) else name) for name in loading[key])
        if names:
            raise CheckpointError(
                f"{path} {what} tensors: {names[0]!r}"
                + (f" and {len(names) - 1} more" if len(names) > 1 else "")
                + "; restore the checkpoint."
            )
    for name, tensor in model.named_parameters():
        if not torch.isfinite(tensor).all():
            raise CheckpointError(f"{path}: {name!r} holds values that are not finite numbers.")


class PublishedClassifier:
    """A model of `transformers` as `bert.Classifier`."""

    def __init__(self, model: Any) -> None:
        self._model = model
        self._pad = int(model.config.pad_token_id)

    def logits(self, tokens: Sequence[Sequence[int]]) -> NDArray[np.float32]:
        """Shape (n, 3)."""
        import torch

        width = max(len(ids) for ids in tokens)
        ids = torch.full((len(tokens), width), self._pad)
        mask = torch.zeros((len(tokens), width), dtype=torch.long)
        for row, row_ids in enumerate(tokens):
            ids[row, : len(row_ids)] = torch.tensor(row_ids)
            mask[row, : len(row_ids)] = 1
        with torch.inference_mode():
            output = self._model(input_ids=ids, attention_mask=mask).logits
            logits: NDArray[np.float32] = output.float().numpy()
        return logits
