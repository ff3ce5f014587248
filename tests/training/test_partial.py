"""What a stopped training keeps, and who may go on with it."""

import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from routectl.errors import CheckpointError
from routectl.training import TrainingReport, TrainingRequest, train_mf, train_sw_ranking
from routectl.training.output.partial import PartialRun
from tests.conftest import Routectl

FACTS = {"router": "mf", "seed": 0}


def test_what_was_kept_is_there_for_the_next_run_of_the_same_training(tmp_path: Path) -> None:
    with PartialRun(tmp_path / "new", FACTS) as first:
        assert first.load("epoch") is None
        first.save("epoch", {"weights": np.arange(3.0)}, {"epoch": 7})
    with PartialRun(tmp_path / "new", FACTS) as second:
        kept = second.load("epoch")
        assert kept is not None
        assert kept[0]["weights"].tolist() == [0, 1, 2]
        assert kept[1] == {"epoch": 7}
        second.remove()
    assert list(tmp_path.iterdir()) == []


def test_another_training_does_not_go_on_with_it(tmp_path: Path) -> None:
    with PartialRun(tmp_path / "new", FACTS) as run:
        run.save("epoch", {"weights": np.zeros(1)})
    with pytest.raises(CheckpointError, match=r"new\.partial keeps the work of another training"):
        PartialRun(tmp_path / "new", {**FACTS, "seed": 1})


def test_two_trainings_never_share_a_folder(tmp_path: Path) -> None:
    with PartialRun(tmp_path / "new", FACTS) as run:
        run.save("epoch", {"weights": np.zeros(1)})
        with pytest.raises(CheckpointError, match="Another training is at work"):
            PartialRun(tmp_path / "new", FACTS)


def test_a_damaged_piece_is_named(tmp_path: Path) -> None:
    with PartialRun(tmp_path / "new", FACTS) as run:
        run.save("epoch", {"weights": np.zeros(100)})
    piece = tmp_path / "new.partial" / "epoch.safetensors"
    piece.write_bytes(piece.read_bytes()[:50])
    with (
        PartialRun(tmp_path / "new", FACTS) as run,
        pytest.raises(CheckpointError, match=r"epoch\.safetensors is damaged"),
    ):
        run.load("epoch")


def test_a_training_that_keeps_nothing_leaves_no_folder(tmp_path: Path) -> None:
    with PartialRun(tmp_path / "new", FACTS):
        pass
    assert list(tmp_path.iterdir()) == []


KILLED_AFTER_A_PIECE = """
import os, signal
from routectl.__main__ import main
from routectl.training import data
from routectl.training.output.partial import PartialRun

data._KEPT_AT_ONCE = 256
save = PartialRun.save

def save_and_die(*arguments):
    save(*arguments)
    os.kill(os.getpid(), signal.SIGKILL)

PartialRun.save = save_and_die
main()
"""
"""`routectl`, which keeps its work in small pieces, and is killed when it has kept the first."""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("router", "train"),
    [("mf", train_mf), ("sw_ranking", train_sw_ranking)],
)
def test_a_killed_training_run_again_ends_at_the_same_weights(
    router: str,
    train: Callable[..., TrainingReport],
    tiny: str,
    tmp_path: Path,
    routectl: Routectl,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    gold = tmp_path / "gold.csv"
    lines = [f"prompt {number},1,{number % 2}" for number in range(300)]
    gold.write_text("\n".join(["prompt,strong,weak", *lines]))
    output = tmp_path / "killed"
    arguments = ["train", router, "--gold", str(gold)]
    arguments += ["--embedder", tiny, "--output", str(output)]
    killed = subprocess.run(
        [sys.executable, "-c", KILLED_AFTER_A_PIECE, *arguments],
        capture_output=True,
        text=True,
        check=False,
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert not output.exists()
    assert len(list(output.with_name("killed.partial").glob("vectors-*"))) == 1
    monkeypatch.setattr("routectl.training.data._KEPT_AT_ONCE", 256)
    assert routectl(*arguments).code == 0
    assert not output.with_name("killed.partial").exists()
    whole = train(TrainingRequest(gold=[gold], output=tmp_path / "whole"), embedder=tiny)
    weights = [each / "model.safetensors" for each in (output, whole.path)]
    assert weights[0].read_bytes() == weights[1].read_bytes()
