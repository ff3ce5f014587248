"""What a checkpoint has learned from through its parts, and which ensembles may weigh it."""

import json
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file

from routectl.errors import UsageError
from routectl.records import RouterSpec
from routectl.routers.seen_prompts import SEEN, digests, read_learned, read_seen
from routectl.training import (
    TrainingReport,
    TrainingRequest,
    train_bert,
    train_ensemble,
    train_mf,
    train_sw_ranking,
)
from routectl.training.fits.difficulty import DifficultySettings
from routectl.training.fits.finetune import Settings
from tests.conftest import Routectl
from tests.training.test_ensemble import LENGTH, RANDOM, write_gold

pytestmark = pytest.mark.slow

QUICK = Settings(learning_rate=3e-3, batch_prompts=8, max_epochs=1)
PROMPTS = 200


@pytest.fixture(scope="module")
def gold(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_gold(tmp_path_factory.mktemp("data") / "gold.jsonl", PROMPTS * 3)


def mf(
    gold: Path, output: Path, embedder: str, *, seed: int = 0, refit: bool = False
) -> TrainingReport:
    request = TrainingRequest(gold=[gold], output=output, seed=seed)
    return train_mf(request, embedder=embedder, settings=DifficultySettings(), refit=refit)


def bert(gold: Path, output: Path, base: str, *teachers: Path, seed: int = 0) -> TrainingReport:
    request = TrainingRequest(gold=[gold], output=output, seed=seed)
    members = [RouterSpec("mf", str(teacher)) for teacher in teachers]
    return train_bert(request, base=base, teachers=members, settings=QUICK)


def weigh(gold: Path, output: Path, *members: RouterSpec) -> TrainingReport:
    return train_ensemble(TrainingRequest(gold=[gold], output=output), members)


def before_it_was_kept(folder: Path) -> None:
    """As a checkpoint of an earlier version is."""
    kept = load_file(folder / SEEN)
    save_file({"digests": kept["digests"]}, folder / SEEN)


def seen_by(folder: Path) -> NDArray[np.uint64]:
    found = read_seen(folder)
    assert found is not None
    return found


def learned_by(folder: Path) -> NDArray[np.uint64]:
    found = read_learned(folder)
    assert found is not None
    return found


def said(path: Path) -> str:
    return " ".join((path / "README.md").read_text().split())


def test_a_training_keeps_what_it_learned_from_and_what_it_held_out(
    gold: Path, tiny: str, tmp_path: Path
) -> None:
    report = mf(gold, tmp_path / "mf", tiny)
    seen, learned = seen_by(report.path), learned_by(report.path)
    assert len(seen) == PROMPTS * 3
    assert len(seen) - len(learned) == report.held_out_prompts == PROMPTS * 3 // 10
    assert np.isin(learned, seen).all()
    assert np.array_equal(learned_by(mf(gold, tmp_path / "again", tiny, refit=True).path), seen)


def test_a_chain_of_one_hold_out_is_weighed_by_prompts_that_none_of_it_learned_from(
    gold: Path, tiny: str, tmp_path: Path
) -> None:
    """Teacher, student, and two routers on the student's vectors."""
    teacher = mf(gold, tmp_path / "teacher", tiny)
    student = bert(gold, tmp_path / "student", tiny, teacher.path)
    above = mf(gold, tmp_path / "above", f"bert:{student.path}")
    ranking = train_sw_ranking(
        TrainingRequest(gold=[gold], output=tmp_path / "ranking"),
        embedder=f"bert:{student.path}",
    )
    assert "The teachers were trained, too. That took none of the prompts" in said(student.path)
    assert "Its embedder was trained, too. That took none of the prompts" in said(above.path)
    for one in (student, above, ranking):
        assert np.array_equal(learned_by(one.path), learned_by(teacher.path))
    members = (
        RouterSpec("mf", str(above.path)),
        RouterSpec("sw_ranking", str(ranking.path)),
        LENGTH,
    )
    report = weigh(gold, tmp_path / "both", *members)
    assert report.metrics["apgr_prompts"] == PROMPTS * 3 // 10
    assert len(learned_by(report.path)) == PROMPTS * 3


def test_one_link_that_learned_from_the_held_out_prompts_spoils_the_chain(
    gold: Path, tiny: str, tmp_path: Path
) -> None:
    teacher = mf(gold, tmp_path / "teacher", tiny, refit=True)
    student = bert(gold, tmp_path / "student", tiny, teacher.path)
    above = mf(gold, tmp_path / "above", f"bert:{student.path}")
    for path in (student.path, above.path):
        assert "so the figures on them flatter" in said(path)
    assert "taken, 60 of the prompts that were held out here" in said(above.path)
    for member in (RouterSpec("mf", str(teacher.path)), RouterSpec("mf", str(above.path))):
        with pytest.raises(UsageError, match="the prompts that its training held out"):
            weigh(gold, tmp_path / "both", member, LENGTH)
    assert not list(tmp_path.glob("both*"))


def test_the_command_line_counts_what_a_member_of_another_seed_has_learned_from(
    routectl: Routectl, gold: Path, tiny: str, tmp_path: Path
) -> None:
    other = mf(gold, tmp_path / "other", tiny, seed=1).path
    same = mf(gold, tmp_path / "same", tiny).path
    held_out = np.setdiff1d(seen_by(same), learned_by(same))
    known = int(np.isin(held_out, learned_by(other)).sum())
    assert 0 < known < 60
    members = ("--member", f"mf={other}", "length")
    done = routectl("train", "ensemble", "--gold", gold, *members, "--output", tmp_path / "both")
    assert done.code == 2
    assert f"from {known} of the 60 held-out prompts that would weigh it" in " ".join(
        done.err.split()
    )
    done = routectl(
        *("train", "ensemble", "--gold", gold, *members, "--fresh", "--output", tmp_path / "both")
    )
    assert done.code == 0, done.err


def test_an_embedder_of_other_prompts_spoils_nothing(gold: Path, tiny: str, tmp_path: Path) -> None:
    others = write_gold(tmp_path / "others.jsonl", PROMPTS, seed=7)
    classifier = bert(others, tmp_path / "classifier", tiny)
    above = mf(gold, tmp_path / "above", f"bert:{classifier.path}")
    assert "That took none of the prompts" in said(above.path)
    texts = [json.loads(line)["prompt"] for line in others.read_text().splitlines()]
    assert np.isin(digests(texts), seen_by(above.path)).all()
    report = weigh(gold, tmp_path / "both", RouterSpec("mf", str(above.path)), LENGTH)
    assert report.metrics["apgr_prompts"] == 60


def test_of_a_checkpoint_that_does_not_say_the_same_prompts_are_taken_as_the_same_hold_out(
    gold: Path, tiny: str, tmp_path: Path
) -> None:
    older = mf(gold, tmp_path / "older", tiny).path
    before_it_was_kept(older)
    assert weigh(gold, tmp_path / "both", RouterSpec("mf", str(older)), LENGTH).path.is_dir()
    fewer = write_gold(tmp_path / "fewer.jsonl", PROMPTS)
    other = mf(fewer, tmp_path / "other", tiny).path
    before_it_was_kept(other)
    with pytest.raises(UsageError, match=r"from \d+ of the 60 held-out prompts"):
        weigh(gold, tmp_path / "more", RouterSpec("mf", str(other)), LENGTH)


def test_ensembles_and_second_fits_of_before_are_taken_to_have_learned_from_everything(
    gold: Path, tiny: str, tmp_path: Path
) -> None:
    teacher = weigh(gold, tmp_path / "both", LENGTH, RANDOM).path
    before_it_was_kept(teacher)
    request = TrainingRequest(gold=[gold], output=tmp_path / "student")
    student = train_bert(
        request, base=tiny, teachers=[RouterSpec("ensemble", str(teacher))], settings=QUICK
    ).path
    with pytest.raises(UsageError, match="the prompts that its training held out"):
        weigh(gold, tmp_path / "all", RouterSpec("bert", str(student)), LENGTH)
    shipped = RouterSpec("mf", "mf_9")
    with pytest.raises(UsageError, match="mf_9 has learned, or may have"):
        weigh(gold, tmp_path / "all", shipped, LENGTH)
