"""Training of causal_llm, on a small Llama and prompts whose answer is known."""

from __future__ import annotations

import itertools
import json
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from routectl.embedding import DEFAULT, open_embedder
from routectl.errors import CheckpointError
from routectl.routers import open_router
from routectl.training import TrainingReport, TrainingRequest, train_causal_llm
from routectl.training.causal_llm.adapter import targets
from routectl.training.data import read_training_data
from routectl.training.fits.adapter import AdapterSettings, faster_dtype, learning_rate
from routectl.training.labels import weak_quality
from routectl.training.output.partial import PartialRun
from routectl.training.progress import no_progress
from tests.routers.tiny_llama import make_base

pytestmark = pytest.mark.slow

SETTINGS = AdapterSettings(learning_rate=0.02, max_epochs=3, dtype="float32")


def prompts(count: int) -> list[tuple[str, bool]]:
    """Prompts of two kinds; only the strong model is right on the hard ones."""
    return [(f"{'xyz' if n % 2 else 'abc'} {n // 2}", n % 2 == 1) for n in range(count)]


@pytest.fixture(scope="module")
def gold(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("data") / "gold.jsonl"
    rows = [
        {"prompt": prompt, "scores": {"strong": 1, "weak": int(not hard)}}
        for prompt, hard in prompts(120)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.fixture(scope="module")
def made_base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_base(tmp_path_factory.mktemp("base") / "tiny-llama")


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def base(made_base: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache))
    return made_base


@pytest.fixture(scope="module")
def trained(
    gold: Path, made_base: Path, cache: Path, tmp_path_factory: pytest.TempPathFactory
) -> TrainingReport:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(cache))
        request = TrainingRequest(
            output=tmp_path_factory.mktemp("trained") / "checkpoint", gold=[gold], licence="MIT"
        )
        return train_causal_llm(request, base=made_base, settings=SETTINGS)


@pytest.mark.usefixtures("base")
def test_the_trained_router_sends_the_hard_prompts_to_the_strong_model(
    trained: TrainingReport,
) -> None:
    router = open_router("causal_llm", checkpoint=trained.path)
    assert router.identity.fingerprint == trained.fingerprint
    assert router.description.licence == "MIT"
    fresh = prompts(160)[120:]
    rates = router.load().strong_win_rates([prompt for prompt, _ in fresh])
    hard = np.array([is_hard for _, is_hard in fresh])
    assert rates[hard].min() > 0.5 > rates[~hard].max()


def test_the_report_and_the_card_say_how_it_went(trained: TrainingReport, gold: Path) -> None:
    assert (trained.router, trained.gold, trained.prompts) == ("causal_llm", 120, 120)
    assert trained.held_out_loss is not None
    assert trained.baseline_loss is not None
    assert trained.held_out_loss < trained.baseline_loss
    assert trained.curve is not None
    assert trained.held_out_loss == min(trained.curve.held_out)
    card = " ".join((trained.path / "README.md").read_text().split())
    for part in ("tiny-llama", gold.name, "## How good", "108 prompts with a label", "strong"):
        assert part in card
    assert "xyz" not in card
    assert (trained.path / "training_curve.json").is_file()


@pytest.mark.usefixtures("base")
def test_the_held_out_loss_is_that_of_the_checkpoint_as_it_scores(
    trained: TrainingReport, gold: Path, tmp_path: Path
) -> None:
    """The adapter that peft trained, and the one that is merged from the file, are the same."""
    from routectl.checkpoint import read_checkpoint, read_weights
    from routectl.embedding.base_models import find_base
    from routectl.embedding.language_model import load_model
    from routectl.preferences.comparisons import read_comparisons
    from routectl.routers.causal_model import merge_adapter, rating_logits
    from routectl.training.data import _held_out

    router = open_router("causal_llm", checkpoint=trained.path)
    tensors, _ = read_weights(read_checkpoint(trained.path, "causal_llm"))
    found = find_base("", str(router.identity.config["base"]))
    model = load_model(found.folder)
    merge_adapter(model, tensors, 2)
    loaded = router.load()
    comparisons = read_comparisons([], [gold])
    rows = np.flatnonzero(_held_out(comparisons, 0))
    texts = [comparisons.prompts[row] for row in rows]
    reader = loaded._reader  # type: ignore[attr-defined]
    logits = rating_logits(model, reader.read(texts), reader.ratings) + tensors["bias"]
    shares = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    expected = [0 if text.startswith("xyz") else 4 for text in texts]
    loss = -shares[np.arange(len(texts)), expected].mean()
    assert trained.held_out_loss == pytest.approx(loss, abs=1e-4)


def test_a_killed_training_goes_on_and_ends_at_the_same_weights(
    base: Path, trained: TrainingReport, gold: Path, tmp_path: Path
) -> None:
    output = tmp_path / "checkpoint"
    code = (
        "import os, signal, sys\nfrom pathlib import Path\n"
        "from routectl.training import TrainingRequest, train_causal_llm\n"
        "from tests.training.causal_llm.test_adapter import SETTINGS\n"
        "def progress(phase, done, total):\n"
        "    if phase == 'train' and done >= 200: os.kill(os.getpid(), signal.SIGKILL)\n"
        "base, gold, output = map(Path, sys.argv[1:])\n"
        "request = TrainingRequest(output=output, gold=[gold], licence='MIT')\n"
        "train_causal_llm(request, base=base, settings=SETTINGS, on_progress=progress)\n"
    )
    killed = subprocess.run([sys.executable, "-c", code, base, gold, output], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert not output.exists()
    steps: list[int] = []
    request = TrainingRequest(output=output, gold=[gold], licence="MIT")
    report = train_causal_llm(
        request,
        base=base,
        settings=SETTINGS,
        on_progress=lambda phase, done, total: steps.append(done) if phase == "train" else None,
    )
    assert min(steps) > 100  # it did not begin again
    assert (output / "model.safetensors").read_bytes() == (
        trained.path / "model.safetensors"
    ).read_bytes()
    assert report.curve == trained.curve
    assert not output.with_name("checkpoint.partial").exists()


def test_the_seed_decides_the_weights(base: Path, tmp_path: Path) -> None:
    gold = tmp_path / "gold.csv"
    rows = [f"{prompt},1,{int(not hard)}" for prompt, hard in prompts(18)]
    gold.write_text("\n".join(["prompt,strong,weak", *rows]))
    settings = AdapterSettings(evaluations_per_epoch=1)
    weights = []
    for number, seed in enumerate((0, 0, 1)):
        request = TrainingRequest(output=tmp_path / str(number), gold=[gold], seed=seed)
        report = train_causal_llm(request, base=base, settings=settings)
        weights.append((report.path / "model.safetensors").read_bytes())
        card = " ".join((report.path / "README.md").read_text().split())
        assert "It learned from 16 prompts with a label" in card
    assert weights[0] == weights[1]
    assert weights[0] != weights[2]


def test_a_tie_is_good_enough_and_a_lost_answer_is_not() -> None:
    shares = targets(np.array([[0.5, 0.25, 0.25]], dtype=np.float32))
    assert shares.tolist() == [[0.5, 0, 0, 0.25, 0.25]]


def test_where_answers_were_marked_their_mean_mark_decides() -> None:
    outcome = np.array([[0, 1, 0], [0, 1, 0]], dtype=np.float32)
    shares = targets(outcome, np.array([0.25, np.nan], dtype=np.float32))
    assert shares.tolist() == [[0.75, 0, 0, 0, 0.25], [0, 0, 0, 1, 0]]


def test_marks_count_of_models_about_as_strong_as_the_weak_one(tmp_path: Path) -> None:
    # The hopeless model fails where the weak one would not, and the strong one says nothing of it.
    scores = {"strong": 2.0, "weak": 1.0, "alike": 2.0, "hopeless": 0.0}
    rows = [{"prompt": f"p{n}", "scores": scores} for n in range(30)]
    rows += [{"prompt": f"q{n}", "scores": scores | {"weak": 2.0, "alike": 1.0}} for n in range(30)]
    rows += [{"prompt": "other", "scores": {"strong": 1.0, "hopeless": 0.0}}]
    path = tmp_path / "gold.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    request = TrainingRequest(
        output=tmp_path / "out", gold=[path], strong_model="strong", weak_model="weak"
    )
    with PartialRun(request.output, {}) as partial:
        data = read_training_data(
            request, open_embedder(DEFAULT), partial, no_progress, vectors=False
        )
    quality = dict(zip(data.comparisons.prompts, weak_quality(request, data), strict=True))
    assert quality["p0"] == quality["q0"] == 0.75
    assert np.isnan(quality["other"])


def test_the_learning_rate_rises_and_falls() -> None:
    rates = [learning_rate(step, 100, 1.0) for step in range(100)]
    assert rates[:5] == [0.2, 0.4, 0.6, 0.8, 1.0]
    assert all(later < earlier for earlier, later in itertools.pairwise(rates[5:]))
    assert 0 < rates[-1] < 0.02


def test_without_peft_the_sentence_says_what_to_install(
    base: Path, gold: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "peft", None)  # as Python marks what is not there
    request = TrainingRequest(output=tmp_path / "checkpoint", gold=[gold])
    with pytest.raises(CheckpointError, match=r"pip install 'routectl\[causal-llm\]'"):
        train_causal_llm(request, base=base)


def test_a_base_that_is_none_is_refused_before_any_work(gold: Path, tmp_path: Path) -> None:
    shutil.copy(gold, tmp_path / "gold.jsonl")
    request = TrainingRequest(output=tmp_path / "checkpoint", gold=[gold])
    with pytest.raises(CheckpointError, match=r"a base model is a folder with config\.json"):
        train_causal_llm(request, base=tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["gold.jsonl"]


@pytest.mark.parametrize(
    ("processor", "dtype"),
    [
        ({"avx2": True, "avx512_bf16": False, "amx_bf16": False}, "float32"),
        ({"avx2": True, "avx512_bf16": True, "amx_bf16": False}, "bfloat16"),
        ({}, "float32"),
    ],
)
def test_the_base_trains_in_bfloat16_only_where_the_processor_multiplies_it(
    monkeypatch: pytest.MonkeyPatch, processor: dict[str, object], dtype: str
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: processor, raising=False)
    assert faster_dtype() == AdapterSettings().dtype == dtype


def test_a_torch_that_does_not_know_the_processor_trains_in_float32(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delattr(torch.cpu, "get_capabilities", raising=False)
    assert faster_dtype() == "float32"
