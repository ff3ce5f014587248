"""`routectl export --format bundle`: routes.json with all that its routers score with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from routectl.errors import InputError, UsageError, reason_of
from routectl.export import ActiveRoute, routes_document
from routectl.output import check_new_folder, new_folder, write_in
from routectl.policy import THRESHOLD
from routectl.proxy.bundle import (
    MANIFEST,
    ROUTES,
    BundledRouter,
    content_of,
    manifest,
    probe_texts,
)
from routectl.routers import checked_scores, open_spec
from routectl.routers.portable import Gathered


@dataclass(frozen=True, slots=True)
class WrittenBundle:
    """A bundle that was written."""

    routers: tuple[str, ...]
    bytes: int
    """Of all its files together."""


def check_export_folder(folder: Path) -> None:
    """Refuse a folder for an export that is not new.

    Raises:
        UsageError: it is a link, or holds something.
    """
    check_new_folder(folder, "--output")
    if folder.exists() and not (folder.is_dir() and not any(folder.iterdir())):
        raise UsageError(
            f"--output {folder} is there already, and what was exported never changes under its "
            "name: name a new folder, and swap a link to it when it is written"
        )


def write_bundle(routes: Mapping[str, ActiveRoute], folder: Path) -> WrittenBundle:
    """Write a bundle of these routes, whole or not at all.

    Raises:
        UsageError, InputError: the folder is not new, or cannot be written.
        RoutectlError: a router cannot be opened, or cannot be put into a bundle.
    """
    check_export_folder(folder)
    gathered, routers, probes = Gathered(), {}, probe_texts()
    for route in routes.values():
        policy = route.policy
        for pinned in policy.routers if policy.rule == THRESHOLD else ():
            if pinned.fingerprint in routers:
                continue
            name, place = pinned.spec.name, f"routers/{pinned.spec.name}-{pinned.fingerprint[:12]}"
            opened = open_spec(pinned.spec)
            if opened.identity.fingerprint != pinned.fingerprint:
                raise InputError(
                    f"the router {name!r} that is installed here has another fingerprint than the "
                    "one that runs: write the bundle with the routectl that calibrated it"
                )
            gathered.add_router(pinned.spec, place)
            scores, _ = checked_scores(name, opened.load(), probes)
            routers[pinned.fingerprint] = BundledRouter(place, tuple(map(float, scores)))
    try:
        contents = {
            **{path: content_of(file) for path, file in gathered.files.items()},
            ROUTES: routes_document(routes).encode(),
            MANIFEST: manifest(gathered.files, routers, probes).encode(),
        }
        with new_folder(folder) as temporary:
            for path, content in contents.items():
                write_in(temporary, path, content)
    except OSError as error:
        raise InputError(f"cannot write --output {folder}: {reason_of(error)}") from None
    return WrittenBundle(
        tuple(router.folder for router in routers.values()), sum(map(len, contents.values()))
    )
