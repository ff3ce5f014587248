"""The hidden states of a causal language model as a prompt's vector.

A sentence embedding says what a prompt is about. The states inside a language model that is about
to answer also hold how hard it is (research/routers.md has what that is worth). The vector is the
mean over the prompt's tokens after about a quarter of the layers, the same after two thirds of
them, and the last token's, which has read everything, after two thirds; each of length 1. No layer
above is computed. The prompt is put into the same text as for `causal_llm`.
"""

from __future__ import annotations

import functools
import hashlib
import json
import os
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from routectl.embedding.base_models import (
    CONVERTS,
    DEFAULT,
    DEFAULT_DIGEST,
    BaseFiles,
    default_base,
    is_ready,
    keep_base,
)
from routectl.embedding.batches import batches
from routectl.embedding.language_model import (
    DEFAULT_TEMPLATE,
    TemplateReader,
    load_model,
    padded,
    tokens_at_once,
)
from routectl.embedding.names import HIDDEN, parts_of
from routectl.errors import CheckpointError

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray

MAX_TOKENS = 512
"""Tokens that are read, template included."""

_LOWER, _UPPER = 1 / 4, 2 / 3
"""After which share of the layers; of the default base's 30 that is 8 and 20."""

_LEAST_NOISE = 2e-6
"""As a distance of vectors of length 1: a GPU and a CPU round otherwise than either's batches."""


def conversion_notice(name: str) -> str | None:
    """That opening the embedder converts its base model first; None where it does not."""
    base = (parts_of(name) or (name,))[0]
    return CONVERTS if base == HIDDEN + DEFAULT and not is_ready(DEFAULT_DIGEST) else None


class HiddenStates:
    """An `Embedder` whose vectors are a base model's hidden states."""

    comparable = False  # a few numbers are far larger than the others
    sentence_dimension = 0

    def __init__(self, name: str, base: BaseFiles) -> None:
        """Load the layers that are needed.

        Raises:
            CheckpointError: the base is damaged, or its layers are not where a Llama has them.
        """
        self._body, self._reader = _loaded(base)
        self._lower, self._upper = _depths(self._body.config.num_hidden_layers, base)
        self.name = name
        self.digest = _digest(base, self._lower, self._upper)
        self.dimension = 3 * int(self._body.config.hidden_size)
        self.max_tokens = MAX_TOKENS
        self.probe: NDArray[np.float32] | None = None
        self.least_noise = _LEAST_NOISE

    def embed(self, texts: Sequence[str], *, token_budget: int = 1024) -> NDArray[np.float32]:
        """Vectors of texts.

        Args:
            token_budget: tokens of a batch on a CPU, padding included.

        Returns:
            Shape (n, dimension), rows of length 1.
        """
        import numpy as np
        import torch

        tokens = self._reader.read(texts)
        vectors = np.empty((len(texts), self.dimension), dtype=np.float32)
        with torch.inference_mode():
            for rows in batches([len(ids) for ids in tokens], tokens_at_once(token_budget)):
                vectors[rows] = self._pooled([tokens[row] for row in rows]).cpu().numpy()
        return vectors

    def longer_than_read(self, texts: Sequence[str]) -> NDArray[np.bool_]:
        """Shape (n,): True where a text has more tokens than are read."""
        return self._reader.longer_than_read(texts)

    def _pooled(self, tokens: Sequence[Sequence[int]]) -> torch.Tensor:
        """Shape (n, dimension)."""
        import torch

        ids, ends = padded(tokens, self._body.device)
        layer_states = self._states(ids)
        position = torch.arange(ids.shape[1], device=ids.device)[None]
        last_of_prompt = ends[:, None] - len(self._reader.after)
        in_prompt = ((position >= len(self._reader.before)) & (position <= last_of_prompt)).float()
        count = in_prompt.sum(dim=1, keepdim=True).clamp(min=1)
        parts = [
            (states * in_prompt[:, :, None]).sum(dim=1) / count
            for states in (layer_states[self._lower], layer_states[self._upper])
        ]
        parts.append(layer_states[self._upper][torch.arange(len(tokens), device=ids.device), ends])
        # Each part counts alike, and together they have length 1.
        normal = [torch.nn.functional.normalize(part, dim=1) / len(parts) ** 0.5 for part in parts]
        return torch.cat(normal, dim=1)

    def _states(self, ids: torch.Tensor) -> dict[int, torch.Tensor]:
        """The output of the two layers by their number, shape (n, longest, width) each."""
        states: dict[int, torch.Tensor] = {}

        def keeper(number: int) -> Any:
            def keep(_module: Any, _inputs: Any, output: Any) -> None:
                states[number] = output[0] if isinstance(output, tuple) else output

            return keep

        hooks = [
            self._body.layers[number - 1].register_forward_hook(keeper(number))
            for number in (self._lower, self._upper)
        ]
        try:
            self._body(input_ids=ids, use_cache=False)
        finally:
            for hook in hooks:
                hook.remove()
        return states


def open_hidden(name: str) -> HiddenStates:
    """The embedder of a name that `is_hidden`.

    Raises:
        CheckpointError: the base model is not there, or not one that can be read.
    """
    base_name = name.removeprefix(HIDDEN)
    if base_name == DEFAULT:
        return HiddenStates(name, default_base())
    folder = Path(os.path.expanduser(base_name))  # noqa: PTH111
    if not folder.is_dir():
        raise CheckpointError(
            f"The embedder {name!r} names no folder; write {HIDDEN}{DEFAULT} for the base model "
            f"that can be installed, or {HIDDEN}FOLDER for another."
        )
    return HiddenStates(f"{HIDDEN}{folder.resolve()}", keep_base(folder))


# Routers of several model pairs share one embedder; the digest tells a changed folder.
@functools.lru_cache(maxsize=1)
def _loaded(base: BaseFiles) -> tuple[Any, TemplateReader]:
    reader = TemplateReader(base.folder, DEFAULT_TEMPLATE, MAX_TOKENS)
    body: Any = getattr(load_model(base.folder), "model", None)
    if not hasattr(body, "layers"):
        raise CheckpointError(
            f"The base model {base.name} does not have its layers where a Llama has them, so its "
            "hidden states cannot be read; name another."
        )
    # No layer above is computed; their number stays in the config, where `_depths` reads it.
    body.layers = body.layers[: _depths(body.config.num_hidden_layers, base)[1]]
    return body, reader


def _depths(layers: int, base: BaseFiles) -> tuple[int, int]:
    """After how many layers the states are taken."""
    if layers < 2:
        raise CheckpointError(
            f"The base model {base.name} has {layers} layer, and hidden states are taken after "
            "two; name another."
        )
    upper = max(2, round(_UPPER * layers))
    return min(max(1, round(_LOWER * layers)), upper - 1), upper


def _digest(base: BaseFiles, lower: int, upper: int) -> str:
    facts = {"base": base.digest, "layers": [lower, upper], "template": asdict(DEFAULT_TEMPLATE)}
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()
