"""Checkpoints in RouteLLM's published layout: as it scores them, and what is refused."""

import json
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.torch import load_file, save_file

from routectl.errors import CheckpointError, RouterError
from routectl.records import ModelPair
from routectl.routers import open_router
from tests.routers.xlm_r import make_published

PROMPTS = [
    "",
    "What?",
    "what is the integer, prove it.",
    "the answer 42 to ÜBER things",
    "prove the ring " * 40,
    "x" * 3000,
]


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_published(tmp_path_factory.mktemp("published") / "bert")


@pytest.fixture
def published(original: Path, tmp_path: Path) -> Path:
    """A copy to damage."""
    return Path(shutil.copytree(original, tmp_path / "bert"))


def edit(folder: Path, **changes: Any) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_bytes()) | changes))


def edit_weights(folder: Path, **changes: Any) -> None:
    """Replace tensors by name, with "__" for "."; None takes one out."""
    path = folder / "model.safetensors"
    tensors = load_file(path)
    for key, value in changes.items():
        name = key.replace("__", ".")
        if value is None:
            del tensors[name]
        else:
            tensors[name] = value
    save_file(tensors, path, metadata={"format": "pt"})


def published_win_rate(folder: Path, prompt: str) -> float:
    """Section 4.2.3 by the library alone: one prompt, softmax, 1 less the last two classes."""
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    model = AutoModelForSequenceClassification.from_pretrained(folder, num_labels=3).eval()
    tokenizer = AutoTokenizer.from_pretrained(folder)
    inputs = tokenizer(prompt, return_tensors="pt", truncation=True, max_length=62)
    with torch.no_grad():
        return 1 - float(torch.softmax(model(**inputs).logits[0], 0)[-2:].sum())


def test_scores_are_the_published_ones(original: Path) -> None:
    opened = open_router("bert", checkpoint=original)
    rates = opened.load().strong_win_rates(PROMPTS)
    expected = [published_win_rate(original, prompt) for prompt in PROMPTS]
    np.testing.assert_allclose(rates, expected, rtol=0, atol=1e-5)
    assert np.ptp(rates) > 0.01


def test_a_prompt_scores_alike_alone_and_in_a_batch_within_the_noise(original: Path) -> None:
    router = open_router("bert", checkpoint=original).load()
    together = router.strong_win_rates(PROMPTS)
    alone = np.concatenate([router.strong_win_rates([prompt]) for prompt in PROMPTS])
    assert np.abs(together - alone).max() <= router.identity.noise
    assert router.longer_than_read(PROMPTS).tolist() == [False] * 4 + [True] * 2
    assert router.strong_win_rates([]).shape == (0,)


def test_it_knows_the_pair_that_routellm_routes_between_and_no_other(original: Path) -> None:
    opened = open_router("bert", checkpoint=original, weak_model="mixtral-8x7b-instruct")
    assert opened.identity.model_pair == ModelPair(
        "gpt-4-1106-preview", "Mixtral-8x7B-Instruct-v0.1"
    )
    with pytest.raises(RouterError, match="does not know the strong model 'claude-9'"):
        open_router("bert", checkpoint=original, strong_model="claude-9")
    with pytest.raises(RouterError, match="is of its weak group and gpt-4-1106-preview of its str"):
        open_router(
            "bert",
            checkpoint=original,
            strong_model="Mixtral-8x7B-Instruct-v0.1",
            weak_model="gpt-4-1106-preview",
        )


def test_the_fingerprint_is_over_the_files(original: Path, published: Path) -> None:
    same = open_router("bert", checkpoint=published).identity
    assert same.fingerprint == open_router("bert", checkpoint=original).identity.fingerprint
    edit_weights(published, classifier__out_proj__bias=load_bias(published) + 1)
    changed = open_router("bert", checkpoint=published).identity
    assert changed.fingerprint != same.fingerprint


def load_bias(folder: Path) -> Any:
    return load_file(folder / "model.safetensors")["classifier.out_proj.bias"]


@pytest.mark.slow
def test_a_pickle_is_refused_with_the_command_that_converts_it(published: Path) -> None:
    import torch

    expected = open_router("bert", checkpoint=published).load().strong_win_rates(PROMPTS)
    weights = published / "model.safetensors"
    torch.save(load_file(weights), published / "pytorch_model.bin")
    weights.unlink()
    with pytest.raises(CheckpointError, match=r"as a pickle \(pytorch_model\.bin\)") as caught:
        open_router("bert", checkpoint=published)
    command = shlex.split(str(caught.value).split("with: ")[1])
    assert command[0] == "python"
    environment = os.environ | {"HF_HUB_OFFLINE": "1"}
    subprocess.run([sys.executable, *command[1:]], check=True, capture_output=True, env=environment)
    rates = open_router("bert", checkpoint=published).load().strong_win_rates(PROMPTS)
    np.testing.assert_array_equal(rates, expected)


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"architectures": ["LlamaForCausalLM"]}, r"its architecture is \['LlamaForCausalLM'\]"),
        ({"id2label": {"0": "A", "1": "B"}}, "names 2 labels, and a bert router needs three"),
        ({"id2label": None}, "names no labels"),
        ({"pad_token_id": None}, "does not say how many tokens it reads"),
        ({"max_position_embeddings": 3}, "says that it reads 1 tokens"),
    ],
)
def test_a_config_that_does_not_fit(published: Path, changes: dict[str, Any], match: str) -> None:
    edit(published, **changes)
    with pytest.raises(CheckpointError, match=match) as caught:
        open_router("bert", checkpoint=published)
    assert "\n" not in str(caught.value)


def test_missing_weights(published: Path) -> None:
    (published / "model.safetensors").unlink()
    with pytest.raises(CheckpointError, match=r"holds no model\.safetensors"):
        open_router("bert", checkpoint=published)


def refused(folder: Path, match: str) -> None:
    with pytest.raises(CheckpointError, match=match) as caught:
        open_router("bert", checkpoint=folder).load()
    assert "\n" not in str(caught.value)


def test_damaged_weights(published: Path) -> None:
    path = published / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-100])
    refused(published, "cannot be loaded")


def test_tensors_that_are_missing_too_many_of_another_shape_or_not_finite(published: Path) -> None:
    import torch

    bias = load_bias(published)
    edit_weights(published, classifier__dense__bias=None)
    refused(published, r"lacks tensors: 'classifier\.dense\.bias'")
    edit_weights(published, classifier__dense__bias=torch.zeros(32), other=torch.zeros(1))
    refused(published, "holds too many tensors: 'other'")
    edit_weights(published, other=None, classifier__out_proj__bias=torch.zeros(4))
    refused(published, "cannot be loaded|in another shape")
    edit_weights(published, classifier__out_proj__bias=bias * float("nan"))
    refused(published, r"'classifier\.out_proj\.bias' holds values that are not finite")


def test_a_tokenizer_that_does_not_fit(tmp_path: Path) -> None:
    folder = make_published(tmp_path / "small", vocabulary=20)
    refused(folder, r"does not fit its model: it has the token id \d+, and the model knows 20")
