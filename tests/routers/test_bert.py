"""The bert router: its scores, its tiers, and checkpoints that cannot be used."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from routectl.embedding import DEFAULT
from routectl.embedding.files import locate_encoder
from routectl.errors import CheckpointError, RouterError
from routectl.records import ModelPair
from routectl.routers import open_router
from routectl.routers.bert import win_rates
from tests.embedding.tiny import make_tiny_model
from tests.routers.bert_checkpoints import bert_config, bert_tensors, write_bert

PROMPTS = ["", "hi", "what is 2, and why?", "prove it. " * 20, "Other letters: Ä好"]


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(make_tiny_model(tmp_path_factory.mktemp("base")))


@pytest.fixture
def folder(base: str, tmp_path: Path) -> Path:
    """A checkpoint that is in order."""
    return write_bert(tmp_path / "checkpoint", bert_config(base))


def refused(folder: Path, match: str) -> None:
    with pytest.raises(CheckpointError, match=match) as caught:
        open_router("bert", checkpoint=folder).load()
    assert "\n" not in str(caught.value)


def test_scores_are_those_of_transformers_with_the_same_weights(folder: Path, base: str) -> None:
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    model = AutoModelForSequenceClassification.from_pretrained(base, num_labels=3).eval()
    tensors = bert_tensors(bert_config(base))
    model.load_state_dict({k: torch.from_numpy(v) for k, v in tensors.items()}, strict=False)
    tokenizer = AutoTokenizer.from_pretrained(base)
    inputs = tokenizer(PROMPTS, return_tensors="pt", padding=True, truncation=True, max_length=64)
    with torch.no_grad():
        expected = torch.softmax(model(**inputs).logits, 1)[:, 0]
    rates = open_router("bert", checkpoint=folder).load().strong_win_rates(PROMPTS)
    np.testing.assert_allclose(rates, expected.numpy(), rtol=0, atol=1e-5)
    assert np.ptp(rates) > 0.01


@given(st.lists(st.tuples(*[st.floats(-1e4, 1e4)] * 3), min_size=1))
def test_a_rate_is_the_softmax_of_the_first_class(logits: list[tuple[float, ...]]) -> None:
    from scipy.special import softmax

    rates = win_rates(np.array(logits))
    assert ((rates >= 0) & (rates <= 1)).all()
    np.testing.assert_allclose(rates, softmax(logits, axis=1)[:, 0], rtol=0, atol=1e-12)


def test_a_prompt_scores_alike_alone_and_in_a_batch_within_the_noise() -> None:
    router = open_router("bert").load()
    prompts = ["Hi", "What is 2 + 2?", "Explain the proof of Gödel's theorem. " * 9, "好" * 300]
    together = router.strong_win_rates(prompts)
    alone = np.concatenate([router.strong_win_rates([prompt]) for prompt in prompts])
    assert np.abs(together - alone).max() <= router.identity.noise < 1e-4
    assert router.longer_than_read(prompts).tolist() == [False, False, False, True]
    assert ((together > 0) & (together < 1)).all()


def test_any_pair_of_the_two_tiers_has_the_same_scores_and_a_fingerprint_of_its_own(
    folder: Path,
) -> None:
    default = open_router("bert", checkpoint=folder)
    assert default.identity.model_pair == ModelPair("Large-Model-v1", "Small-Model-v1")
    other = open_router("bert", checkpoint=folder, weak_model="small_model_v2")
    assert other.identity.model_pair == ModelPair("Large-Model-v1", "Small-Model-v2")
    assert other.identity.fingerprint != default.identity.fingerprint
    scores = [opened.load().strong_win_rates(PROMPTS) for opened in (default, other)]
    np.testing.assert_array_equal(*scores)


@pytest.mark.parametrize(
    ("strong", "weak", "match"),
    [
        (None, "Large-Model-v2", "are both of its strong group"),
        ("Small-Model-v2", None, "are both of its weak group"),
        ("Small-Model-v2", "Large-Model-v2", "v2 is of its weak group and .* of its strong group"),
        ("Large-Model-v2", "Large-Model-v2", "is both the strong and the weak model"),
        ("gpt-9", None, "does not know the strong model 'gpt-9'"),
    ],
)
def test_a_pair_that_it_cannot_decide_between(
    folder: Path, strong: str | None, weak: str | None, match: str
) -> None:
    with pytest.raises(RouterError, match=match):
        open_router("bert", checkpoint=folder, strong_model=strong, weak_model=weak)


def test_a_checkpoint_of_another_router(mf_folder: Path) -> None:
    refused(mf_folder, "is a checkpoint of the router 'mf', not of 'bert'")


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"trained_layers": 2}, "says that 2 of its base's 1 layers are trained"),
        ({"strong_models": None}, "no usable value for 'strong_models'"),
        ({"default_pair": {"strong": "A", "weak": "B"}}, "does not hold both"),
        ({"noise": None}, "no usable value for 'noise'"),
        ({"base": {}}, r"no usable value for 'base\.name'"),
    ],
)
def test_a_config_that_cannot_be(folder: Path, changes: dict[str, Any], match: str) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_bytes()) | changes))
    refused(folder, match)


def test_tensors_that_are_missing_too_many_or_of_another_shape(base: str, tmp_path: Path) -> None:
    config = bert_config(base)
    tensors = bert_tensors(config)
    extra = {**tensors, "bert.encoder.layer.7.output.dense.bias": np.zeros(32, np.float32)}
    refused(
        write_bert(tmp_path / "extra", config, extra),
        r"holds 1 tensors too many, the first is 'bert\.encoder\.layer\.7",
    )
    other = {**tensors, "classifier.weight": np.zeros((2, 32), np.float32)}
    refused(write_bert(tmp_path / "other", config, other), r"shape \(2, 32\), .* for \(3, 32\)")
    del tensors["bert.pooler.dense.bias"]
    refused(
        write_bert(tmp_path / "missing", config, tensors),
        r"holds no tensor 'bert\.pooler\.dense\.bias'",
    )


def test_weights_that_are_not_finite(base: str, tmp_path: Path) -> None:
    config = bert_config(base)
    tensors = bert_tensors(config)
    tensors["classifier.bias"][1] = np.nan
    refused(write_bert(tmp_path / "nan", config, tensors), "'classifier.bias' holds values that")


def test_a_base_that_is_another_than_it_was_trained_on(base: str, tmp_path: Path) -> None:
    config = bert_config(base)
    config["base"]["digest"] = "0" * 64
    refused(write_bert(tmp_path / "new", config), "trained on another version of the encoder")


def test_a_base_that_is_not_there(base: str, tmp_path: Path) -> None:
    moved = Path(shutil.copytree(base, tmp_path / "moved"))
    folder = write_bert(tmp_path / "new", bert_config(str(moved)))
    (moved / "model.safetensors").rename(moved / "pytorch_model.bin")
    refused(folder, "as a pickle")
    (moved / "pytorch_model.bin").unlink()
    refused(folder, "has no safetensors weights")


def test_a_base_that_is_no_bert(base: str, tmp_path: Path) -> None:
    other = Path(shutil.copytree(base, tmp_path / "other"))
    config = json.loads((other / "config.json").read_bytes())
    (other / "config.json").write_text(json.dumps({**config, "model_type": "electra"}))
    refused(write_bert(tmp_path / "new", bert_config(str(other))), "'electra'.*; give one whose")


def test_a_tokenizer_that_does_not_fit(base: str, tmp_path: Path) -> None:
    other = Path(shutil.copytree(base, tmp_path / "other"))
    path = other / "tokenizer.json"
    tokenizer = json.loads(path.read_bytes())
    tokenizer["model"]["vocab"]["!"] = 500
    path.write_text(json.dumps(tokenizer))
    refused(
        write_bert(tmp_path / "new", bert_config(str(other))),
        "does not fit its model: it has the token id 500, and the model knows 43 tokens",
    )


def test_the_base_of_what_ships_is_the_installed_embedder() -> None:
    opened = open_router("bert")
    assert opened.description.embedder == DEFAULT
    assert opened.identity.config["base"] == locate_encoder(DEFAULT).digest()
