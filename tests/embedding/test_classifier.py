"""The token vectors of a trained classifier, averaged, as an embedder."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from routectl.checkpoint import SHIPPED, read_checkpoint, read_weights
from routectl.embedding import DEFAULT, open_embedder
from routectl.embedding.files import locate_encoder
from routectl.embedding.noise import embedding_noise
from routectl.errors import CheckpointError, UsageError
from routectl.routers import open_router
from routectl.routers.mf import MfRouter, sigmoid
from routectl.workflow.embedding import open_for_comparison
from tests.conftest import Silence

pytestmark = pytest.mark.slow

PROMPTS = ["Hi", "Prove that there are infinitely many primes.", "one two three. " * 100]


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    return Path(shutil.copytree(SHIPPED / "bert_3", tmp_path / "own"))


@pytest.fixture(scope="module")
def expected() -> np.ndarray:
    """The vectors of the prompts by the library alone."""
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    folder = locate_encoder(DEFAULT).folder
    model = AutoModelForSequenceClassification.from_pretrained(folder, num_labels=3)
    tensors, _ = read_weights(read_checkpoint(SHIPPED / "bert_3", "bert"))
    trained = {name: torch.from_numpy(tensor).float() for name, tensor in tensors.items()}
    assert not model.load_state_dict(trained, strict=False).unexpected_keys
    model.eval()
    tokenizer = AutoTokenizer.from_pretrained(folder)
    vectors = []
    for prompt in PROMPTS:
        read = tokenizer(prompt, truncation=True, max_length=256, return_tensors="pt")
        with torch.inference_mode():
            vectors.append(model.bert(**read).last_hidden_state[0].mean(dim=0).numpy())
    return np.array([vector / np.linalg.norm(vector) for vector in vectors])


def test_a_vector_is_the_mean_of_what_the_library_makes_of_the_tokens(expected: np.ndarray) -> None:
    embedder = open_embedder("bert:bert_3")
    vectors = embedder.embed(PROMPTS)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(vectors, expected, atol=2e-6)
    assert embedding_noise(embedder, PROMPTS) < 1e-4
    assert embedder.longer_than_read(PROMPTS).tolist() == [False, False, True]


def test_the_default_mf_scores_what_the_library_makes_of_the_tokens_within_its_noise(
    expected: np.ndarray,
) -> None:
    opened = open_router("mf")
    assert opened.description.embedder == "bert:bert_3"
    router = opened.load()
    assert isinstance(router, MfRouter)
    logits = expected @ router._scoring.direction + router._scoring.offset
    difference = np.abs(router.strong_win_rates(PROMPTS) - sigmoid(logits)).max()
    assert difference <= opened.identity.noise < 1e-5


def test_a_shipped_one_is_known_by_its_name_and_another_by_its_folder(copied: Path) -> None:
    shipped, own = open_embedder("bert:bert_3"), open_embedder(f"bert:{copied}")
    assert shipped.name == "bert:bert_3"
    assert own.name == f"bert:{copied}"
    assert own.digest == shipped.digest != open_embedder("bert:bert_4").digest
    assert open_embedder("bert:bert_4").name == "bert:bert_4"


def test_a_folder_that_is_here_does_not_stand_in_for_a_shipped_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(SHIPPED / "bert_4", tmp_path / "bert_3")
    monkeypatch.chdir(tmp_path)
    shipped = open_embedder("bert:bert_3")
    assert shipped.name == "bert:bert_3"
    here = open_embedder("bert:./bert_3")
    assert here.name == f"bert:{tmp_path / 'bert_3'}"
    assert here.digest == open_embedder("bert:bert_4").digest != shipped.digest


def test_prompts_are_not_compared_by_what_makes_them_hard() -> None:
    assert not open_embedder("bert:bert_3").comparable
    with pytest.raises(UsageError, match=r"says nothing between the vectors of bert:bert_3"):
        open_for_comparison("bert:bert_3", "the file", Silence())


def test_a_checkpoint_that_is_none_is_a_sentence(copied: Path, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"'bert:nowhere' names no checkpoint; write bert:NA"):
        open_embedder("bert:nowhere")
    with pytest.raises(CheckpointError, match=r"is a checkpoint of the router 'mf', not of 'bert'"):
        open_embedder("bert:mf_9")
    config = json.loads((copied / "config.json").read_bytes())
    config["base"]["digest"] = "0" * 64
    (copied / "config.json").write_text(json.dumps(config))
    with pytest.raises(CheckpointError, match=r"another version of the encoder 'all-MiniLM-L6-v2'"):
        open_embedder(f"bert:{copied}")
    (copied / "model.safetensors").write_bytes(b"")
    config["base"]["layers"] = 5
    (copied / "config.json").write_text(json.dumps(config))
    with pytest.raises(CheckpointError, match=r"model\.safetensors"):
        open_embedder(f"bert:{copied}")
    (tmp_path / "empty").mkdir()
    with pytest.raises(CheckpointError, match=r"holds no config\.json"):
        open_embedder(f"bert:{tmp_path / 'empty'}")
