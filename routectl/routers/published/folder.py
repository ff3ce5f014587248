"""Checkpoints in the layouts that RouteLLM publishes, by folder or by name on the model hub.

They are read as they are, safetensors only. Their `config.json` has no key `kind`, by which they
are told from routectl's own.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from routectl.checkpoint import CONFIG, WEIGHTS
from routectl.errors import CheckpointError

if TYPE_CHECKING:
    from numpy.typing import NDArray

_HUB_NAME = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")
# Never a pickle: what is not fetched cannot be loaded by mistake.
_WANTED = ("*.json", "*.safetensors", "*.txt", "*.model", "README.md")
_PICKLE = "pytorch_model.bin"


def locate(checkpoint: Path) -> Path:
    """The folder of a checkpoint that is named by path or by name on the model hub.

    A name is looked up in the hub's local cache first, and fetched only if it is not there.

    Raises:
        CheckpointError: neither is there, or the hub cannot be reached.
    """
    if checkpoint.exists() or not _HUB_NAME.fullmatch(str(checkpoint)):
        return checkpoint
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    name = str(checkpoint)
    try:
        return Path(snapshot_download(name, allow_patterns=list(_WANTED), local_files_only=True))
    except LocalEntryNotFoundError:
        pass
    try:
        return Path(snapshot_download(name, allow_patterns=list(_WANTED)))
    except Exception as error:
        # Whatever the hub's client raises (no network, no such name, no access), it is this.
        raise CheckpointError(
            f"There is no folder {name}, and the model hub does not give a checkpoint of that name "
            f"({type(error).__name__}); check the spelling, the network, or download it first."
        ) from error


def is_published(folder: Path) -> bool:
    """Whether a folder holds a published layout and not routectl's own."""
    return folder.is_dir() and "kind" not in (_read_config(folder) or {"kind": None})


def has_published_battles(folder: Path) -> bool:
    """Whether a folder holds published battles and embeddings, and no checkpoint of routectl's."""
    return (
        folder.is_dir()
        and not (folder / CONFIG).exists()
        and bool(files_named(folder, "battles*"))
        and bool(files_named(folder, "embeddings*.npy"))
    )


def files_named(folder: Path, pattern: str) -> list[Path]:
    """The files of a folder whose names match the pattern, sorted."""
    return sorted(path for path in folder.glob(pattern) if path.is_file())


def published_config(folder: Path) -> Mapping[str, Any]:
    """The config of a published checkpoint.

    Raises:
        CheckpointError: there is none, or it is not a JSON object.
    """
    config = _read_config(folder)
    if config is None:
        raise CheckpointError(f"{folder / CONFIG} is missing or not valid JSON.")
    return config


def published_weights(folder: Path) -> tuple[dict[str, NDArray[Any]], str]:
    """The tensors of a published checkpoint by name, and the SHA-256 of their file.

    Raises:
        CheckpointError: no safetensors file, or a damaged one.
    """
    path = weights_file(folder)
    from safetensors import SafetensorError
    from safetensors.numpy import load

    data = path.read_bytes()
    try:
        return load(data), hashlib.sha256(data).hexdigest()
    except (SafetensorError, KeyError, ValueError) as error:
        raise CheckpointError(
            f"{path} is truncated or not a safetensors file ({len(data):,} bytes); "
            "fetch the checkpoint again."
        ) from error


def weights_file(folder: Path) -> Path:
    """The safetensors file of a published checkpoint.

    Raises:
        CheckpointError: there is none; where there is a pickle, with the command that converts it.
    """
    path = folder / WEIGHTS
    if path.is_file():
        return path
    pickle = folder / _PICKLE
    if pickle.exists():
        raise CheckpointError(
            f"{folder} holds its weights as a pickle ({_PICKLE}), which routectl never loads "
            "because it can run code; convert it where you trust it, with: python -c "
            f'"import torch, safetensors.torch as s; s.save_file(torch.load({str(pickle)!r}, '
            f'weights_only=True), {str(path)!r})"'
        )
    raise CheckpointError(f"{folder} holds no {WEIGHTS}; fetch the checkpoint again.")


def _read_config(folder: Path) -> dict[str, Any] | None:
    try:
        config = json.loads((folder / CONFIG).read_bytes())
    except (OSError, ValueError):
        return None
    return config if isinstance(config, dict) else None
