"""RouteLLM's own causal_llm checkpoints: a Llama 3 fine-tuned whole, with five tokens added.

The folder holds a causal language model of transformers, whose tokenizer has the tokens `[[1]]` to
`[[5]]`, and two texts around a prompt. The model answers greedily with up to six tokens; the
probabilities at its first rating token are the score. An answer without one sends the prompt to
the strong model: its strong win rate is 1.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from routectl.embedding.base_models import base_digest
from routectl.embedding.language_model import load_model, tokens_at_once
from routectl.errors import CheckpointError
from routectl.records import ModelPair, RouterIdentity
from routectl.routers.causal_model import (
    TOKEN_BUDGET,
    last_hidden,
    strong_win_rates,
)
from routectl.routers.pairs import choose_pair
from routectl.routers.protocol import EXTRACTION_FACT, OpenRouter, RouterDescription, fingerprint

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

SUMMARY = "a causal language model in RouteLLM's published layout (section 4.2.4); slow"

_PAIR = ModelPair("gpt-4-1106-preview", "Mixtral-8x7B-Instruct-v0.1")
"""The published checkpoints were trained for it."""
_RATINGS = ("[[1]]", "[[2]]", "[[3]]", "[[4]]", "[[5]]")
_SCORE_THRESHOLD = 4
_MOST_NEW_TOKENS = 6
_SYSTEM, _CLASSIFIER = "system_ft_v5.txt", "classifier_ft_v5.txt"
# Float32 sums in another order: 1e-6 on models of this depth, with room for their greater width.
_NOISE = 2e-5


@dataclass(frozen=True, slots=True)
class _Texts:
    system: str
    classifier: str
    """Has `{question}` where the prompt goes."""

    def around(self, prompt: str) -> str:
        """The conversation in Llama 3's format; its tokenizer puts the beginning-of-text first."""
        turns = [("system", self.system), ("user", self.classifier.format(question=prompt))]
        return "".join(
            f"<|start_header_id|>{role}<|end_header_id|>\n\n{text.strip()}<|eot_id|>"
            for role, text in turns
            if text or role == "user"
        )


def open_published(folder: Path, strong_model: str | None, weak_model: str | None) -> OpenRouter:
    """Open a checkpoint in the published layout.

    Raises:
        RouterError: a model is asked for that the published checkpoints do not know.
        CheckpointError: a file is missing, damaged or a pickle.
    """
    texts = _read_texts(folder)
    pair = choose_pair(strong_model, weak_model, _PAIR, (_PAIR.strong, _PAIR.weak))
    facts: dict[str, object] = {
        "router": "causal_llm",
        "layout": "published",
        "weights": base_digest(folder),
        "texts": hashlib.sha256(f"{texts.system}\0{texts.classifier}".encode()).hexdigest(),
        "score_threshold": _SCORE_THRESHOLD,
        "new_tokens": _MOST_NEW_TOKENS,
        "strong_model": pair.strong,
        "weak_model": pair.weak,
        "extraction": EXTRACTION_FACT,
    }
    identity = RouterIdentity("causal_llm", fingerprint(facts), pair, _NOISE, facts)
    description = RouterDescription(
        name="causal_llm",
        kind="causal_llm",
        summary=SUMMARY,
        checkpoint=folder,
        models=(_PAIR.strong, _PAIR.weak),
        default_pair=_PAIR,
        embedder=None,
        reads="the whole prompt, up to the model's context; of a longer one the end",
        licence=None,
        card=card if (card := folder / "README.md").is_file() else None,
        slow=True,
    )
    return OpenRouter(identity, description, lambda: PublishedCausalLlm(identity, folder, texts))


def _read_texts(folder: Path) -> _Texts:
    contents = []
    for name in (_SYSTEM, _CLASSIFIER):
        try:
            contents.append((folder / name).read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise CheckpointError(
                f"{folder / name} cannot be read; a published causal_llm checkpoint holds the "
                f"texts {_SYSTEM} and {_CLASSIFIER} next to its weights."
            ) from error
    texts = _Texts(*contents)
    try:
        fits = texts.classifier.format(question="\0") != texts.classifier.format(question="")
    except (KeyError, IndexError, ValueError):
        fits = False
    if not fits:
        raise CheckpointError(
            f"{folder / _CLASSIFIER} has no single place {{question}} for the prompt; restore it."
        )
    return texts


class PublishedCausalLlm:
    """A checkpoint in the published layout, in float32."""

    def __init__(self, identity: RouterIdentity, folder: Path, texts: _Texts) -> None:
        """Load the model.

        Raises:
            CheckpointError: its files do not make a model, or the tokenizer does not fit it.
        """
        from tokenizers import Tokenizer

        path = folder / "tokenizer.json"
        try:
            self._tokenizer = Tokenizer.from_file(str(path))
        except Exception as error:  # tokenizers raises Exception itself
            raise CheckpointError(f"{path} cannot be read as a tokenizer; restore it.") from error
        # Where the tokenizer is Llama 3's own, the tokens come next to its last, as in training.
        self._tokenizer.add_special_tokens(list(_RATINGS))
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        self._ratings = [int(self._tokenizer.token_to_id(rating) or 0) for rating in _RATINGS]
        self.identity = identity
        self._texts = texts
        self._model = load_model(folder)
        self._head = self._model.get_output_embeddings().weight
        if max(self._ratings) >= len(self._head):
            raise CheckpointError(
                f"{path} does not fit the model: it has the rating {_RATINGS[-1]} as token "
                f"{max(self._ratings)}, and the model knows {len(self._head)}."
            )
        self._context = int(self._model.config.max_position_embeddings) - _MOST_NEW_TOKENS
        ends = self._model.generation_config.eos_token_id
        self._ends = set(ends if isinstance(ends, list) else [ends])

    def strong_win_rates(self, prompts: Sequence[str]) -> NDArray[np.float64]:
        """Shape (n,), in [0, 1]."""
        import numpy as np
        import torch

        from routectl.embedding.batches import batches

        tokens = [ids[-self._context :] for ids in self._read(prompts)]
        rates = np.ones(len(prompts))
        unanswered = list(range(len(prompts)))
        with torch.inference_mode():
            for _ in range(_MOST_NEW_TOKENS):
                going_on = []
                lengths = [len(tokens[row]) for row in unanswered]
                for part in batches(lengths, tokens_at_once(TOKEN_BUDGET)):
                    rows = [unanswered[at] for at in part]
                    logits = last_hidden(self._model, [tokens[row] for row in rows]) @ self._head.T
                    following = logits.argmax(dim=1).tolist()
                    scored = strong_win_rates(
                        logits[:, self._ratings].double().cpu().numpy(), _SCORE_THRESHOLD
                    )
                    for row, token, rate in zip(rows, following, scored, strict=True):
                        if token in self._ratings:
                            rates[row] = rate
                        elif token not in self._ends:
                            tokens[row].append(token)
                            going_on.append(row)
                unanswered = sorted(going_on)
        return rates

    def longer_than_read(self, prompts: Sequence[str]) -> NDArray[np.bool_]:
        """Shape (n,): True where the conversation is longer than the model's context."""
        import numpy as np

        return np.array([len(ids) > self._context for ids in self._read(prompts)], dtype=np.bool_)

    def _read(self, prompts: Sequence[str]) -> list[Any]:
        encodings = self._tokenizer.encode_batch([self._texts.around(prompt) for prompt in prompts])
        return [encoding.ids for encoding in encodings]
