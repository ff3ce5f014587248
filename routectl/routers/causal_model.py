"""The computation of `causal_llm`: token ids in, the logits of the five ratings out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from routectl.embedding.language_model import Template, TemplateReader, padded, tokens_at_once
from routectl.errors import CheckpointError

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray

RATINGS = ("1", "2", "3", "4", "5")
"""How well the weak model's answer is expected to do, from badly to perfectly."""

TARGETS = ("q_proj", "v_proj")
"""The layers' projections that an adapter changes."""

ROWS = "rows"
"""The tensor of a checkpoint that has rows of its own for the five ratings."""
LENGTH_WEIGHT = "beside"
"""The tensor that the question's length, standardised, is multiplied with for each of them. Its
name is in checkpoints that ship, and stays."""

TOKEN_BUDGET = 1024
"""Tokens of a batch on a CPU, padding included; it moves speed and the noise, and nothing else."""


class RatingReader(TemplateReader):
    """Prompts to the token ids that the model is given, and the tokens of the five ratings."""

    def __init__(self, folder: Path, template: Template, max_tokens: int) -> None:
        """Read the tokenizer of a base.

        Raises:
            CheckpointError: it cannot be read, or a rating is no single token of it.
        """
        super().__init__(folder, template, max_tokens)
        self.ratings = [self._rating(template.after, rating) for rating in RATINGS]

    def _rating(self, after: str, rating: str) -> int:
        before, with_rating = self._ids(after), self._ids(after + rating)
        if with_rating[:-1] != before or len(with_rating) != len(before) + 1:
            raise CheckpointError(
                f"The tokenizer {self._path} has no single token for the rating {rating!r} after "
                "the template; take a base model that has one."
            )
        return int(with_rating[-1])


def adapter_shapes(config: Mapping[str, Any], rank: int) -> dict[str, tuple[int, ...]]:
    """Name and shape of every tensor of an adapter, by the `config.json` of its base.

    A projection W becomes W + scale * B A, with A of shape (rank, inputs) and B (outputs, rank).
    The bias is added to the logits of the five ratings.
    """
    width, heads = int(config["hidden_size"]), int(config["num_attention_heads"])
    head = int(config.get("head_dim") or width // heads)
    outputs = {"q_proj": heads * head, "v_proj": int(config["num_key_value_heads"]) * head}
    shapes: dict[str, tuple[int, ...]] = {"bias": (len(RATINGS),)}
    for layer in range(int(config["num_hidden_layers"])):
        for target in TARGETS:
            shapes[f"layers.{layer}.{target}.A"] = (rank, width)
            shapes[f"layers.{layer}.{target}.B"] = (outputs[target], rank)
    return shapes


def merge_adapter(model: Any, tensors: Mapping[str, NDArray[Any]], scale: float) -> None:
    """Add an adapter to the weights of its base, in place and in float32."""
    import numpy as np
    import torch

    with torch.no_grad():
        for number, layer in enumerate(model.model.layers):
            for target in TARGETS:
                a, b = (
                    torch.from_numpy(tensors[f"layers.{number}.{target}.{side}"].astype(np.float32))
                    for side in "AB"
                )
                weight = getattr(layer.self_attn, target).weight
                weight += (scale * (b @ a)).to(weight.device)


def last_hidden(model: Any, tokens: Sequence[Sequence[int]]) -> torch.Tensor:
    """The last layer's output at the last token of each text, shape (n, width)."""
    import torch

    ids, ends = padded(tokens, model.device)
    states: torch.Tensor = model.model(input_ids=ids, use_cache=False).last_hidden_state
    return states[torch.arange(len(tokens), device=ids.device), ends]


def last_states(
    model: Any, tokens: Sequence[Sequence[int]], token_budget: int = TOKEN_BUDGET
) -> NDArray[np.float32]:
    """`last_hidden` of any number of texts, in batches: shape (n, width)."""
    import numpy as np
    import torch

    from routectl.embedding.batches import batches

    states = np.empty((len(tokens), model.config.hidden_size), dtype=np.float32)
    with torch.inference_mode():
        for rows in batches([len(ids) for ids in tokens], tokens_at_once(token_budget)):
            states[rows] = last_hidden(model, [tokens[row] for row in rows]).cpu().numpy()
    return states


def rating_logits(
    model: Any,
    tokens: Sequence[Sequence[int]],
    ratings: Sequence[int],
    token_budget: int = TOKEN_BUDGET,
) -> NDArray[np.float64]:
    """Logits of the rating tokens after each text, shape (n, len(ratings)).

    The head is applied to these rows of it alone, a vocabulary's being thousands of times more.
    """
    import numpy as np
    import torch

    from routectl.embedding.batches import batches

    logits = np.empty((len(tokens), len(ratings)))
    head = model.get_output_embeddings().weight[list(ratings)]
    with torch.inference_mode():
        for rows in batches([len(ids) for ids in tokens], tokens_at_once(token_budget)):
            states = last_hidden(model, [tokens[row] for row in rows])
            logits[rows] = (states @ head.T).double().cpu().numpy()
    return logits


def strong_win_rates(logits: NDArray[np.float64], score_threshold: int) -> NDArray[np.float64]:
    """1 less the probability of a rating of `score_threshold` or more, given one of the ratings.

    Args:
        logits: shape (n, 5).
        score_threshold: from which rating on the weak model's answer is good enough, 2 to 5.

    Returns:
        Shape (n,), in [0, 1].
    """
    import numpy as np

    masses = np.exp(logits - logits.max(axis=1, keepdims=True))
    low: NDArray[np.float64] = masses[:, : score_threshold - 1].sum(axis=1) / masses.sum(axis=1)
    return low
