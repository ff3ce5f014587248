"""The routers by name: the built-in ones and those of installed third-party packages."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import cast

from routectl.errors import RouterError
from routectl.records import RouterSpec
from routectl.routers.checkpoint import checkpoint_folder
from routectl.routers.guarding import guarded
from routectl.routers.protocol import OpenRouter

ENTRY_POINT_GROUP = "routectl.routers"

_BUILT_IN = ("mf", "sw_ranking", "bert", "causal_llm", "ensemble", "random", "length")

# RouteLLM splits `router-NAME-THRESHOLD` at "-", so a name cannot hold one.
_NAME = re.compile(r"[a-z][a-z0-9_]*")

_Opener = Callable[[Path | None, str | None, str | None], OpenRouter]


def names() -> tuple[str, ...]:
    """The names that `open_router` knows: the built-in routers first, then third parties' A to Z.

    An entry point whose name could not stand in a config string is left out.
    """
    return (*_BUILT_IN, *sorted(_third_party()))


def open_router(
    name: str,
    *,
    checkpoint: Path | None = None,
    strong_model: str | None = None,
    weak_model: str | None = None,
    mapping: Mapping[str, str] | None = None,
) -> OpenRouter:
    """Find the router that a person asks for and say what it is, without loading its embedder.

    What is left out is the router's default; `open_spec` opens one that was opened before.

    Args:
        checkpoint: folder to read instead of the checkpoint that ships with routectl.
        strong_model: model of the pair; None takes the checkpoint's default pair's.
        weak_model: the same for the weak side.
        mapping: model of the pair that the router does not know -> a model that it knows and
            that is scored in its place.

    Raises:
        RouterError: no such router, or the pair or the mapping is none that it can decide on.
        CheckpointError: the checkpoint is missing, damaged or of another kind.
    """
    opener = _guarded_opener(name)
    if not mapping:
        return opener(checkpoint, strong_model, weak_model)
    from routectl.routers.mapping import open_mapped

    return open_mapped(
        lambda strong, weak: opener(checkpoint, strong, weak), strong_model, weak_model, mapping
    )


def open_spec(spec: RouterSpec) -> OpenRouter:
    """Open a router by what opens it again, `OpenRouter.spec`.

    Raises:
        RouterError: no such router, or the pair or the mapping is none that it can decide on.
        CheckpointError: the checkpoint was moved, does not ship, is damaged or of another kind.
    """
    _require(spec.name)
    folder = None if spec.checkpoint is None else checkpoint_folder(spec.name, spec.checkpoint)
    if spec.model_pair is None:
        return open_router(spec.name, checkpoint=folder, mapping=spec.mapping)
    new = {known: name for name, known in spec.mapping.items()}
    strong, weak = spec.model_pair.strong, spec.model_pair.weak
    return open_router(
        spec.name,
        checkpoint=folder,
        strong_model=new.get(strong, strong),
        weak_model=new.get(weak, weak),
        mapping=spec.mapping,
    )


def _require(name: str) -> None:
    if name not in names():
        raise RouterError(
            f"There is no router named {name!r}; the routers are {', '.join(names())}."
        )


def _opener(name: str) -> _Opener:
    _require(name)
    if name in _BUILT_IN:
        module = import_module(f"routectl.routers.{name}")
        return cast(_Opener, module.open_router)
    entry = _third_party()[name]
    try:
        return cast(_Opener, entry.load())
    except Exception as error:
        raise RouterError(
            f"The router {name!r} of {package(name)} cannot be imported ({error}); "
            "reinstall or remove that package."
        ) from error


def _guarded_opener(name: str) -> _Opener:
    """The opener; a third party's answers with an OpenRouter of that name or is named."""
    opener = _opener(name)
    if name in _BUILT_IN:
        return opener

    def guarded_opener(
        checkpoint: Path | None, strong_model: str | None, weak_model: str | None
    ) -> OpenRouter:
        opened = guarded(
            name, lambda: opener(checkpoint, strong_model, weak_model), "when it was opened"
        )
        if not isinstance(opened, OpenRouter):
            raise RouterError(
                f"The router {name!r} of {package(name)} opened as a "
                f"{type(opened).__name__} and not as an OpenRouter; upgrade or remove that package."
            )
        if opened.identity.name != name:
            raise RouterError(
                f"The router {name!r} of {package(name)} calls itself {opened.identity.name!r}; "
                "upgrade or remove that package."
            )
        if checkpoint is not None and opened.description.checkpoint is None:
            # It did not say that it read a folder; its spec must name it all the same.
            described = replace(opened.description, checkpoint=checkpoint)
            return replace(opened, description=described)
        return opened

    return guarded_opener


def package(name: str) -> str | None:
    """The package that a third-party router comes from; None for one of routectl's own."""
    entry = _third_party().get(name)
    if entry is None:
        return None
    return entry.dist.name if entry.dist else entry.value


def _third_party() -> dict[str, EntryPoint]:
    return {
        entry.name: entry
        for entry in entry_points(group=ENTRY_POINT_GROUP)
        if _NAME.fullmatch(entry.name) and entry.name not in _BUILT_IN
    }
