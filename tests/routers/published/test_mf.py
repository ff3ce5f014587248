"""An mf checkpoint that RouteLLM published works as it is."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from routectl.errors import CheckpointError
from routectl.routers import open_router
from routectl.routers.published.mf import MODELS
from tests.conftest import Routectl
from tests.embedding.endpoint_server import Server
from tests.routers.published_layouts import mf_tensors, text_vector, write_mf


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_mf(tmp_path / "published")


def by_the_formula(prompt: str, strong: str, weak: str) -> float:
    """Section 4.2.2, layer by layer."""
    tensors = mf_tensors()
    projected = tensors["text_proj.0.weight"] @ np.array(text_vector(prompt))

    def score(model: str) -> float:
        vector = tensors["P.weight"][MODELS.index(model)]
        return float(
            tensors["classifier.0.weight"][0] @ (vector / np.linalg.norm(vector) * projected)
        )

    return 1 / (1 + np.exp(score(weak) - score(strong)))


PROMPTS = ["What is 2 + 2?", "Prove it.", "Übersetze: Haus"]


def test_it_scores_by_the_published_formula_over_the_endpoints_vectors(
    folder: Path, embedding_server: Server
) -> None:
    router = open_router("mf", checkpoint=folder)
    rates = router.load().strong_win_rates(PROMPTS)
    expected = [
        by_the_formula(prompt, "gpt-4-1106-preview", "mixtral-8x7b-instruct-v0.1")
        for prompt in PROMPTS
    ]
    assert np.abs(rates - expected).max() < 1e-6
    assert np.ptp(rates) > 0.01


def test_any_pair_of_its_64_models_may_be_asked_for_by_any_spelling(
    folder: Path, embedding_server: Server
) -> None:
    router = open_router(
        "mf", checkpoint=folder, strong_model="openai/gpt-4-0613", weak_model="Vicuna-7B"
    )
    assert len(router.description.models) == 64
    expected = by_the_formula("Prove it.", "gpt-4-0613", "vicuna-7b")
    assert abs(router.load().strong_win_rates(["Prove it."])[0] - expected) < 1e-6


def test_prompts_go_to_openai_unless_another_address_is_set(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    assert open_router("mf", checkpoint=folder).description.sends_prompts_to == "api.openai.com"
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:9/v1/")
    assert open_router("mf", checkpoint=folder).description.sends_prompts_to == "127.0.0.1:9"


def test_the_fingerprint_is_of_weights_and_pair_and_not_of_the_address(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    here = open_router("mf", checkpoint=folder).identity.fingerprint
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:9/v1")
    assert open_router("mf", checkpoint=folder).identity.fingerprint == here
    other = open_router("mf", checkpoint=folder, weak_model="vicuna-7b").identity.fingerprint
    moved = write_mf(tmp_path / "other", mf_tensors(seed=1))
    assert len({here, other, open_router("mf", checkpoint=moved).identity.fingerprint}) == 3


def test_a_team_calibrates_and_exports_with_it(
    folder: Path, embedding_server: Server, routectl: Routectl, log: Path
) -> None:
    assert routectl("import", log).code == 0
    done = routectl("calibrate", "-r", f"mf={folder}", "--strong-fraction", "0.3")
    assert done.code == 0, done.err
    assert "sends the prompts' texts to 127.0.0.1" in done.err
    assert "gpt-4-1106-preview / mixtral-8x7b-instruct-v0.1" in done.out
    assert routectl("export", "--calibration", "c1").out.startswith("router-mf-0.")


def test_a_checkpoint_of_the_hubs_local_cache_loads_by_its_name(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = tmp_path / "hub"
    snapshot = cache / "models--routellm--mf_test" / "snapshots" / "0123abcd"
    shutil.copytree(folder, snapshot)
    refs = cache / "models--routellm--mf_test" / "refs"
    refs.mkdir()
    (refs / "main").write_text("0123abcd")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(cache))
    named = open_router("mf", checkpoint=Path("routellm/mf_test"))
    assert named.description.checkpoint == snapshot
    assert named.identity == open_router("mf", checkpoint=folder).identity


def test_a_name_that_neither_folder_nor_hub_knows_is_a_sentence(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(CheckpointError, match="There is no folder routellm/no_such_thing, and the"):
        open_router("mf", checkpoint=Path("routellm/no_such_thing"))


def test_a_pickle_is_refused_with_the_command_that_converts_it(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(CheckpointError, match=r"never loads .* weights_only=True"):
        open_router("mf", checkpoint=folder)


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (lambda t: t.pop("P.weight"), r"no mf checkpoint .* \(missing or unknown: P\.weight\)"),
        (lambda t: t.update(more=np.zeros(1)), "missing or unknown: more"),
        (lambda t: t.update({"P.weight": t["P.weight"][:63]}), "do not fit 64 models"),
        (lambda t: t["P.weight"].__setitem__((0, 0), np.nan), "not finite"),
        (lambda t: t["P.weight"].__setitem__(3, 0), "a model's vector is zero"),
    ],
)
def test_other_tensors_are_named(tmp_path: Path, change: object, match: str) -> None:
    tensors = mf_tensors()
    change(tensors)  # type: ignore[operator]
    folder = write_mf(tmp_path / "changed", tensors)
    with pytest.raises(CheckpointError, match=match):
        open_router("mf", checkpoint=folder)


def test_a_config_that_contradicts_the_tensors_is_named(folder: Path) -> None:
    (folder / "config.json").write_text('{"dim": 64}')
    with pytest.raises(CheckpointError, match="says dim = 64, and the tensors 128"):
        open_router("mf", checkpoint=folder)
