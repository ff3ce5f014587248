"""A bundle: routes.json, and in folders next to it the weights and tokenizers of its routers.

Its manifest has the SHA-256 of each of these files, and of each router the scores of generated
texts. What differs is refused, so a bundle scores as it did where it was written, whatever the
package has become. routes.json is not in the manifest: each activation writes it anew.
"""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from routectl import __version__
from routectl.errors import InputError
from routectl.policy import PinnedRouter
from routectl.records import RouterSpec

if TYPE_CHECKING:
    from routectl.routers import Router

ROUTES, MANIFEST = "routes.json", "manifest.json"
_FORMAT, _VERSION = "routectl-bundle", 1
PROBES = 32
"""Texts of which the scores are kept."""

_WORDS = (
    "a the of and to in is it for with that list table sort file three seven 12 0.5 why how write "
    "explain prove compute translate summarise compare please shortest path integral matrix poem "
    "email recipe function class return def f(x): x**2 SELECT WHERE {json} naïve Grüße 東京 задача "
    "π ≈ 3.14159 don't e.g. - 1. ```"
)


@dataclass(frozen=True, slots=True)
class BundledRouter:
    """A router of a bundle."""

    folder: str
    """Of its checkpoint, relative to the bundle's."""
    scores: tuple[float, ...]
    """Strong win rates of the probes where the bundle was written."""


@dataclass(frozen=True, slots=True)
class Bundle:
    """What a manifest says, of the bundle in this folder."""

    folder: Path
    probes: tuple[str, ...]
    routers: Mapping[str, BundledRouter]
    """By fingerprint."""
    files: Mapping[str, str]
    """SHA-256, in hexadecimal, by path relative to the folder."""

    def state(self) -> tuple[tuple[int, int, int] | None, ...]:
        """Of each file what changes when it is written anew; None where there is none."""
        return tuple(_state(self.folder / path) for path in self.files)

    def require_unchanged(self) -> None:
        """Refuse the bundle where a file is not the one that was written.

        Raises:
            InputError: a file differs, or cannot be read.
        """
        for path, digest in self.files.items():
            try:
                with (self.folder / path).open("rb") as file:
                    same = hashlib.file_digest(file, "sha256").hexdigest() == digest
            except OSError as error:
                raise InputError(
                    f"the bundle's file {path} cannot be read ({error.strerror}): copy the whole "
                    "bundle again"
                ) from None
            if not same:
                raise InputError(
                    f"the bundle's file {path} is not the one that was written (its SHA-256 "
                    "differs): copy the whole bundle again"
                )

    def spec(self, pinned: PinnedRouter) -> RouterSpec | None:
        """How to open a policy's router from here; None where the bundle does not hold it."""
        held = self.routers.get(pinned.fingerprint)
        if held is None:
            return None
        return replace(pinned.spec, checkpoint=str(self.folder.resolve() / held.folder))

    def require_same_scores(self, fingerprint: str, router: Router) -> None:
        """Refuse a router whose scores differ by more than its noise from those that were kept.

        Raises:
            InputError: they do.
        """
        from routectl.routers import checked_scores

        scores, _ = checked_scores(router.identity.name, router, self.probes)
        kept = self.routers[fingerprint].scores
        most = max(abs(float(now) - was) for now, was in zip(scores, kept, strict=True))
        if most > router.identity.noise:
            raise InputError(
                f"the router {router.identity.name!r} scores otherwise here than where the bundle "
                f"was written: by up to {most:.1e}, and its noise is {router.identity.noise:.1e}"
            )


def read_bundle(folder: Path, data: bytes) -> Bundle:
    """What a manifest says.

    Args:
        folder: the bundle's.
        data: the content of its manifest.

    Raises:
        InputError: it is none, of a newer version, or names a file outside.
    """
    try:
        value = json.loads(data)
        if value["format"] != _FORMAT or type(value["version"]) is not int:
            raise ValueError
        if value["version"] > _VERSION:
            raise InputError(
                f"the bundle is of version {value['version']}, and this routectl reads up to "
                f"{_VERSION}: install a newer routectl"
            )
        probes = tuple(str(text) for text in value["probes"])
        routers = {
            str(fingerprint): BundledRouter(
                _inside(held["folder"]), tuple(float(score) for score in held["scores"])
            )
            for fingerprint, held in value["routers"].items()
        }
        files = {_inside(path): str(digest) for path, digest in value["files"].items()}
        if any(len(router.scores) != len(probes) for router in routers.values()) or not probes:
            raise ValueError
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        raise InputError(
            f"{MANIFEST} is no manifest of `routectl export --format bundle`"
        ) from None
    return Bundle(folder, probes, routers, files)


def manifest(
    files: Mapping[str, bytes | Path],
    routers: Mapping[str, BundledRouter],
    probes: Sequence[str],
) -> str:
    """The manifest of these files and routers, ending in a newline; raises OSError."""
    value = {
        "format": _FORMAT,
        "version": _VERSION,
        "written_by": f"routectl {__version__}",
        "routers": {
            fingerprint: {"folder": router.folder, "scores": list(router.scores)}
            for fingerprint, router in routers.items()
        },
        "probes": list(probes),
        "files": {path: hashlib.sha256(content_of(files[path])).hexdigest() for path in files},
    }
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"


def content_of(file: bytes | Path) -> bytes:
    """The content of a file, which lies in memory or on the disk; raises OSError."""
    return file if isinstance(file, bytes) else file.read_bytes()


def probe_texts() -> list[str]:
    """Generated texts of one word to several hundred, which are nobody's prompts."""
    generator = random.Random(20)
    lengths = [round(1.2**number) for number in range(PROBES)]
    return [" ".join(generator.choices(_WORDS.split(), k=length)) for length in lengths]


def _inside(path: object) -> str:
    """A path that leads nowhere outside of the bundle; raises ValueError."""
    parts = PurePosixPath(str(path))
    if parts.is_absolute() or ".." in parts.parts or not parts.parts:
        raise ValueError
    return str(parts)


def _state(path: Path) -> tuple[int, int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_ino, status.st_size, status.st_mtime_ns
