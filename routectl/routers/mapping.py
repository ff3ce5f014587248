"""`--as NEW=KNOWN`: a model that a router does not know, scored as one that it knows.

RouteLLM's section 5.3 finds that routers carry over to model pairs that they were not trained
on. Whether that holds for a pair is for the user to say, so nothing is ever mapped unasked.
The new names change no score, so a mapped router has the fingerprint that it is scored with.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from routectl.errors import RouterError
from routectl.model_names import canonical, find, same_model
from routectl.records import ModelPair
from routectl.routers.protocol import OpenRouter

Opener = Callable[[str | None, str | None], OpenRouter]
"""(strong model, weak model) -> the router, opened for that pair."""


def open_mapped(
    opener: Opener,
    strong_model: str | None,
    weak_model: str | None,
    mapping: Mapping[str, str],
) -> OpenRouter:
    """Open a router for the known models, and let it say which models they stand for.

    Args:
        strong_model, weak_model: the pair as it was asked for, with the new names.
        mapping: new name -> the known model that is scored in its place.

    Raises:
        RouterError: a new name is not in the pair, or the router knows it already; or it does
            not know the model that should stand for it.
    """
    for new, stand_in in mapping.items():
        if not any(
            side is not None and same_model(side, new) for side in (strong_model, weak_model)
        ):
            raise RouterError(
                f"--as {new}={stand_in}: {new} is neither the strong nor the weak model that was "
                "asked for; name it with --strong-model or --weak-model."
            )
    opened = opener(_known(strong_model, mapping), _known(weak_model, mapping))
    known_models, pair = opened.description.models, opened.identity.model_pair
    if pair is None:
        raise RouterError(f"The router {opened.identity.name!r} knows no models; leave out --as.")
    for new, stand_in in mapping.items():
        already = find(new, known_models)
        if already is not None:
            raise RouterError(
                f"--as {new}={stand_in}: the router {opened.identity.name!r} knows {already} "
                "itself; leave out --as."
            )
    names = {
        canonical(new): find(stand_in, known_models) or stand_in
        for new, stand_in in mapping.items()
    }
    renamed = ModelPair(
        _new(strong_model, pair.strong, mapping), _new(weak_model, pair.weak, mapping)
    )
    return replace(opened, identity=replace(opened.identity, model_pair=renamed, scored_as=names))


def _known(model: str | None, mapping: Mapping[str, str]) -> str | None:
    """What the router is asked for in place of `model`."""
    if model is None:
        return None
    return next((stand_in for new, stand_in in mapping.items() if same_model(model, new)), model)


def _new(model: str | None, opened: str, mapping: Mapping[str, str]) -> str:
    """The name of a side of the pair: where it was mapped the new one, as the mapping spells it."""
    if model is None:
        return opened
    return next((canonical(new) for new in mapping if same_model(model, new)), opened)
