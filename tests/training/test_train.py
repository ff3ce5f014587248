"""Training, end to end, on a small embedder and data whose answer is known."""

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from routectl.errors import CheckpointError, InputError, RouterError
from routectl.preferences.contamination import SIMILAR, read_benchmark_prompts
from routectl.records import RouterSpec
from routectl.routers import open_router
from routectl.similarity import nearest
from routectl.training import (
    TrainingReport,
    TrainingRequest,
    train_bert,
    train_causal_llm,
    train_ensemble,
    train_length,
    train_mf,
    train_rating_rows,
    train_sw_ranking,
)
from routectl.training.fits.difficulty import DifficultySettings
from routectl.training.progress import Progress, no_progress
from tests.conftest import Routectl

EASY, HARD = "abcabc", "xyz789"


def prompts(count: int) -> list[tuple[str, bool]]:
    """Prompts of two kinds; only the strong model is right on the hard ones."""
    generator = np.random.default_rng(0)
    made = []
    for number in range(count):
        hard = number % 2 == 1
        letters = generator.choice(list(HARD if hard else EASY), size=12)
        made.append((f"{''.join(letters)}{number}", hard))
    return made


def write_gold(path: Path) -> Path:
    """Three models' marks of 300 such prompts, and one that two of them fail."""
    rows = [
        {"prompt": prompt, "scores": {"strong": 1, "middle": int(not hard), "weak": int(not hard)}}
        for prompt, hard in prompts(300)
    ]
    rows.append({"prompt": "both fail", "scores": {"middle": 1, "weak": 0}})
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def train(
    *,
    embedder: str | None = None,
    settings: DifficultySettings | None = None,
    on_progress: Progress = no_progress,
    **request: Any,
) -> TrainingReport:
    return train_mf(
        TrainingRequest(**request), embedder=embedder, settings=settings, on_progress=on_progress
    )


@pytest.fixture(scope="module")
def gold(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_gold(tmp_path_factory.mktemp("data") / "gold.jsonl")


@pytest.fixture(scope="module")
def trained(gold: Path, tiny: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("trained") / "checkpoint"
    settings = DifficultySettings(precision=1)
    train(gold=[gold], output=output, embedder=tiny, weak_model="weak", settings=settings)
    return output


def test_the_trained_router_sends_the_hard_prompts_to_the_strong_model(trained: Path) -> None:
    router = open_router("mf", checkpoint=trained).load()
    fresh = prompts(400)[300:]
    rates = router.strong_win_rates([prompt for prompt, _ in fresh])
    hard = np.array([is_hard for _, is_hard in fresh])
    # Half a win where both are right, a whole one where only the strong model is.
    assert rates[hard].min() > rates[~hard].max()
    assert abs(rates[~hard].mean() - 0.5) < 0.15
    assert rates[hard].mean() > 0.8


def test_the_same_seed_gives_the_same_bits_and_another_does_not(
    gold: Path, tiny: str, tmp_path: Path
) -> None:
    weights = []
    for number, seed in enumerate((0, 0, 1)):
        report = train(
            gold=[gold],
            output=tmp_path / str(number),
            embedder=tiny,
            seed=seed,
        )
        weights.append((report.path / "model.safetensors").read_bytes())
    assert weights[0] == weights[1]
    assert weights[0] != weights[2]


def test_the_report_says_what_was_learned_from_what(gold: Path, tiny: str, tmp_path: Path) -> None:
    phases: list[tuple[str, int, int]] = []
    report = train(
        gold=[gold],
        output=tmp_path / "checkpoint",
        embedder=tiny,
        on_progress=lambda *now: phases.append(now),
    )
    assert (report.gold, report.battles, report.models) == (301, 0, ("middle", "strong", "weak"))
    # Three comparisons of each of 300 prompts, all ties on the easy ones and one on the hard ones;
    # and one row of two models.
    assert (report.comparisons, report.ties, report.prompts) == (901, 600, 301)
    assert report.held_out_prompts == 30
    assert report.held_out_loss is not None
    assert report.baseline_loss is not None
    assert report.default_pair is not None
    assert report.default_pair.strong == "strong"
    assert report.fingerprint == open_router("mf", checkpoint=report.path).identity.fingerprint
    assert list(dict.fromkeys(phase for phase, _, _ in phases)) == [
        "read",
        "embed",
        "train",
    ]
    assert all(0 <= done <= total for _, done, total in phases)


def test_held_out_figures_beat_what_ratings_alone_know(
    gold: Path, tiny: str, tmp_path: Path
) -> None:
    report = train(
        gold=[gold],
        output=tmp_path / "new",
        embedder=tiny,
        weak_model="weak",
        settings=DifficultySettings(precision=1),
    )
    assert report.held_out_loss is not None
    assert report.baseline_loss is not None
    assert report.held_out_loss < report.baseline_loss
    assert report.metrics["apgr"] > 0.7
    assert report.metrics["apgr_low"] <= report.metrics["apgr"] <= report.metrics["apgr_high"]


def test_battles_train_too(tiny: str, tmp_path: Path) -> None:
    path = tmp_path / "battles.csv"
    lines = [
        f"{prompt},strong,weak,{'model_a' if hard else 'tie'}" for prompt, hard in prompts(120)
    ]
    path.write_text("\n".join(["prompt,model_a,model_b,winner", *lines]))
    report = train(battles=[path], output=tmp_path / "checkpoint", embedder=tiny)
    assert (report.battles, report.ties) == (120, 60)
    rates = open_router("mf", checkpoint=report.path).load().strong_win_rates([EASY * 2, HARD * 2])
    assert rates[0] < rates[1]


def test_a_prompt_of_a_benchmark_is_not_learned_from(gold: Path, tiny: str, tmp_path: Path) -> None:
    benchmark = tmp_path / "benchmark.csv"
    benchmark.write_text("prompt,big\nboth fail,1\n")
    report = train(
        gold=[gold],
        output=tmp_path / "checkpoint",
        embedder=tiny,
        benchmarks=[benchmark],
        weak_model="weak",
    )
    assert report.similar_prompts >= 1
    assert report.prompts == 301 - report.similar_prompts


def test_the_card_states_data_settings_figures_and_limits(gold: Path, trained: Path) -> None:
    card = (trained / "README.md").read_text()
    for part in (gold.name, "strong / weak", "## How good", "## Limits", "seed", "not stated"):
        assert part in card
    for prompt, _ in prompts(300):
        assert prompt not in card


@pytest.mark.parametrize(
    ("text", "options", "error", "match"),
    [
        ("prompt,a,b\nx,1,\n", {}, InputError, "no row compares two models"),
        ("prompt,a,b\nx,1,0\n", {}, InputError, "only one prompt"),
        ("prompt,a,b\nx,1,0\ny,0,1\n", {"strong_model": "c"}, RouterError, "not know the strong"),
        (
            "prompt,a,b\nx,1,0\ny,0,1\n",
            {"strong_model": "a", "weak_model": "a"},
            RouterError,
            "both the strong and the weak",
        ),
    ],
)
def test_too_little_to_learn_from_is_a_sentence_and_leaves_nothing(
    tmp_path: Path, text: str, options: dict[str, object], error: type[Exception], match: str
) -> None:
    path = tmp_path / "gold.csv"
    path.write_text(text)
    with pytest.raises(error, match=match):
        train(gold=[path], output=tmp_path / "new", **options)
    assert [entry.name for entry in tmp_path.iterdir()] == ["gold.csv"]


GONE = RouterSpec("mf", "/gone")

TRAININGS: dict[str, Callable[[TrainingRequest], TrainingReport]] = {
    "mf": train_mf,
    "sw_ranking": train_sw_ranking,
    "bert": partial(train_bert, teachers=[GONE]),
    "causal_llm": partial(train_causal_llm, base=Path("/gone")),
    "causal_llm's ratings": partial(train_rating_rows, adapter=Path("/gone")),
    "ensemble": partial(train_ensemble, members=[GONE, RouterSpec("length")]),
    "length": train_length,
}
"""Each with all else that it opens missing."""


@pytest.mark.parametrize("training", TRAININGS)
def test_an_output_that_holds_something_is_refused_before_any_work(
    tmp_path: Path, training: str
) -> None:
    (tmp_path / "mine").touch()
    request = TrainingRequest(gold=[tmp_path / "gone.csv"], output=tmp_path)
    with pytest.raises(CheckpointError, match="is there already"):
        TRAININGS[training](request)


def test_length_learns_the_lengths_of_the_prompts_and_no_text(gold: Path, tmp_path: Path) -> None:
    report = train_length(TrainingRequest(gold=[gold], output=tmp_path / "lengths"))
    router = open_router("length", checkpoint=report.path)
    assert router.identity.fingerprint == report.fingerprint
    rates = router.load().strong_win_rates(["a", "a" * 14, "a" * 500])
    assert rates[0] < 0.01 < rates[1] < 0.98 < rates[2]


def test_rows_are_similar_from_a_cosine_of_95_hundredths_on() -> None:
    angles = np.arccos([1.0, 0.951, 0.949, 0.0])
    vectors = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    others = np.array([[0.0, -1.0], [1.0, 0.0]], dtype=np.float32)
    assert (nearest(vectors, others).cosine >= SIMILAR).tolist() == [True, True, False, False]


def test_a_benchmark_is_read_by_its_prompts_or_first_turns(tmp_path: Path) -> None:
    path = tmp_path / "benchmark.jsonl"
    path.write_text('{"turns": ["first", "second"]}\n')
    assert read_benchmark_prompts(path) == ["first"]
    path.write_text('{"text": "first"}\n')
    with pytest.raises(InputError, match="neither a column prompt nor turns"):
        read_benchmark_prompts(path)


def test_own_labels_can_count_more_than_a_public_set(
    gold: Path, tiny: str, tmp_path: Path, routectl: Routectl
) -> None:
    # Own labels say the opposite of the public ones: the weak model fails the easy letters.
    own = tmp_path / "own.csv"
    lines = [f"own{prompt},1,{int(hard)}" for prompt, hard in prompts(60)]
    own.write_text("\n".join(["prompt,strong,weak", *lines]))
    fresh = prompts(400)[300:]
    hard = np.array([is_hard for _, is_hard in fresh])
    ahead = {}
    for weight in ("1", "100"):
        output = tmp_path / weight
        arguments = ("train", "mf", "--embedder", tiny, "--precision", "1")
        files = ("--gold", str(gold), str(own), "--weight", f"{own}={weight}", "-o", str(output))
        done = routectl(*arguments, *files, "--weak-model", "weak")
        assert done.code == 0, done.err
        rates = open_router("mf", checkpoint=output).load().strong_win_rates([p for p, _ in fresh])
        ahead[weight] = rates[hard].mean() - rates[~hard].mean()
        assert f"| `own.csv` | {weight} | `" in (output / "README.md").read_text()
    assert ahead["1"] > 0 > ahead["100"]


@pytest.mark.parametrize(
    ("weight", "sentence"),
    [
        ("own.csv", "must be FILE=NUMBER with a number above 0"),
        ("own.csv=0", "must be FILE=NUMBER with a number above 0"),
        ("own.csv=inf", "must be FILE=NUMBER with a number above 0"),
        ("own.csv=many", "must be FILE=NUMBER with a number above 0"),
        ("other.csv=2", "is of a file that neither --battles nor --gold names"),
    ],
)
def test_a_weight_that_means_nothing_is_a_sentence(
    weight: str, sentence: str, gold: Path, tmp_path: Path, routectl: Routectl
) -> None:
    output = tmp_path / "out"
    done = routectl("train", "mf", "--gold", str(gold), "-o", str(output), "--weight", weight)
    assert done.code == 2
    assert sentence in done.err
    assert not output.exists()


def test_two_weights_for_one_file_are_a_sentence(
    gold: Path, tmp_path: Path, routectl: Routectl
) -> None:
    weights = ("--weight", f"{gold}=2", "--weight", f"{gold}=3")
    done = routectl("train", "mf", "--gold", gold, *weights, "-o", tmp_path / "out")
    assert done.code == 2
    assert "twice; give each file one weight" in " ".join(done.err.split())
    assert not (tmp_path / "out").exists()
