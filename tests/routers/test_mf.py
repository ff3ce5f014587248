import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from routectl.errors import RouterError
from routectl.records import ModelPair
from routectl.routers import open_router
from routectl.routers.mf import Factors, score_noise, sigmoid
from routectl.routers.protocol import fingerprint
from tests.routers.checkpoints import MODELS, mf_config, mf_tensors, write_mf


def test_the_collapsed_form_is_the_papers_difference_of_scores() -> None:
    tensors = mf_tensors()
    factors = Factors(
        tuple(MODELS), *(tensors[k] for k in ("model_vectors", "projection", "weights"))
    )
    q = np.random.default_rng(1).normal(size=384)

    def score(model: int) -> float:
        v = tensors["model_vectors"][model].astype(np.float64)
        v /= np.linalg.norm(v)
        return float(tensors["weights"] @ (v * (tensors["projection"] @ q)))

    expected = 1 / (1 + np.exp(score(2) - score(0)))
    direction = factors.direction(ModelPair(MODELS[0], MODELS[2]))
    assert sigmoid(np.array([q @ direction]))[0] == pytest.approx(expected, abs=1e-6)


def test_a_swapped_pair_gives_the_complement(mf_folder: Path) -> None:
    prompts = ["Hello", "Prove Fermat's little theorem."]
    rates = open_router("mf", checkpoint=mf_folder).load().strong_win_rates(prompts)
    swapped = open_router(
        "mf", checkpoint=mf_folder, strong_model="Small-Model-v1", weak_model="Large-Model-v1"
    )
    np.testing.assert_allclose(swapped.load().strong_win_rates(prompts), 1 - rates, atol=1e-12)


@given(st.floats(-1e4, 1e4))
def test_the_sigmoid_neither_overflows_nor_leaves_its_range(x: float) -> None:
    with np.errstate(all="raise", under="ignore"):
        assert 0 <= sigmoid(np.array([x]))[0] <= 1


@given(st.floats(-20, 20), st.floats(0, 20), st.floats(0, 1e-3))
def test_noise_in_a_vector_moves_the_score_by_no_more_than_is_stated(
    x: float, length: float, noise: float
) -> None:
    moved = sigmoid(np.array([x, x + length * noise]))
    assert abs(moved[1] - moved[0]) <= score_noise(length, noise) + 1e-15


def test_a_prompt_scores_alike_alone_and_in_a_batch_within_the_noise() -> None:
    router = open_router("mf").load()
    prompts = ["Hi", "What is 2 + 2?", "Explain the proof of Gödel's theorem. " * 9, "好" * 300]
    together = router.strong_win_rates(prompts)
    alone = np.concatenate([router.strong_win_rates([prompt]) for prompt in prompts])
    assert np.abs(together - alone).max() <= router.identity.noise < 1e-4
    assert router.longer_than_read(prompts).tolist() == [False, False, False, True]
    assert ((together > 0) & (together < 1)).all()


def test_the_default_pair_is_stated_and_another_can_be_chosen(mf_folder: Path) -> None:
    default = open_router("mf", checkpoint=mf_folder)
    assert default.identity.model_pair == ModelPair("Large-Model-v1", "Small-Model-v1")
    other = open_router("mf", checkpoint=mf_folder, weak_model="llama-3.1-8b-instruct")
    assert other.identity.model_pair == ModelPair("Large-Model-v1", "Meta-Llama-3.1-8B-Instruct")
    assert other.identity.fingerprint != default.identity.fingerprint
    assert other.description.default_pair == default.identity.model_pair


def test_every_spelling_of_a_model_has_the_same_fingerprint(mf_folder: Path) -> None:
    prints = {
        open_router("mf", checkpoint=mf_folder, weak_model=name).identity.fingerprint
        for name in ("llama-3.1-8b-instruct", "Meta-Llama-3_1-8B-Instruct")
    }
    assert len(prints) == 1


def test_an_unknown_model_is_told_what_the_checkpoint_knows(mf_folder: Path) -> None:
    with pytest.raises(
        RouterError, match=r"Large-Model-v1, Meta-Llama-3\.1-8B-Instruct, Small-Model"
    ):
        open_router("mf", checkpoint=mf_folder, strong_model="gpt-9")


def test_one_model_on_both_sides_is_refused(mf_folder: Path) -> None:
    with pytest.raises(RouterError, match="both the strong and the weak model"):
        open_router("mf", checkpoint=mf_folder, strong_model="small-model-v1")


@pytest.mark.parametrize(
    ("key", "value", "same"),
    [
        ("digest", "0" * 64, False),
        ("max_tokens", 128, False),
        ("noise", 1e-3, True),
        ("name", "/elsewhere/all-MiniLM-L6-v2", True),
    ],
)
def test_the_fingerprint_tells_what_can_change_a_score(
    mf_folder: Path, tmp_path: Path, key: str, value: object, same: bool
) -> None:
    embedder = dict(mf_config()["embedder"])  # type: ignore[call-overload]
    other = write_mf(tmp_path / "other", config=mf_config(embedder=embedder | {key: value}))
    prints = [open_router("mf", checkpoint=f).identity.fingerprint for f in (mf_folder, other)]
    assert (prints[0] == prints[1]) is same


def test_other_weights_are_another_fingerprint(mf_folder: Path, tmp_path: Path) -> None:
    other = write_mf(tmp_path / "other", tensors=mf_tensors(seed=1))
    prints = [open_router("mf", checkpoint=f).identity.fingerprint for f in (mf_folder, other)]
    assert prints[0] != prints[1]


def test_the_fingerprint_is_the_digest_of_the_stated_config(mf_folder: Path) -> None:
    identity = open_router("mf", checkpoint=mf_folder).identity
    assert identity.fingerprint == fingerprint(identity.config)
    # The order of keys means nothing, and the values survive JSON.
    turned = dict(reversed(json.loads(json.dumps(dict(identity.config))).items()))
    assert fingerprint(turned) == identity.fingerprint


def test_half_precision_weights_are_read(tmp_path: Path) -> None:
    tensors = {name: tensor.astype(np.float16) for name, tensor in mf_tensors().items()}
    folder = write_mf(tmp_path / "half", tensors=tensors)
    assert open_router("mf", checkpoint=folder).identity.model_pair is not None
