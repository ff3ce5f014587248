"""The training curve, as a picture and as numbers beside the checkpoint."""

import json
from pathlib import Path

from routectl.training import TrainingRequest, train_mf
from routectl.training.fits.curve import LossCurve, curve_picture
from routectl.training.fits.difficulty import DifficultySettings


def test_the_picture_is_a_png() -> None:
    curve = LossCurve((0.7, 0.6, 0.5), (0.69, 0.65, 0.66), best_epoch=2, baseline=0.68)
    picture = curve_picture(curve, "mf_9: mf")
    assert picture is not None
    assert picture.startswith(b"\x89PNG\r\n")
    assert len(picture) > 5_000


def test_a_checkpoint_holds_its_curve_and_the_losses_are_those_of_the_epochs(
    tiny: str, tmp_path: Path
) -> None:
    gold = tmp_path / "gold.csv"
    gold.write_text("prompt,strong,weak\n" + "".join(f"p {n},1,{n % 2}\n" for n in range(60)))
    report = train_mf(
        TrainingRequest(gold=[gold], output=tmp_path / "new"),
        embedder=tiny,
        settings=DifficultySettings(precision=1),
    )
    assert (tmp_path / "new" / "training_curve.png").is_file()
    losses = json.loads((tmp_path / "new" / "training_curve.json").read_text())
    assert len(losses["held_out"]) == len(losses["training"]) == report.epochs > 1
    assert report.held_out_loss == losses["held_out"][losses["best_epoch"] - 1]
