"""The computation of `causal_llm`: token ids in, the logits of the five ratings out."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from routectl.errors import CheckpointError

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray

RATINGS = ("1", "2", "3", "4", "5")
"""How well the weak model's answer is expected to do, from badly to perfectly."""

TARGETS = ("q_proj", "v_proj")
"""The layers' projections that an adapter changes."""

TOKEN_BUDGET = 1024
"""Tokens of a batch, padding included; it moves speed and the noise, and nothing else."""


@dataclass(frozen=True, slots=True)
class Template:
    """What stands around a prompt. The rating is the token that comes next."""

    before: str
    after: str


DEFAULT_TEMPLATE = Template(
    before="<|im_start|>user\n"
    "How well would a small language model answer the request below? "
    "Give a rating from 1 (badly) to 5 (perfectly).\n\n",
    after="<|im_end|>\n<|im_start|>assistant\nRating: ",
)


class RatingReader:
    """Prompts to the token ids that the model is given."""

    def __init__(self, folder: Path, template: Template, max_tokens: int) -> None:
        """Read the tokenizer of a base.

        Raises:
            CheckpointError: it cannot be read, or a rating is no single token of it.
        """
        from tokenizers import Tokenizer

        from routectl.embedding.reading import TokenReader

        path = folder / "tokenizer.json"
        try:
            text = path.read_text(encoding="utf-8")
            tokenizer = Tokenizer.from_str(text)
            # A prompt that spells a control token out must not become one.
            plain = Tokenizer.from_str(
                json.dumps(json.loads(text) | {"added_tokens": [], "post_processor": None})
            )
        except Exception as error:  # tokenizers raises Exception itself
            raise CheckpointError(
                f"{path} cannot be read as a tokenizer; restore the base model."
            ) from error

        def ids(text: str) -> list[int]:
            found: list[int] = tokenizer.encode(text, add_special_tokens=False).ids
            return found

        self.before, self.after = ids(template.before), ids(template.after)
        self.ratings = [self._rating(ids, template.after, rating, path) for rating in RATINGS]
        room = max_tokens - len(self.before) - len(self.after)
        if room < 1:
            raise CheckpointError(
                f"The template takes {len(self.before) + len(self.after)} tokens, which leaves "
                f"none of {max_tokens} for the prompt; allow more tokens."
            )
        self._reader = TokenReader(plain, room, "head")

    @staticmethod
    def _rating(ids: Any, after: str, rating: str, path: Path) -> int:
        before, with_rating = ids(after), ids(after + rating)
        if with_rating[:-1] != before or len(with_rating) != len(before) + 1:
            raise CheckpointError(
                f"The tokenizer {path} has no single token for the rating {rating!r} after the "
                "template; take a base model that has one."
            )
        return int(with_rating[-1])

    def read(self, prompts: Sequence[str]) -> list[list[int]]:
        """Token ids of each prompt with the template around it; a long prompt's head is read."""
        return [[*self.before, *ids, *self.after] for ids in self._reader.read(prompts)]

    def longer_than_read(self, prompts: Sequence[str]) -> NDArray[np.bool_]:
        """Shape (n,): True where a prompt has more tokens than are read."""
        import numpy as np

        return np.array(self._reader.longer_than_read(prompts), dtype=np.bool_)


def load_model(folder: Path, dtype: str = "float32") -> Any:
    """A causal language model of transformers from a local folder, ready to score.

    Raises:
        CheckpointError: its files do not make a model.
    """
    import torch

    from routectl.embedding.sentence_transformer import quiet

    try:
        with quiet():
            from transformers import AutoModelForCausalLM

            model = AutoModelForCausalLM.from_pretrained(
                str(folder),
                dtype=getattr(torch, dtype),
                local_files_only=True,
                trust_remote_code=False,
                use_safetensors=True,
            )
    except Exception as error:  # whatever the libraries below raise on damaged files
        raise CheckpointError(
            f"{folder} cannot be loaded as a causal language model ({type(error).__name__}); "
            "restore its files."
        ) from error
    model.train(False)
    return model


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
                weight += scale * (b @ a)


def last_hidden(model: Any, tokens: Sequence[Sequence[int]]) -> torch.Tensor:
    """The last layer's output at the last token of each text, shape (n, width).

    Texts are padded on the right. A causal model never looks to the right, so the padding needs no
    mask and reaches nothing that is read.
    """
    import torch

    ends = torch.tensor([len(ids) - 1 for ids in tokens])
    padded = torch.zeros((len(tokens), int(ends.max()) + 1), dtype=torch.long)
    for row, ids in enumerate(tokens):
        padded[row, : len(ids)] = torch.tensor(ids)
    states: torch.Tensor = model.model(input_ids=padded, use_cache=False).last_hidden_state
    return states[torch.arange(len(tokens)), ends]


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
        for rows in batches([len(ids) for ids in tokens], token_budget):
            states = last_hidden(model, [tokens[row] for row in rows])
            logits[rows] = (states @ head.T).double().numpy()
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
