"""An ensemble of real routers, on data in which two things make a prompt hard."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from routectl.checkpoint import SHIPPED, named_checkpoint
from routectl.errors import CheckpointError, InputError, RoutectlError, RouterError, UsageError
from routectl.records import RouterSpec
from routectl.routers import open_router
from routectl.routers.ensemble import rank_reference
from routectl.training import TrainingReport, TrainingRequest, train_ensemble, train_mf
from routectl.training.output.partial import PartialRun
from routectl.training.scored import spelled
from tests.conftest import Routectl

pytestmark = pytest.mark.slow

LENGTH, RANDOM = RouterSpec("length"), RouterSpec("random")


def write_gold(path: Path, count: int, *, longer_is_harder: bool = True, seed: int = 0) -> Path:
    """Prompts that are hard for the weak model by their letters and by their length alike."""
    draw = np.random.default_rng(seed)
    rows = []
    for number in range(count):
        odd, size = bool(draw.integers(2)), int(draw.integers(1, 40))
        letters = "".join(draw.choice(list("xyz789" if odd else "abcabc"), 8 * size))
        hard = 0.45 * odd + 0.45 * (size > 20 if longer_is_harder else size <= 20) + 0.05
        right = int(draw.random() > hard)
        rows.append({"prompt": f"{letters}{number}", "scores": {"strong": 1, "weak": right}})
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.fixture(scope="module")
def mf(tiny: str, tmp_path_factory: pytest.TempPathFactory) -> RouterSpec:
    """Matrix factorization over a small embedder; it learned from other prompts."""
    folder = tmp_path_factory.mktemp("mf")
    gold = write_gold(folder / "gold.jsonl", 400, seed=1)
    train_mf(TrainingRequest(gold=[gold], output=folder / "mine"), embedder=tiny)
    return RouterSpec("mf", str(folder / "mine"))


@pytest.fixture(scope="module")
def gold(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_gold(tmp_path_factory.mktemp("data") / "gold.jsonl", 500)


def train(gold: Path, output: Path, *members: RouterSpec, **options: Any) -> TrainingReport:
    options.setdefault("fresh", True)
    return train_ensemble(TrainingRequest(gold=[gold], output=output), members, **options)


@pytest.fixture(scope="module")
def trained(gold: Path, mf: RouterSpec, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train(gold, tmp_path_factory.mktemp("ensemble") / "both", mf, LENGTH, RANDOM).path


def test_prompts_hard_in_both_ways_score_above_those_hard_in_one(trained: Path) -> None:
    router = open_router("ensemble", checkpoint=trained).load()
    hard, odd, long, easy = router.strong_win_rates(
        ["xyz789" * 50, "xyz789" * 3, "abcabc" * 50, "abcabc" * 3]
    )
    assert hard > max(odd, long)
    assert min(odd, long) > easy


def test_a_prompt_scores_the_same_alone_as_in_a_batch(trained: Path) -> None:
    opened = open_router("ensemble", checkpoint=trained)
    router = opened.load()
    prompts = [f"xyz {number} " * (1 + number % 7) for number in range(40)]
    together = router.strong_win_rates(prompts)
    alone = np.concatenate([router.strong_win_rates([prompt]) for prompt in prompts])
    assert np.abs(together - alone).max() <= opened.identity.noise
    assert opened.identity.noise < 1e-3


def test_the_card_says_that_it_beats_its_best_member_where_it_does(trained: Path) -> None:
    card = (trained / "README.md").read_text()
    assert "| does the ensemble beat its best member? | yes |" in card
    for name in ("ensemble", "length", "random"):
        assert f"| APGR of {name}, nested cross-validation | 0." in card


def test_the_card_says_so_too_where_it_does_not(gold: Path, tmp_path: Path) -> None:
    report = train(gold, tmp_path / "new", LENGTH, RANDOM)
    card = (report.path / "README.md").read_text()
    assert "| does the ensemble beat its best member? | yes |" not in card
    assert "| does the ensemble beat its best member? |" in card


def test_a_member_that_orders_the_wrong_way_round_counts_for_nothing(
    mf: RouterSpec, tmp_path: Path
) -> None:
    gold = write_gold(tmp_path / "gold.jsonl", 400, longer_is_harder=False)
    report = train(gold, tmp_path / "new", mf, LENGTH)
    assert "| weight of length | 0.0000 |" in (report.path / "README.md").read_text()


def test_a_member_that_tells_tasks_apart_counts_for_nothing(mf: RouterSpec, tmp_path: Path) -> None:
    # All of the long prompts' task are harder, and within either task only letters decide.
    gold = write_gold(tmp_path / "letters.jsonl", 400, longer_is_harder=False)
    draw = np.random.default_rng(0)
    rows = []
    for line in gold.read_text().splitlines():
        prompt = json.loads(line)["prompt"]
        long = len(prompt) > 160
        hard = 0.1 + 0.5 * long + 0.3 * (prompt[0] in "xyz789")
        scores = {"strong": 1, "weak": int(draw.random() > hard)}
        rows.append({"task": f"task {long}", "prompt": prompt, "scores": scores})
    gold.write_text("".join(json.dumps(row) + "\n" for row in rows))
    together = (train(gold, tmp_path / "new", mf, LENGTH).path / "README.md").read_text()
    assert _weight_of(LENGTH, together) < _weight_of(mf, together) / 3
    # The same prompts without their tasks: then length seems to be what makes them hard.
    for row in rows:
        del row["task"]
    gold.write_text("".join(json.dumps(row) + "\n" for row in rows))
    apart = (train(gold, tmp_path / "mixed", mf, LENGTH).path / "README.md").read_text()
    assert _weight_of(LENGTH, apart) > _weight_of(mf, apart)


def _weight_of(member: RouterSpec, card: str) -> float:
    row = next(line for line in card.splitlines() if f"| weight of {spelled(member)} |" in line)
    return float(row.split("|")[2])


def test_a_shipped_member_is_named_however_its_folder_was_given(
    gold: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(SHIPPED.parent)
    member = RouterSpec("length", named_checkpoint(f"{SHIPPED.name}/length_1"))
    made = train(gold, tmp_path / "new", member, RANDOM).path
    config = json.loads((made / "config.json").read_text())
    assert config["members"][0]["shipped"] == "length_1"
    assert not (made / "members").exists()


def test_it_learns_only_from_prompts_that_members_with_the_same_data_held_out(
    gold: Path, tiny: str, tmp_path: Path
) -> None:
    same = train_mf(TrainingRequest(gold=[gold], output=tmp_path / "mf"), embedder=tiny)
    report = train(gold, tmp_path / "new", RouterSpec("mf", str(same.path)), LENGTH, fresh=False)
    assert report.metrics["apgr_prompts"] == same.held_out_prompts == 50


def test_an_ensemble_can_be_moved_with_its_members(trained: Path, tmp_path: Path) -> None:
    fingerprint = open_router("ensemble", checkpoint=trained).identity.fingerprint
    moved = tmp_path / "elsewhere"
    moved.mkdir()
    for file in (path for path in trained.rglob("*") if path.is_file()):
        target = moved / file.relative_to(trained)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(file.read_bytes())
    assert open_router("ensemble", checkpoint=moved).identity.fingerprint == fingerprint


def test_a_member_that_is_no_longer_the_same_is_refused(
    gold: Path, mf: RouterSpec, tiny: str, tmp_path: Path
) -> None:
    made = train(gold, tmp_path / "new", mf, LENGTH).path
    other = train_mf(
        TrainingRequest(gold=[gold], output=tmp_path / "other", seed=5), embedder=tiny
    ).path
    inside = made / "members" / "0_mf"
    for file in other.iterdir():
        (inside / file.name).write_bytes(file.read_bytes())
    with pytest.raises(CheckpointError, match="another version of its member 'mf'"):
        open_router("ensemble", checkpoint=made)


def test_a_checkpoint_cannot_name_a_member_outside_of_itself(gold: Path, tmp_path: Path) -> None:
    made = train(gold, tmp_path / "new", LENGTH, RANDOM).path
    config = json.loads((made / "config.json").read_text())
    config["members"][0]["shipped"] = "../../elsewhere"
    (made / "config.json").write_text(json.dumps(config))
    with pytest.raises(CheckpointError, match="names a member outside of itself"):
        open_router("ensemble", checkpoint=made)


@pytest.mark.parametrize(
    ("members", "error", "match"),
    [
        ([LENGTH], UsageError, "two members or more"),
        ([LENGTH, LENGTH], UsageError, "named twice"),
        ([LENGTH, RouterSpec("ensemble")], UsageError, "cannot be a member"),
        ([LENGTH, RouterSpec("nobody")], RouterError, "no router named 'nobody'"),
    ],
)
def test_members_that_make_no_ensemble_are_refused_before_any_work(
    gold: Path, tmp_path: Path, members: list[RouterSpec], error: type[RoutectlError], match: str
) -> None:
    with pytest.raises(error, match=match):
        train(gold, tmp_path / "new", *members)
    assert list(tmp_path.iterdir()) == []


def test_too_few_prompts_for_five_folds_are_counted(tmp_path: Path) -> None:
    gold = write_gold(tmp_path / "gold.jsonl", 49)
    with pytest.raises(InputError, match=r"at least 50 labelled prompts .* there are 49"):
        train(gold, tmp_path / "new", LENGTH, RANDOM)


def test_a_stopped_run_does_not_score_again_what_it_has_scored(gold: Path, tmp_path: Path) -> None:
    whole = train(gold, tmp_path / "whole", LENGTH, RANDOM)
    with pytest.raises(KeyboardInterrupt):
        train(gold, tmp_path / "stopped", LENGTH, RANDOM, on_progress=stop_at_the_end_of_scoring)
    kept = sorted(path.name for path in (tmp_path / "stopped.partial").glob("scores-*"))
    assert len(kept) == 4  # two members, 500 prompts in steps of 256
    again = train(gold, tmp_path / "stopped", LENGTH, RANDOM)
    weights = [path / "model.safetensors" for path in (whole.path, again.path)]
    assert weights[0].read_bytes() == weights[1].read_bytes()
    assert not (tmp_path / "stopped.partial").exists()


def stop_at_the_end_of_scoring(phase: str, done: int, total: int) -> None:
    if phase == "score" and done == total:
        raise KeyboardInterrupt


def test_the_command_line_trains_scores_and_exports_one(
    gold: Path, routectl: Routectl, log: Path, tmp_path: Path
) -> None:
    output = tmp_path / "mine"
    command = ["train", "ensemble", "--member", "length", "random", "--gold", gold]
    done = routectl(*command, "--fresh", "--output", output)
    assert done.code == 0, done.err
    assert "held-out APGR" in done.out
    assert routectl("import", log).code == 0
    calibrated = routectl("calibrate", "-r", f"ensemble={output}", "--strong-fraction", "0.4")
    assert calibrated.code == 0, calibrated.err
    assert routectl("export", "--calibration", "c1").out.startswith("router-ensemble-0.")


def test_a_rank_is_the_share_of_the_reference_below() -> None:
    reference = rank_reference(np.linspace(0.2, 0.6, 1001), noise=0.0)
    assert np.allclose(
        reference.of(np.array([0.0, 0.2, 0.3, 0.4, 0.6, 1.0])),
        [0, 0.0005, 0.25, 0.5, 0.9995, 1],
        atol=1e-3,
    )


def test_noise_cannot_move_a_rank_by_more_than_a_hundredth() -> None:
    crowded = np.repeat([0.5, 0.5 + 1e-7, 0.5 + 2e-7], 100)
    assert rank_reference(crowded, noise=1e-5).steepest * 1e-5 <= 0.01


def test_partial_work_of_another_ensemble_is_not_taken(gold: Path, tmp_path: Path) -> None:
    with PartialRun(tmp_path / "new", {"router": "mf"}) as other:
        other.save("scores-0-00000000", {"win_rates": np.zeros(3)})
    with pytest.raises(CheckpointError, match="another training"):
        train(gold, tmp_path / "new", LENGTH, RANDOM)
