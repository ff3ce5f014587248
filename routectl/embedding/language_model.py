"""Causal language models as encoders: a text around the prompt, token ids, a model in memory."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from routectl.errors import CheckpointError

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Template:
    """The text around a prompt."""

    before: str
    after: str


DEFAULT_TEMPLATE = Template(
    before="<|im_start|>user\n"
    "How well would a small language model answer the request below? "
    "Give a rating from 1 (badly) to 5 (perfectly).\n\n",
    after="<|im_end|>\n<|im_start|>assistant\nRating: ",
)
"""SmolLM2's form of a chat, with the question that `causal_llm` answers by its next token."""


class TemplateReader:
    """Prompts to the token ids that the model is given."""

    def __init__(self, folder: Path, template: Template, max_tokens: int) -> None:
        """Read the tokenizer of a base.

        Args:
            max_tokens: of a prompt with its template, at most.

        Raises:
            CheckpointError: it cannot be read, or the template leaves no room for a prompt.
        """
        from tokenizers import Tokenizer

        from routectl.embedding.reading import TokenReader

        self._path = folder / "tokenizer.json"
        try:
            text = self._path.read_text(encoding="utf-8")
            self._tokenizer = Tokenizer.from_str(text)
            # A prompt that spells a control token out must not become one.
            plain = Tokenizer.from_str(
                json.dumps(json.loads(text) | {"added_tokens": [], "post_processor": None})
            )
        except Exception as error:  # tokenizers raises Exception itself
            raise CheckpointError(
                f"{self._path} cannot be read as a tokenizer; restore the base model."
            ) from error
        self.before, self.after = self._ids(template.before), self._ids(template.after)
        room = max_tokens - len(self.before) - len(self.after)
        if room < 1:
            raise CheckpointError(
                f"The template takes {len(self.before) + len(self.after)} tokens, which leaves "
                f"none of {max_tokens} for the prompt; allow more tokens."
            )
        self._reader = TokenReader(plain, room)

    def _ids(self, text: str) -> list[int]:
        ids: list[int] = self._tokenizer.encode(text, add_special_tokens=False).ids
        return ids

    def read(self, prompts: Sequence[str]) -> list[list[int]]:
        """Token ids of each prompt with the template around it."""
        return [[*self.before, *ids, *self.after] for ids in self._reader.read(prompts)]

    def longer_than_read(self, prompts: Sequence[str]) -> NDArray[np.bool_]:
        """Shape (n,): True where a prompt has more tokens than are read."""
        import numpy as np

        return np.array(self._reader.longer_than_read(prompts), dtype=np.bool_)


def load_model(folder: Path, dtype: str = "float32") -> Any:
    """A causal language model of transformers from a local folder, ready to score, on `device()`.

    Raises:
        CheckpointError: its files do not make a model, or the GPU has no room for it.
    """
    import torch

    from routectl.embedding.sentence_transformer import quiet

    try:
        with quiet():
            from transformers import AutoModelForCausalLM

            model: Any = AutoModelForCausalLM.from_pretrained(
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
    try:
        return model.to(device())
    except Exception as error:  # a driver's own errors are of many kinds
        raise CheckpointError(
            f"{folder} cannot be loaded onto the GPU ({type(error).__name__}), which may have too "
            "little memory; set CUDA_VISIBLE_DEVICES= to compute on the CPU."
        ) from error


def device() -> str:
    """Where a language model computes: `cuda` where torch finds a GPU, else `cpu`.

    The environment variable CUDA_VISIBLE_DEVICES hides GPUs from torch.
    """
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def tokens_at_once(budget: int) -> int:
    """Tokens of a batch where `budget` is right for a CPU; a GPU wants sixteen times as many."""
    return budget if device() == "cpu" else 16 * budget


def padded(tokens: Sequence[Sequence[int]], device: Any) -> tuple[torch.Tensor, torch.Tensor]:
    """Token ids as (n, longest), and the place of each text's last token, (n,).

    Texts are padded on the right. A causal model never looks to the right, so the padding needs no
    mask and reaches nothing that is read.
    """
    import torch

    ends = torch.tensor([len(ids) - 1 for ids in tokens])
    ids = torch.zeros((len(tokens), int(ends.max()) + 1), dtype=torch.long)
    for row, text_ids in enumerate(tokens):
        ids[row, : len(text_ids)] = torch.tensor(text_ids)
    return ids.to(device), ends.to(device)
