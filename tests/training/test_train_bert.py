"""Training of `bert`, end to end, on a tiny base and data whose answer is known."""

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from routectl.errors import CheckpointError, InputError
from routectl.records import RouterSpec
from routectl.routers import open_router
from routectl.training import TrainingReport, TrainingRequest, train_bert
from routectl.training.fits.finetune import Settings
from routectl.training.progress import Progress, no_progress
from tests.conftest import Routectl
from tests.training.test_train import prompts

FAST = Settings(learning_rate=3e-3, batch_prompts=8, max_epochs=5)


def train(
    base: str,
    gold: Path,
    output: Path,
    *,
    settings: Settings = FAST,
    on_progress: Progress = no_progress,
    **request: Any,
) -> TrainingReport:
    asked = TrainingRequest(gold=[gold], output=output, **request)
    return train_bert(asked, base=base, settings=settings, on_progress=on_progress)


@pytest.fixture(scope="module")
def gold(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("data") / "gold.jsonl"
    rows = [
        {"prompt": prompt, "scores": {"strong": 1, "weak": int(not hard), "weaker": 0}}
        for prompt, hard in prompts(300)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.fixture(scope="module")
def report(gold: Path, tiny: str, tmp_path_factory: pytest.TempPathFactory) -> TrainingReport:
    output = tmp_path_factory.mktemp("trained") / "checkpoint"
    return train(tiny, gold, output, weak_model="weak")


def test_the_trained_router_sends_the_hard_prompts_to_the_strong_model(
    report: TrainingReport,
) -> None:
    fresh = prompts(400)[300:]
    rates = (
        open_router("bert", checkpoint=report.path)
        .load()
        .strong_win_rates([prompt for prompt, _ in fresh])
    )
    hard = np.array([is_hard for _, is_hard in fresh])
    assert rates[hard].min() > rates[~hard].max()
    assert report.held_out_loss is not None
    assert report.baseline_loss is not None
    # Half of an easy prompt's comparisons are ties: that much, 0.35 nats, nobody can know.
    assert report.held_out_loss < report.baseline_loss - 0.1
    assert report.metrics["apgr"] > 0.7


def test_the_checkpoint_states_tiers_base_noise_curve_and_card(
    report: TrainingReport, gold: Path
) -> None:
    config = json.loads((report.path / "config.json").read_bytes())
    assert (config["strong_models"], config["weak_models"]) == (["strong"], ["weak", "weaker"])
    assert (config["trained_layers"], config["base"]["layers"]) == (1, 1)
    assert 0 < config["noise"] < 1e-4
    opened = open_router("bert", checkpoint=report.path)
    assert opened.identity.fingerprint == report.fingerprint
    assert (report.path / "training_curve.png").read_bytes().startswith(b"\x89PNG")
    card = (report.path / "README.md").read_text()
    for part in (gold.name, "## How good", "Weak group: weak, weaker", "learning_rate"):
        assert part in card
    for prompt, _ in prompts(300):
        assert prompt not in card


@pytest.mark.slow
def test_the_same_seed_gives_the_same_bits_and_another_does_not(
    gold: Path, tiny: str, tmp_path: Path
) -> None:
    once = Settings(max_epochs=1)
    weights = []
    for number, seed in enumerate((0, 0, 1)):
        report = train(tiny, gold, tmp_path / str(number), settings=once, seed=seed)
        weights.append((report.path / "model.safetensors").read_bytes())
    assert weights[0] == weights[1]
    assert weights[0] != weights[2]


def test_what_is_under_way_is_said(gold: Path, tiny: str, tmp_path: Path) -> None:
    phases: list[tuple[str, int, int]] = []
    train(
        tiny,
        gold,
        tmp_path / "new",
        settings=Settings(max_epochs=1),
        on_progress=lambda *now: phases.append(now),
    )
    assert list(dict.fromkeys(phase for phase, _, _ in phases)) == ["read", "encode", "train"]
    assert all(0 <= done <= total for _, done, total in phases)


def test_an_epoch_without_gain_ends_the_fit_after_a_while(
    gold: Path, tiny: str, tmp_path: Path
) -> None:
    useless = Settings(learning_rate=0.0, weight_decay=0.0, max_epochs=9, patience=2)
    report = train(tiny, gold, tmp_path / "new", settings=useless)
    assert report.curve is not None
    assert (report.epochs, report.curve.best_epoch) == (3, 1)


KILLED_AFTER_AN_EPOCH = """
import os, signal
from routectl.__main__ import main
from routectl.training.output.partial import PartialRun

save = PartialRun.save

def save_and_die(run, name, *arguments):
    save(run, name, *arguments)
    if name == "epoch":
        os.kill(os.getpid(), signal.SIGKILL)

PartialRun.save = save_and_die
main()
"""


@pytest.mark.slow
def test_a_killed_training_run_again_ends_at_the_same_weights(
    tiny: str, tmp_path: Path, routectl: Routectl
) -> None:
    gold = tmp_path / "gold.csv"
    lines = [f"{prompt},1,{int(not hard)}" for prompt, hard in prompts(300)]
    gold.write_text("\n".join(["prompt,strong,weak", *lines]))
    output = tmp_path / "killed"
    arguments = ["train", "bert", "--gold", str(gold), "--base", tiny, "--output", str(output)]
    kept = tmp_path / "killed.partial" / "epoch.safetensors"
    killed = subprocess.run(
        [sys.executable, "-c", KILLED_AFTER_AN_EPOCH, *arguments],
        capture_output=True,
        text=True,
        check=False,
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert kept.exists()
    assert not output.exists()
    assert routectl(*arguments).code == 0
    assert not kept.parent.exists()
    whole = train(tiny, gold, tmp_path / "whole", settings=Settings())
    weights = [folder / "model.safetensors" for folder in (output, whole.path)]
    assert weights[0].read_bytes() == weights[1].read_bytes()
    losses = [folder / "training_curve.json" for folder in (output, whole.path)]
    assert losses[0].read_bytes() == losses[1].read_bytes()


def test_too_little_to_learn_from_is_a_sentence_and_leaves_nothing(
    tiny: str, tmp_path: Path
) -> None:
    path = tmp_path / "gold.csv"
    path.write_text("prompt,a,b\nx,1,0\ny,0,\nz,1,\n")
    with pytest.raises(InputError, match="only one prompt"):
        train(tiny, path, tmp_path / "new")
    assert [entry.name for entry in tmp_path.iterdir()] == ["gold.csv"]


@pytest.mark.parametrize(
    ("base", "settings", "match"),
    [
        ("/nowhere/at/all", FAST, "There is no embedder '/nowhere/at/all'"),
        ("", Settings(layers=2), "2 layers cannot be trained: the encoder .* has 1"),
    ],
)
def test_a_base_that_cannot_be_trained(
    gold: Path, tiny: str, tmp_path: Path, base: str, settings: Settings, match: str
) -> None:
    with pytest.raises((CheckpointError, InputError), match=match):
        train(base or tiny, gold, tmp_path / "new", settings=settings)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_it_learns_which_of_a_tasks_prompts_are_hard_and_not_which_task_is(
    tiny: str, tmp_path: Path
) -> None:
    # The weak model is mostly wrong in one task and mostly right in the other, whatever is hard.
    rows, kinds = [], []
    for number, (prompt, hard) in enumerate(prompts(600)):
        exam = number % 4 < 2
        usual = number % 3 == 0
        right = (usual and not hard) if exam else not (usual and hard)
        text = f"exam exam exam {prompt}" if exam else prompt
        rows.append({"task": exam, "prompt": text, "scores": {"strong": 1, "weak": int(right)}})
        kinds.append((text, hard, exam))
    path = tmp_path / "gold.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    report = train(tiny, path, tmp_path / "trained", weak_model="weak")
    router = open_router("bert", checkpoint=report.path).load()
    rates = router.strong_win_rates([text for text, _, _ in kinds])
    hard, exam = (np.array([kind[at] for kind in kinds]) for at in (1, 2))
    assert rates[hard & ~exam].mean() > rates[~hard & exam].mean() + 0.02


@pytest.fixture(scope="module")
def teacher(tiny: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    from routectl.training import train_mf
    from routectl.training.fits.difficulty import DifficultySettings

    folder = tmp_path_factory.mktemp("taught")
    output, gold = folder / "slow", folder / "contrary.jsonl"
    rows = [
        {"prompt": prompt, "scores": {"strong": 1, "weak": int(hard), "weaker": 0}}
        for prompt, hard in prompts(300)
    ]
    gold.write_text("".join(json.dumps(row) + "\n" for row in rows))
    request = TrainingRequest(gold=[gold], output=output, weak_model="weak")
    train_mf(request, embedder=tiny, settings=DifficultySettings(precision=1))
    return output


def test_a_pupil_orders_prompts_as_its_teacher_does(
    teacher: Path, gold: Path, tiny: str, tmp_path: Path
) -> None:
    """Here it is of another opinion than the labels, which have no say."""
    phases: list[str] = []
    report = train_bert(
        TrainingRequest(gold=[gold], output=tmp_path / "quick", weak_model="weak"),
        base=tiny,
        teachers=[RouterSpec("mf", str(teacher))],
        settings=Settings(learning_rate=3e-3, batch_prompts=8, max_epochs=5),
        on_progress=lambda phase, *_: phases.append(phase),
    )
    assert "score" in phases
    fresh = prompts(500)[300:]
    texts = [text for text, _ in fresh]
    called_hard = np.array([hard for _, hard in fresh])
    learned = open_router("bert", checkpoint=report.path).load().strong_win_rates(texts)
    taught = open_router("mf", checkpoint=teacher).load().strong_win_rates(texts)
    assert learned[~called_hard].min() > learned[called_hard].max()
    assert np.corrcoef(learned, taught)[0, 1] > 0.9
    assert report.held_out_loss is not None
    assert report.baseline_loss is not None
    assert report.held_out_loss < report.baseline_loss
    fingerprint = open_router("mf", checkpoint=teacher).identity.fingerprint
    config = json.loads((report.path / "config.json").read_bytes())
    assert config["teachers"] == [{"router": "mf", "fingerprint": fingerprint}]
    card = " ".join((report.path / "README.md").read_text().split())
    assert f"(fingerprint `{fingerprint}`)" in card
    assert "That took none of the prompts that were held out here." in card


def test_a_teacher_that_says_nothing_or_is_not_there_is_a_sentence(
    routectl: Routectl, gold: Path, tiny: str, tmp_path: Path
) -> None:
    command = ("train", "bert", "--gold", gold, "--weak-model", "weak", "--base", tiny)
    for name in ("nobody", f"mf={tmp_path / 'nowhere'}"):
        done = routectl(*command, "--teacher", name, "--output", tmp_path / "no")
        assert done.code in (1, 2), done.err
        assert "Traceback" not in done.err
        assert not (tmp_path / "no").exists()
