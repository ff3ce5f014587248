"""A checkpoint that cannot be used is refused in a sentence, whatever is wrong with it."""

import json
import pickle
from pathlib import Path

import numpy as np
import pytest

from routectl.checkpoint import read_checkpoint, read_weights, write_checkpoint
from routectl.errors import CheckpointError
from routectl.routers import open_router
from routectl.training.output.partial import PartialRun
from tests.routers.checkpoints import mf_config, mf_tensors, write_mf


def refused(folder: Path, match: str) -> None:
    with pytest.raises(CheckpointError, match=match) as caught:
        open_router("mf", checkpoint=folder)
    assert "\n" not in str(caught.value)


def edit(folder: Path, **changes: object) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_bytes()) | changes))


def test_a_missing_folder(tmp_path: Path) -> None:
    refused(tmp_path / "nowhere", "There is no checkpoint at .*nowhere; check the path")


def test_a_missing_config(mf_folder: Path) -> None:
    (mf_folder / "config.json").unlink()
    refused(mf_folder, r"holds no config\.json")


def test_missing_weights(mf_folder: Path) -> None:
    (mf_folder / "model.safetensors").unlink()
    refused(mf_folder, r"holds no model\.safetensors")


def test_a_config_that_is_not_json(mf_folder: Path) -> None:
    (mf_folder / "config.json").write_text("{")
    refused(mf_folder, "is not valid JSON")


def test_a_config_without_a_router(mf_folder: Path) -> None:
    (mf_folder / "config.json").write_text("[]")
    refused(mf_folder, "does not say which router")


@pytest.mark.parametrize("key", ["models", "dimension", "embedder", "weights_sha256", "format"])
def test_a_config_that_lacks_a_key(mf_folder: Path, key: str) -> None:
    edit(mf_folder, **{key: None})
    refused(mf_folder, f"no usable value for '{key}")


def test_a_default_pair_that_the_checkpoint_does_not_hold(mf_folder: Path) -> None:
    edit(mf_folder, default_pair={"strong": "Large-Model-v1", "weak": "Another"})
    refused(mf_folder, "does not hold both")


def test_a_reading_of_long_prompts_that_is_not_known(tmp_path: Path) -> None:
    embedder = dict(mf_config()["embedder"], reads="middle")  # type: ignore[call-overload]
    folder = write_mf(tmp_path / "checkpoint", config=mf_config(embedder=embedder))
    refused(folder, "wants 'middle' of a long prompt")


def test_truncated_weights(mf_folder: Path) -> None:
    path = mf_folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-100])
    refused(mf_folder, "truncated or not a safetensors file")


def test_weights_of_another_checkpoint(mf_folder: Path, tmp_path: Path) -> None:
    other = write_mf(tmp_path / "other", tensors=mf_tensors(seed=1))
    (other / "model.safetensors").replace(mf_folder / "model.safetensors")
    refused(mf_folder, "SHA-256 differs")


def test_weights_of_another_shape(tmp_path: Path) -> None:
    tensors = mf_tensors() | {"projection": np.zeros((5, 384), np.float32)}
    folder = write_mf(tmp_path / "checkpoint", tensors=tensors)
    refused(folder, r"'projection' has the shape \(5, 384\), .* calls for \(4, 384\)")


def test_weights_of_another_type(tmp_path: Path) -> None:
    folder = write_mf(
        tmp_path / "checkpoint", tensors=mf_tensors() | {"weights": np.zeros(4, np.int64)}
    )
    refused(folder, "'weights' is int64")


def test_weights_that_lack_a_tensor(tmp_path: Path) -> None:
    tensors = mf_tensors()
    del tensors["weights"]
    refused(write_mf(tmp_path / "checkpoint", tensors=tensors), "holds no tensor 'weights'")


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_weights_that_are_not_finite(tmp_path: Path, value: float) -> None:
    tensors = mf_tensors()
    tensors["projection"][0, 0] = value
    refused(write_mf(tmp_path / "checkpoint", tensors=tensors), "not finite")


def test_a_model_without_direction(tmp_path: Path) -> None:
    tensors = mf_tensors()
    tensors["model_vectors"][1] = 0
    refused(write_mf(tmp_path / "checkpoint", tensors=tensors), "a model's vector is zero")


class _Opened:
    """Says so when it is unpickled."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return pytest.fail, ("the pickle was loaded",)


def test_a_pickle_under_the_weights_name(mf_folder: Path) -> None:
    (mf_folder / "model.safetensors").write_bytes(pickle.dumps(_Opened()))
    refused(mf_folder, "is a pickle under another name, which is never loaded")


def test_a_zipped_pickle_under_the_weights_name(mf_folder: Path) -> None:
    (mf_folder / "model.safetensors").write_bytes(b"PK\x03\x04" + bytes(100))
    refused(mf_folder, "is a pickle under another name")


@pytest.mark.parametrize("name", ["model.pt", "pytorch_model.bin", "model.pkl"])
def test_a_pickle_beside_the_config(mf_folder: Path, name: str) -> None:
    (mf_folder / "model.safetensors").rename(mf_folder / name)
    refused(mf_folder, rf"as a pickle \({name}\)")


def test_a_pickle_in_place_of_the_folder(tmp_path: Path) -> None:
    path = tmp_path / "router.pt"
    path.write_bytes(pickle.dumps(_Opened()))
    refused(path, "is a pickle, which is never loaded; a checkpoint is a folder")


def test_a_checkpoint_of_another_router(mf_folder: Path) -> None:
    with pytest.raises(CheckpointError, match="checkpoint of the router 'mf', not of 'length'"):
        open_router("length", checkpoint=mf_folder)


def test_a_newer_format(mf_folder: Path) -> None:
    edit(mf_folder, format=2)
    refused(mf_folder, "has checkpoint format 2, .* upgrade routectl")


def test_an_embedder_of_another_digest(tmp_path: Path) -> None:
    embedder = dict(mf_config()["embedder"], digest="0" * 64)  # type: ignore[call-overload]
    folder = write_mf(tmp_path / "checkpoint", config=mf_config(embedder=embedder))
    router = open_router("mf", checkpoint=folder)
    with pytest.raises(CheckpointError, match="trained on another version of the embedder"):
        router.load()


def test_a_folder_that_holds_something_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(CheckpointError, match="is there already"):
        write_checkpoint(tmp_path, mf_config(), mf_tensors(), "")
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_an_empty_folder_is_taken_and_nothing_else_is_left(tmp_path: Path) -> None:
    (tmp_path / "checkpoint").mkdir()
    folder = write_mf(tmp_path / "checkpoint")
    assert {path.name for path in folder.iterdir()} == {
        "config.json",
        "model.safetensors",
        "README.md",
    }
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint"]


def test_what_is_laid_out_by_columns_comes_back_as_it_was(tmp_path: Path) -> None:
    tensors = mf_tensors()
    by_columns = {name: np.asfortranarray(tensor) for name, tensor in tensors.items()}
    write_mf(tmp_path / "columns", tensors=by_columns)
    found, _ = read_weights(read_checkpoint(tmp_path / "columns", "mf"))
    for name, tensor in tensors.items():
        np.testing.assert_array_equal(found[name], tensor)
    with PartialRun(tmp_path / "output", {}) as partial:
        partial.save("piece", {"rows": tensors["projection"].T})
        kept = partial.load("piece")
    assert kept is not None
    np.testing.assert_array_equal(kept[0]["rows"], tensors["projection"].T)
