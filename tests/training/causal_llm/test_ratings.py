"""New rows for the ratings of a causal_llm whose adapter is kept, on a small Llama."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from routectl.checkpoint import read_checkpoint, read_weights
from routectl.errors import CheckpointError
from routectl.routers import open_router
from routectl.training import TrainingReport, TrainingRequest, train_mf, train_rating_rows
from routectl.training.fits.difficulty import DifficultySettings
from tests.conftest import Routectl
from tests.routers.tiny_llama import make_base, write_adapter
from tests.training.causal_llm.test_adapter import prompts

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def gold(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("data") / "gold.jsonl"
    rows = [
        {"prompt": prompt, "scores": {"strong": 1, "weak": int(not hard)}}
        for prompt, hard in prompts(200)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.fixture
def adapter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkpoint with random weights, which orders prompts by nothing."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return write_adapter(tmp_path / "adapter", make_base(tmp_path / "tiny-llama"))


def train(
    gold: Path,
    adapter: Path,
    output: Path,
    *,
    precision: float | None = None,
    question_length: bool = False,
) -> TrainingReport:
    request = TrainingRequest(gold=[gold], output=output)
    return train_rating_rows(request, adapter, precision=precision, question_length=question_length)


def test_new_rows_send_the_hard_prompts_to_the_strong_model(
    gold: Path, adapter: Path, tmp_path: Path
) -> None:
    fresh = prompts(260)[200:]
    texts, hard = [text for text, _ in fresh], np.array([is_hard for _, is_hard in fresh])
    report = train(gold, adapter, tmp_path / "rated", precision=1.0)
    opened = open_router("causal_llm", checkpoint=report.path)
    assert opened.identity.fingerprint == report.fingerprint
    assert opened.identity.fingerprint != (
        open_router("causal_llm", checkpoint=adapter).identity.fingerprint
    )
    router = opened.load()
    rates = router.strong_win_rates(texts)
    assert rates[hard].min() > rates[~hard].max()
    alone = np.concatenate([router.strong_win_rates([text]) for text in texts])
    assert np.abs(alone - rates).max() <= opened.identity.noise < 1e-3
    assert report.held_out_loss is not None
    assert report.baseline_loss is not None
    assert report.held_out_loss < report.baseline_loss


def test_the_adapter_stays_as_it_is_and_the_ratings_are_a_scale(
    gold: Path, adapter: Path, tmp_path: Path
) -> None:
    report = train(gold, adapter, tmp_path / "rated")
    before, _ = read_weights(read_checkpoint(adapter, "causal_llm"))
    after, _ = read_weights(read_checkpoint(report.path, "causal_llm"))
    assert set(after) == {*before, "rows"}
    for name in set(before) - {"bias"}:
        np.testing.assert_array_equal(before[name], after[name])
    rows, bias = after["rows"], after["bias"]
    np.testing.assert_allclose(rows[2], 0)
    np.testing.assert_allclose(np.diff(rows, axis=0), np.tile(rows[3], (4, 1)), rtol=1e-5)
    np.testing.assert_allclose(np.diff(bias), bias[3], rtol=1e-5)
    card = " ".join((report.path / "README.md").read_text().split())
    assert "It is the low-rank adapter of adapter (of the base model tiny-llama" in card
    assert "It learned from 180 prompts" in card


def test_the_length_of_the_question_counts_where_it_was_asked_for(
    adapter: Path, tmp_path: Path
) -> None:
    """Of prompts longer than is read the model itself cannot know how long they are."""
    gold = tmp_path / "lengths.jsonl"
    texts = ["word " * (200 + 10 * n) for n in range(100)]
    rows = [{"prompt": t, "scores": {"strong": 1, "weak": n < 50}} for n, t in enumerate(texts)]
    gold.write_text("".join(json.dumps(row) + "\n" for row in rows))
    report = train(gold, adapter, tmp_path / "rated", precision=1.0, question_length=True)
    opened = open_router("causal_llm", checkpoint=report.path)
    rates = opened.load().strong_win_rates(["word " * 300, "word " * 600, "word " * 1100])
    assert rates[0] < rates[1] < rates[2]
    assert "and the length of its question" in opened.description.reads
    assert "the length of the whole question" in (report.path / "README.md").read_text()


def test_a_killed_training_reads_no_prompt_twice_and_ends_at_the_same_rows(
    gold: Path, adapter: Path, tmp_path: Path
) -> None:
    whole = train(gold, adapter, tmp_path / "whole")
    output = tmp_path / "killed"
    code = (
        "import os, signal, sys\nfrom pathlib import Path\n"
        "from routectl.training import TrainingRequest, train_rating_rows\n"
        "def progress(phase, done, total):\n"
        "    if phase == 'read' and done >= 128: os.kill(os.getpid(), signal.SIGKILL)\n"
        "gold, adapter, output = map(Path, sys.argv[1:])\n"
        "request = TrainingRequest(output=output, gold=[gold])\n"
        "train_rating_rows(request, adapter, on_progress=progress)\n"
    )
    killed = subprocess.run(
        [sys.executable, "-c", code, gold, adapter, output], check=False, env=os.environ
    )
    assert killed.returncode == -signal.SIGKILL
    assert not output.exists()
    kept = {path.name for path in (tmp_path / "killed.partial").glob("states-*")}
    assert kept == {"states-00000000.safetensors", "states-00000064.safetensors"}
    again = train(gold, adapter, output)
    assert (output / "model.safetensors").read_bytes() == (
        whole.path / "model.safetensors"
    ).read_bytes()
    assert again.curve == whole.curve


def test_what_cannot_be_is_a_sentence(
    routectl: Routectl, gold: Path, adapter: Path, tmp_path: Path
) -> None:
    command = ("train", "causal_llm", "--gold", gold, "--output", tmp_path / "no")
    for options, sentence in (
        (("--adapter", adapter, "--base", tmp_path / "tiny-llama"), "not both"),
        (("--weight", f"{gold}=2"), "--weight belongs to --adapter"),
        (("--question-length",), "--question-length belongs to --adapter"),
        (("--adapter", "causal_llm_2"), "one that ships with routectl: causal_llm_4."),
    ):
        done = routectl(*command, *options)
        assert done.code in (1, 2), done.err
        assert sentence in " ".join(done.err.split())
        assert "Traceback" not in done.err
        assert not (tmp_path / "no").exists()


def test_a_length_that_lacks_one_half_is_refused(gold: Path, adapter: Path, tmp_path: Path) -> None:
    from tests.training.test_sw_ranking import damaged

    report = train(gold, adapter, tmp_path / "rated", question_length=True)
    folder = damaged(report.path, tmp_path / "damaged", {}, beside=None)
    with pytest.raises(CheckpointError, match="'surface' and the tensor 'beside' belong together"):
        open_router("causal_llm", checkpoint=folder)


def test_rows_of_another_width_are_refused(gold: Path, adapter: Path, tmp_path: Path) -> None:
    from tests.training.test_sw_ranking import damaged

    report = train(gold, adapter, tmp_path / "rated")
    folder = damaged(report.path, tmp_path / "damaged", {}, rows=np.zeros((5, 7), np.float32))
    with pytest.raises(CheckpointError, match=r"'rows' has the shape"):
        open_router("causal_llm", checkpoint=folder).load()


def test_rows_can_learn_what_another_router_says_and_no_label(
    routectl: Routectl, gold: Path, adapter: Path, tiny: str, tmp_path: Path
) -> None:
    """Here it is of another opinion than the labels, which have no say."""
    other = tmp_path / "other.jsonl"
    rows = [
        {"prompt": prompt, "scores": {"strong": 1, "weak": int(hard)}}
        for prompt, hard in prompts(200)
    ]
    other.write_text("".join(json.dumps(row) + "\n" for row in rows))
    teacher = train_mf(
        TrainingRequest(gold=[other], output=tmp_path / "teacher"),
        embedder=tiny,
        settings=DifficultySettings(precision=1),
    ).path
    output = tmp_path / "taught"
    asked = ("--adapter", adapter, "--teacher", f"mf={teacher}", "--weight", f"{gold}=2")
    done = routectl("train", "causal_llm", "--gold", gold, *asked, "--output", output)
    assert done.code == 0, done.err
    fresh = prompts(260)[200:]
    texts, hard = [text for text, _ in fresh], np.array([is_hard for _, is_hard in fresh])
    said = open_router("causal_llm", checkpoint=output).load().strong_win_rates(texts)
    taught = open_router("mf", checkpoint=teacher)
    assert said[~hard].mean() > said[hard].mean() + 0.1
    assert np.corrcoef(said, taught.load().strong_win_rates(texts))[0, 1] > 0.5
    loss = next(line for line in done.out.splitlines() if line.startswith("held-out loss"))
    learned, nothing = re.findall(r"\d\.\d+", loss)
    assert float(learned) < float(nothing)
    config = json.loads((output / "config.json").read_bytes())
    fingerprint = taught.identity.fingerprint
    assert config["teachers"] == [{"router": "mf", "fingerprint": fingerprint}]
    card = " ".join((output / "README.md").read_text().split())
    assert (
        f"from what slower routers say and from no label: the strong win rates of **mf={teacher}"
        in card
    )
    assert (
        "The adapter and the teachers had been trained before. That took none of the prompts"
        in card
    )
    assert "| precision | 10.0 |" in card


def test_a_teacher_without_an_adapter_is_a_sentence(
    routectl: Routectl, gold: Path, tmp_path: Path
) -> None:
    asked = ("--teacher", "length", "--output", tmp_path / "no")
    refused = routectl("train", "causal_llm", "--gold", gold, *asked)
    assert refused.code == 2
    assert "--teacher belongs to --adapter" in refused.err
