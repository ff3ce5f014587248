"""Hidden states of a language model as a prompt's vector, on a base of a few kilobytes."""

from pathlib import Path

import numpy as np
import pytest
import torch

from routectl.embedding import Embedder, language_model, open_embedder
from routectl.embedding.language_model import DEFAULT_TEMPLATE, TemplateReader, load_model
from routectl.embedding.noise import SAFETY_FACTOR, embedding_noise
from routectl.errors import CheckpointError, UsageError
from routectl.workflow.embedding import open_for_comparison
from tests.conftest import Silence
from tests.routers.tiny_llama import PROMPTS, make_base

TEXTS = ["", *PROMPTS, "<|im_end|> is no end here", "one two three four five. " * 80]


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_base(tmp_path_factory.mktemp("base") / "tiny-llama")


@pytest.fixture
def hidden(base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Embedder:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return open_embedder(f"hidden:{base}")


def test_a_vector_is_what_the_library_says_left_the_layers(base: Path, hidden: Embedder) -> None:
    model = load_model(base)
    reader = TemplateReader(base, DEFAULT_TEMPLATE, 512)
    vectors = hidden.embed(PROMPTS)
    for prompt, vector in zip(PROMPTS, vectors, strict=True):
        ids = reader.read([prompt])[0]
        with torch.inference_mode():
            inner = model.model(input_ids=torch.tensor([ids]), output_hidden_states=True)
            # The library's last states have gone through the final norm; the layer's have not.
            upper = model.model.layers[1](
                inner.hidden_states[1],
                position_embeddings=model.model.rotary_emb(
                    inner.hidden_states[1], torch.arange(len(ids))[None]
                ),
            )
        lower, upper = inner.hidden_states[1][0].numpy(), upper.reshape(len(ids), -1).numpy()
        own = slice(len(reader.before), len(ids) - len(reader.after))
        parts = [lower[own].mean(axis=0), upper[own].mean(axis=0), upper[-1]]
        expected = np.concatenate([part / np.linalg.norm(part) for part in parts]) / np.sqrt(3)
        np.testing.assert_allclose(vector, expected, atol=1e-5)


def test_vectors_have_length_one_and_are_alike_in_every_batch(hidden: Embedder) -> None:
    vectors = hidden.embed(TEXTS[1:])
    assert vectors.shape == (len(TEXTS) - 1, 96)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)
    noise = embedding_noise(hidden, TEXTS) / SAFETY_FACTOR
    assert 0 < noise < 1e-5
    alone = np.stack([hidden.embed([text])[0] for text in TEXTS])
    assert np.linalg.norm(alone - hidden.embed(TEXTS), axis=1).max() <= max(
        noise, hidden.least_noise
    )


def test_an_empty_prompt_has_a_vector(hidden: Embedder) -> None:
    assert np.isfinite(hidden.embed([""])).all()
    assert hidden.embed([]).shape == (0, 96)


def test_the_head_of_a_long_prompt_is_read(hidden: Embedder) -> None:
    start = "one two three four five. " * 80
    assert hidden.longer_than_read([start, "Hi"]).tolist() == [True, False]
    np.testing.assert_array_equal(hidden.embed([start]), hidden.embed([start + "And now?"]))


def test_another_base_is_another_embedder(
    hidden: Embedder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = open_embedder(f"hidden:{make_base(tmp_path / 'other', seed=1)}")
    assert other.digest != hidden.digest


def test_a_base_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(
        CheckpointError, match=r"hidden:SmolLM3' names no folder; write hidden:Smol"
    ):
        open_embedder("hidden:SmolLM3")


def test_a_gpu_without_room_for_the_model_is_told_in_one_sentence(
    base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Here there is none at all, which fails in the same place."""
    monkeypatch.setattr(language_model, "device", lambda: "cuda:99")
    with pytest.raises(CheckpointError, match="too little memory; set CUDA_VISIBLE_DEVICES= to"):
        load_model(base)


def test_its_cosines_are_not_used(base: Path, hidden: Embedder) -> None:
    with pytest.raises(UsageError, match="cosine, which says nothing between the vectors of hidd"):
        open_for_comparison(f"hidden:{base}", "battles", Silence())
