"""A checkpoint: a folder of `config.json`, `model.safetensors` and `README.md` (the model card)."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from routectl.errors import CheckpointError
from routectl.output import check_new_folder, new_folder, write_in

if TYPE_CHECKING:
    from numpy.typing import NDArray

FORMAT = 1
"""Version of the folder's layout; a reader refuses newer ones."""

SHIPPED = Path(__file__).parent / "routers" / "checkpoints"
"""Folder of the checkpoints in the package. One never changes under its name."""


def checkpoint_name(folder: Path) -> str:
    """What a router spec says of a folder: the bare name of one that ships, else its real path.

    However a folder is spelled, it has one name.
    """
    folder = Path(os.path.realpath(folder))  # `resolve` fails on a loop of links
    return folder.name if folder.parent == SHIPPED.resolve() else str(folder)


def named_checkpoint(text: str) -> str:
    """What a router spec says of the checkpoint that a person named: a folder that is here, else a
    name as it was given, of one that ships or of one on the model hub."""
    folder = Path(os.path.expanduser(text))  # noqa: PTH111 - never fails for a user unknown
    return checkpoint_name(folder) if folder.exists() else str(folder)


def checkpoint_folder(router: str, name: str) -> Path:
    """The folder that a router spec's `checkpoint` stands for.

    Raises:
        CheckpointError: it is not where it was, or does not ship; says what to do.
    """
    path = Path(name)
    if path.is_absolute():
        if not path.exists():
            raise CheckpointError(
                f"There is no checkpoint at {path}; if its folder was moved, name the new place "
                f"with -r {router}=DIR."
            )
        return path
    if path.name != name:
        return path  # a name on the model hub
    if not (SHIPPED / name).is_dir():
        names = shipped(router)
        others = f"those that ship are {', '.join(names)}" if names else "none ships for it"
        raise CheckpointError(
            f"The router {router!r} has no checkpoint {name!r}: {others}; name one with "
            f"-r {router}=NAME, or a folder of your own with -r {router}=DIR."
        )
    return SHIPPED / name


def shipped(router: str) -> tuple[str, ...]:
    """The names of all checkpoints of a router that ship, as `-r ROUTER=NAME` takes them."""
    names = (path.name for path in SHIPPED.glob(f"{router}_*") if path.is_dir())
    return tuple(sorted(name for name in names if name.rpartition("_")[0] == router))


CONFIG, WEIGHTS, CARD = "config.json", "model.safetensors", "README.md"

_PICKLE_SUFFIXES = (".pt", ".pth", ".bin", ".pkl", ".pickle", ".ckpt")
# A zip archive (torch.save since 1.6), and pickle protocols 2 to 5.
_PICKLE_STARTS = (b"PK\x03\x04", b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05")


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A checkpoint's config as read, and where it lies."""

    folder: Path
    config: Mapping[str, Any]

    @property
    def weights_path(self) -> Path:
        return self.folder / WEIGHTS

    @property
    def card(self) -> Path | None:
        card = self.folder / CARD
        return card if card.is_file() else None

    @property
    def licence(self) -> str | None:
        """What the checkpoint may be used under; None where it does not say."""
        licence = self.config.get("licence")
        return licence if isinstance(licence, str) else None

    def get(self, *keys: str, kind: type | tuple[type, ...]) -> Any:
        """The config's value at the path `keys`.

        Raises:
            CheckpointError: it is not there, or not of the type `kind`.
        """
        value: Any = self.config
        for key in keys:
            value = value.get(key) if isinstance(value, Mapping) else None
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
            raise CheckpointError(
                f"{self.folder / CONFIG} has no usable value for {'.'.join(keys)!r}; "
                "restore the checkpoint from where it came, or train it again."
            )
        return value


def read_checkpoint(folder: Path, kind: str | None) -> Checkpoint:
    """Read the config of a checkpoint of the router `kind`; None is any.

    Raises:
        CheckpointError: no such folder, no readable config, another kind, a newer format.
    """
    if folder.is_file():
        what = "a pickle, which is never loaded" if _is_pickle(folder) else "a file"
        raise CheckpointError(
            f"{folder} is {what}; a checkpoint is a folder with {CONFIG} and {WEIGHTS}."
        )
    if not folder.is_dir():
        ships = () if kind is None else shipped(kind)
        raise CheckpointError(
            f"There is no checkpoint at {folder}; check the path"
            + (f", or name one that ships with routectl: {', '.join(ships)}." if ships else ".")
        )
    path = folder / CONFIG
    try:
        config = json.loads(path.read_bytes())
    except FileNotFoundError:
        raise CheckpointError(
            f"{folder} holds no {CONFIG}, so it is not a checkpoint of routectl."
        ) from None
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read: {error.strerror}.") from error
    except ValueError as error:
        raise CheckpointError(f"{path} is not valid JSON; restore the checkpoint.") from error
    if not isinstance(config, dict) or not isinstance(config.get("kind"), str):
        raise CheckpointError(f"{path} does not say which router it is for (key 'kind').")
    if kind is not None and config["kind"] != kind:
        raise CheckpointError(
            f"{folder} is a checkpoint of the router {config['kind']!r}, not of {kind!r}."
        )
    checkpoint = Checkpoint(folder, config)
    version = checkpoint.get("format", kind=int)
    if version > FORMAT:
        raise CheckpointError(
            f"{folder} has checkpoint format {version}, and this routectl reads up to {FORMAT}; "
            "upgrade routectl."
        )
    return checkpoint


def read_weights(checkpoint: Checkpoint) -> tuple[dict[str, NDArray[Any]], str]:
    """The tensors of a checkpoint by name, and the SHA-256 of their file.

    Raises:
        CheckpointError: no file, a pickle, truncated, or not the file that the config names.
    """
    path = checkpoint.weights_path
    if not path.is_file():
        pickles = sorted(
            p.name for p in checkpoint.folder.iterdir() if p.suffix in _PICKLE_SUFFIXES
        )
        if pickles:
            raise CheckpointError(
                f"{checkpoint.folder} holds its weights as a pickle ({pickles[0]}), which is never "
                f"loaded because it can run code; convert it to {WEIGHTS}."
            )
        raise CheckpointError(f"{checkpoint.folder} holds no {WEIGHTS}; restore the checkpoint.")
    if _is_pickle(path):
        raise CheckpointError(
            f"{path} is a pickle under another name, which is never loaded because it can run code."
        )
    from safetensors import SafetensorError
    from safetensors.numpy import load

    data = path.read_bytes()
    try:
        tensors = load(data)
    except (SafetensorError, KeyError, ValueError) as error:
        raise CheckpointError(
            f"{path} is truncated or not a safetensors file ({len(data):,} bytes); "
            "restore the checkpoint."
        ) from error
    digest = hashlib.sha256(data).hexdigest()
    if digest != checkpoint.get("weights_sha256", kind=str):
        raise CheckpointError(
            f"{path} is not the file that {CONFIG} was written for (its SHA-256 differs); "
            "restore the checkpoint."
        )
    return tensors, digest


def require(
    tensors: Mapping[str, NDArray[Any]],
    name: str,
    shape: tuple[int, ...],
    checkpoint: Checkpoint,
    *,
    dtypes: tuple[str, ...] = ("float16", "float32"),
) -> NDArray[Any]:
    """The tensor `name`, of the given shape and type and finite throughout.

    Raises:
        CheckpointError: it is anything else.
    """
    import numpy as np

    path = checkpoint.weights_path
    if name not in tensors:
        raise CheckpointError(f"{path} holds no tensor {name!r}; restore the checkpoint.")
    tensor = tensors[name]
    if tensor.shape != shape:
        raise CheckpointError(
            f"{path}: {name!r} has the shape {tensor.shape}, and {CONFIG} calls for {shape}."
        )
    if tensor.dtype.name not in dtypes:
        raise CheckpointError(
            f"{path}: {name!r} is {tensor.dtype.name}, and must be {' or '.join(dtypes)}."
        )
    if not np.isfinite(tensor).all():
        raise CheckpointError(f"{path}: {name!r} holds values that are not finite numbers.")
    return tensor


def tensor_bytes(
    tensors: Mapping[str, NDArray[Any]], metadata: Mapping[str, str] | None = None
) -> bytes:
    """A safetensors file.

    The library writes an array as it lies in memory, and reads it as if its rows lay there one
    after the other: what is laid out by columns would come back as other numbers, without a word.
    """
    import numpy as np
    from safetensors.numpy import save

    rows = {name: np.ascontiguousarray(tensor) for name, tensor in tensors.items()}
    return save(rows, metadata=None if metadata is None else dict(metadata))


def write_checkpoint(
    folder: Path,
    config: Mapping[str, object],
    tensors: Mapping[str, NDArray[Any]] | None,
    card: str,
    more: Mapping[str, bytes] | None = None,
) -> None:
    """Write a checkpoint so that it is there whole or not at all.

    Args:
        config: without `format` and `weights_sha256`, which are added.
        tensors: None for a router that has no weights.
        more: further files by their path in the folder, such as the picture that the card shows.

    Raises:
        CheckpointError: something is there already, or the folder cannot be written.
    """
    require_free(folder)
    full: dict[str, object] = {"format": FORMAT, **config}
    files = {CARD: card.encode(), **(more or {})}
    if tensors is not None:
        files[WEIGHTS] = tensor_bytes(tensors)
        full["weights_sha256"] = hashlib.sha256(files[WEIGHTS]).hexdigest()
    files[CONFIG] = (json.dumps(full, indent=2, ensure_ascii=False) + "\n").encode()
    try:
        with new_folder(folder) as temporary:
            for name, content in files.items():
                write_in(temporary, name, content)
    except OSError as error:
        raise CheckpointError(f"{folder} cannot be written: {error.strerror}.") from error


def require_free(folder: Path) -> None:
    """Refuse an output folder that holds something.

    Raises:
        CheckpointError: it is a file or a folder that is not empty.
        UsageError: it is a link, or leads through a link of another user.
    """
    check_new_folder(folder, "--output")
    if folder.is_dir() and not any(folder.iterdir()):
        return
    if folder.exists():
        raise CheckpointError(
            f"{folder} is there already, and a checkpoint never changes under its name; "
            "give another output folder or remove it."
        )


def _is_pickle(path: Path) -> bool:
    if path.suffix in _PICKLE_SUFFIXES:
        return True
    with path.open("rb") as file:
        return file.read(4).startswith(_PICKLE_STARTS)
