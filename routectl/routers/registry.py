"""The routers by name: the built-in ones and those of installed third-party packages."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import cast

from routectl.checkpoint import checkpoint_folder
from routectl.errors import RouterError
from routectl.policy import PinnedRouter
from routectl.records import RouterSpec
from routectl.routers.guarding import guarded
from routectl.routers.plugins import BUILT_IN, package, third_party
from routectl.routers.protocol import OpenRouter
from routectl.routers.published import locate, open_published

_Opener = Callable[[Path | None, str | None, str | None], OpenRouter]


def names() -> tuple[str, ...]:
    """The names that `open_router` knows: the built-in routers first, then third parties' A to Z.

    An entry point whose name cannot be part of a config string is left out.
    """
    return (*BUILT_IN, *sorted(third_party()))


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
    new = {stand_in: name for name, stand_in in spec.mapping.items()}
    strong, weak = spec.model_pair.strong, spec.model_pair.weak
    return open_router(
        spec.name,
        checkpoint=folder,
        strong_model=new.get(strong, strong),
        weak_model=new.get(weak, weak),
        mapping=spec.mapping,
    )


def open_pinned(pinned: PinnedRouter) -> OpenRouter:
    """Open the router of a policy.

    Raises:
        RoutectlError: it cannot be opened, or is not the one that the policy was made with.
    """
    opened = open_spec(pinned.spec)
    if opened.identity.fingerprint != pinned.fingerprint:
        raise RouterError(
            f"the router {pinned.spec.name!r} that is installed here has another fingerprint "
            f"({opened.identity.fingerprint[:12]}) than the one that the policy was made with "
            f"({pinned.fingerprint[:12]}): install the routectl that calibrated it"
        )
    return opened


def _require(name: str) -> None:
    # Reading the entry points of what is installed takes some milliseconds.
    if name not in BUILT_IN and name not in names():
        raise RouterError(
            f"There is no router named {name!r}; the routers are {', '.join(names())}."
        )


def _opener(name: str) -> _Opener:
    _require(name)
    if name in BUILT_IN:
        return _built_in_opener(name)
    entry = third_party()[name]
    try:
        return cast(_Opener, entry.load())
    except (Exception, SystemExit, KeyboardInterrupt) as error:
        # Whatever a package raises is its fault; a Ctrl-C is known by its signal all the same.
        raise RouterError(
            f"The router {name!r} of {package(name)} cannot be imported ({type(error).__name__}); "
            "reinstall or remove that package."
        ) from error


def _built_in_opener(name: str) -> _Opener:
    """Opens a folder of routectl's own, or one in a layout that RouteLLM published."""

    def open_built_in(
        checkpoint: Path | None, strong_model: str | None, weak_model: str | None
    ) -> OpenRouter:
        folder = None if checkpoint is None else locate(checkpoint)
        if folder is not None:
            published = open_published(name, folder, strong_model, weak_model)
            if published is not None:
                return published
        own = cast(_Opener, import_module(f"routectl.routers.{name}").open_router)
        return own(folder, strong_model, weak_model)

    return open_built_in


def _guarded_opener(name: str) -> _Opener:
    """The opener; a third party's answers with an OpenRouter of that name or is named."""
    opener = _opener(name)
    if name in BUILT_IN:
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
