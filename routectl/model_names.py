"""One name for each model: the data sets, leaderboards and providers spell them differently.

The canonical name is the one that the model's own publisher uses, without the organisation.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Sequence

from routectl.errors import RouterError

_ALIASES: dict[str, tuple[str, ...]] = {
    "Meta-Llama-3.1-70B": ("llama-3.1-70b",),
    "Meta-Llama-3.1-70B-Instruct": ("llama-3.1-70b-instruct",),
    "Meta-Llama-3.1-8B": ("llama-3.1-8b",),
    "Meta-Llama-3.1-8B-Instruct": ("llama-3.1-8b-instruct",),
    "Meta-Llama-3-70B": ("llama-3-70b",),
    "Meta-Llama-3-70B-Instruct": ("llama-3-70b-instruct",),
    "Meta-Llama-3-8B": ("llama-3-8b",),
    "Meta-Llama-3-8B-Instruct": ("llama-3-8b-instruct",),
    "Mixtral-8x7B-Instruct-v0.1": ("mixtral-8x7b-instruct",),
    "Mixtral-8x7B-v0.1": ("mixtral-8x7b",),
    "c4ai-command-r-v01": ("command-r",),
    "claude-3-opus-20240229": ("claude-3-opus",),
    "claude-3-sonnet-20240229": ("claude-3-sonnet",),
    "gpt-4-1106-preview": ("gpt4-1106-preview", "gpt-4-turbo-1106"),
    "gpt-4-0314": ("gpt4-0314",),
    "gpt-4-0613": ("gpt4-0613",),
    "gpt-4": ("gpt4",),
    "gpt-3.5-turbo": ("gpt35-turbo", "chatgpt"),
}
"""Canonical name -> other spellings. Case, organisation, and `_` for `-` or `.` need no entry."""


def _folded(name: str) -> str:
    """The spelling with what carries no meaning taken out."""
    return re.sub(r"[-_.\s]+", "-", _bare(name).lower())


def _bare(name: str) -> str:
    """The name without the organisation before it."""
    return name.rsplit("/", 1)[-1].strip() or name.strip()


_CANONICAL = {
    _folded(spelling): canonical
    for canonical, aliases in _ALIASES.items()
    for spelling in (canonical, *aliases)
}


def canonical(name: str) -> str:
    """The one name of a model, e.g. "mistralai/Mixtral-8x7B-Instruct-v0.1" without its prefix.

    A model that the table does not know keeps its own spelling, less the organisation.
    """
    return _CANONICAL.get(_folded(name), _bare(name))


def canonical_names(names: Iterable[str]) -> dict[str, str]:
    """Spelling -> canonical name, for names that may meet: two spellings of a model become one.

    Of the spellings of a model that the table does not know, the first one stands for all.
    """
    first: dict[str, str] = {}
    return {name: first.setdefault(_folded(canonical(name)), canonical(name)) for name in names}


def same_model(a: str, b: str) -> bool:
    """Whether two spellings name one model."""
    return _folded(canonical(a)) == _folded(canonical(b))


def find(name: str, models: Sequence[str]) -> str | None:
    """The one of `models` that `name` is a spelling of, if any."""
    return next((model for model in models if same_model(name, model)), None)


def resolve(name: str, models: Sequence[str], *, side: str) -> str:
    """Find what the user calls `name` among the `models` of a checkpoint.

    Args:
        side: "strong" or "weak", for the sentence.

    Raises:
        RouterError: the checkpoint does not know the model; names the nearest that it knows.
    """
    by_folded = {_folded(canonical(model)): model for model in models}
    wanted = _folded(canonical(name))
    if wanted in by_folded:
        return by_folded[wanted]
    near = difflib.get_close_matches(wanted, by_folded, n=5, cutoff=0.6)
    shown = [by_folded[key] for key in near] or sorted(models, key=str.lower)
    word = "the nearest that it knows are" if near else "it knows"
    raise RouterError(
        f"The checkpoint does not know the {side} model {name!r}; {word} {', '.join(shown)}."
    )
