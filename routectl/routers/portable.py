"""A router's files, gathered so that a folder of them scores without the package's own.

The copy of a checkpoint names its embedder or encoder by a path that begins with a dot, which is
relative to the checkpoint's folder; members of an ensemble lie inside it. Weights and tokenizers
are copied as they are, so the fingerprint is the same.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from routectl.checkpoint import (
    CARD,
    CONFIG,
    WEIGHTS,
    Checkpoint,
    checkpoint_folder,
    read_checkpoint,
)
from routectl.embedding.files import EmbedderFiles, locate, locate_encoder
from routectl.embedding.names import (
    CLASSIFIER,
    classifier_folder,
    in_checkpoint,
    is_classifier,
    is_hidden,
    remote_host,
)
from routectl.errors import CheckpointError, RouterError
from routectl.records import RouterSpec
from routectl.routers.ensemble import MEMBERS

PORTABLE = ("mf", "sw_ranking", "bert", "ensemble", "length")
"""The routers that can be gathered."""


@dataclass(frozen=True, slots=True)
class Gathered:
    """Files by their path in the folder that they are for, each with its content or its place."""

    files: dict[str, bytes | Path] = field(default_factory=dict)

    def add_router(self, spec: RouterSpec, folder: str) -> None:
        """Add all that a router scores with.

        Args:
            folder: where its checkpoint will be.

        Raises:
            RouterError: it cannot be gathered, because of what it is or what its vectors are.
            CheckpointError: a file is missing, or in a layout that RouteLLM published.
        """
        if spec.name not in PORTABLE or spec.checkpoint is None:
            raise RouterError(
                f"the router {spec.name!r} cannot be put into a bundle: those that can are "
                f"{', '.join(PORTABLE)}"
            )
        self._add_checkpoint(checkpoint_folder(spec.name, spec.checkpoint), spec.name, folder)

    def _add_checkpoint(self, source: Path, kind: str, folder: str) -> None:
        saved = read_checkpoint(source, kind)
        changes: dict[str, Any] = {}
        if kind in ("mf", "sw_ranking"):
            name = in_checkpoint(saved.get("embedder", "name", kind=str), source)
            embedder = self._add_embedder(saved, name, folder)
            changes = {"embedder": {**saved.config["embedder"], "name": embedder}}
        elif kind == "bert":
            name = in_checkpoint(saved.get("base", "name", kind=str), source)
            base = _relative(self._add_files(locate_encoder(name)), folder)
            changes = {"base": {**saved.config["base"], "name": base}}
        elif kind == "ensemble":
            entries = saved.get("members", kind=list)
            members = [self._add_member(saved, entry, folder) for entry in entries]
            changes = {"members": members}
        config = json.dumps({**saved.config, **changes}, indent=2, ensure_ascii=False) + "\n"
        self.files[f"{folder}/{CONFIG}"] = config.encode()
        self.files[f"{folder}/{WEIGHTS}"] = saved.weights_path
        if saved.card is not None:
            self.files[f"{folder}/{CARD}"] = saved.card

    def _add_embedder(self, saved: Checkpoint, name: str, folder: str) -> str:
        """Add a local embedder; its name as the checkpoint will have it."""
        if is_hidden(name) or remote_host(name) is not None:
            raise RouterError(
                f"{saved.folder} scores the vectors of {name}, which cannot be put into a bundle: "
                "those of a sentence-transformers model or a bert checkpoint can"
            )
        if is_classifier(name):
            source = classifier_folder(name)
            weights: str = read_checkpoint(source, "bert").get("weights_sha256", kind=str)
            target = f"encoders/bert-{weights[:12]}"
            if f"{target}/{CONFIG}" not in self.files:
                self._add_checkpoint(source, "bert", target)
            return CLASSIFIER + _relative(target, folder)
        return _relative(self._add_files(locate(name)), folder)

    def _add_files(self, encoder: EmbedderFiles) -> str:
        folder = f"encoders/{encoder.digest()[:12]}"
        for path in encoder.paths():
            self.files[f"{folder}/{path.relative_to(encoder.folder).as_posix()}"] = path
        return folder

    def _add_member(self, saved: Checkpoint, entry: object, folder: str) -> dict[str, Any]:
        part = entry.get("folder", entry.get("shipped")) if isinstance(entry, Mapping) else None
        if not isinstance(entry, Mapping) or not isinstance(part, str):
            raise CheckpointError(
                f"{saved.folder} has a member without a folder, which cannot be put into a bundle"
            )
        inside = saved.folder / MEMBERS / part
        source = inside if "folder" in entry else checkpoint_folder(entry["router"], part)
        self._add_checkpoint(source, entry["router"], f"{folder}/{MEMBERS}/{part}")
        kept = {key: value for key, value in entry.items() if key != "shipped"}
        return {**kept, "folder": part}


def _relative(target: str, folder: str) -> str:
    """The path of one folder of the bundle as seen from another, beginning with a dot."""
    return PurePosixPath(os.path.relpath(target, folder)).as_posix()
