"""Training, end to end, on a small embedder and data whose answer is known."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from routectl.errors import CheckpointError, InputError, RouterError
from routectl.routers import open_router
from routectl.routers.checkpoint import read_checkpoint, read_weights
from routectl.similarity import nearest
from routectl.training import TrainingReport, TrainingRequest, train_length, train_mf
from routectl.training.contamination import SIMILAR, read_benchmark_prompts
from routectl.training.difficulty import DifficultySettings
from routectl.training.factorize import Settings
from routectl.training.report import Progress, no_progress
from tests.conftest import Routectl
from tests.routers.tiny_llama import make_base

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


def train(
    *,
    embedder: str | None = None,
    settings: Settings | None = None,
    on_progress: Progress = no_progress,
    **request: Any,
) -> TrainingReport:
    return train_mf(
        TrainingRequest(**request), embedder=embedder, settings=settings, on_progress=on_progress
    )


@pytest.fixture(scope="module")
def gold(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("data") / "gold.jsonl"
    rows = [
        {"prompt": prompt, "scores": {"strong": 1, "middle": int(not hard), "weak": int(not hard)}}
        for prompt, hard in prompts(300)
    ]
    rows.append({"prompt": "both fail", "scores": {"middle": 1, "weak": 0}})
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.fixture(scope="module")
def trained(gold: Path, tiny: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("trained") / "checkpoint"
    train(gold=[gold], output=output, embedder=tiny, weak_model="weak")
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
            settings=Settings(max_epochs=5),
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
        drop_ties=True,
        on_progress=lambda *now: phases.append(now),
    )
    assert (report.gold, report.battles, report.models) == (301, 0, ("middle", "strong", "weak"))
    # 150 hard prompts on which the strong model beats two, and one row of its own.
    assert (report.comparisons, report.ties, report.prompts) == (301, 0, 151)
    assert report.held_out_prompts == 15
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
    report = train(gold=[gold], output=tmp_path / "new", embedder=tiny, weak_model="weak")
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
        ("prompt,a,b\nx,1,1\ny,0,0\n", {"drop_ties": True}, InputError, "every comparison is a t"),
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


def test_an_output_that_holds_something_is_refused_before_any_work(
    gold: Path, tmp_path: Path
) -> None:
    (tmp_path / "mine").touch()
    with pytest.raises(CheckpointError, match="is there already"):
        train(gold=[gold], output=tmp_path)


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


def test_the_fit_of_one_difficulty_makes_a_checkpoint_like_any_other(
    gold: Path, tiny: str, tmp_path: Path
) -> None:
    report = train_mf(
        TrainingRequest(output=tmp_path / "one", gold=[gold], weak_model="weak"),
        embedder=tiny,
        settings=DifficultySettings(precision=1),
    )
    router = open_router("mf", checkpoint=report.path)
    assert router.identity.fingerprint == report.fingerprint
    fresh = prompts(400)[300:]
    rates = router.load().strong_win_rates([prompt for prompt, _ in fresh])
    hard = np.array([is_hard for _, is_hard in fresh])
    assert rates[hard].min() > rates[~hard].max()
    card = (report.path / "README.md").read_text()
    assert "steps to convergence" in card
    assert "stopped early" not in card
    assert "one difficulty" in card


def test_the_length_of_a_question_can_be_learned_beside_the_vector(
    tiny: str, tmp_path: Path
) -> None:
    # Hard is what is long, and the embedder reads the beginning alone.
    start = " ".join(["word"] * 300)
    rows = [
        {
            "prompt": f"{start} {number}" + " more" * (40 * (number % 2)),
            "scores": {"strong": 1, "weak": 1 - number % 2},
        }
        for number in range(60)
    ]
    path = tmp_path / "gold.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    for settings in (Settings(), DifficultySettings(precision=1)):
        report = train_mf(
            TrainingRequest(output=tmp_path / type(settings).__name__, gold=[path]),
            embedder=tiny,
            settings=settings,
            question_length=True,
        )
        router = open_router("mf", checkpoint=report.path).load()
        long, short = router.strong_win_rates([start + " more" * 40, start])
        assert long > short + 0.1
        card = (report.path / "README.md").read_text()
        assert "the length of the whole question" in card
        assert "| question_length | True |" in card


@pytest.fixture
def hidden(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The hidden states of a model of a few kilobytes, as an embedder's name."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return f"hidden:{make_base(tmp_path / 'base')}"


def test_mf_learns_from_hidden_states_which_it_standardises(
    gold: Path, hidden: str, tmp_path: Path
) -> None:
    output = tmp_path / "hard"
    report = train_mf(
        TrainingRequest(gold=[gold], output=output, weak_model="weak"),
        embedder=hidden,
        settings=DifficultySettings(precision=1),
    )
    assert report.held_out_loss is not None
    assert report.baseline_loss is not None
    assert report.held_out_loss < report.baseline_loss
    opened = open_router("mf", checkpoint=output)
    assert opened.description.slow
    scores = opened.load().strong_win_rates([text for text, _ in prompts(300)])
    hard = np.array([hard for _, hard in prompts(300)])
    assert scores[hard].mean() > scores[~hard].mean() + 0.1
    # The noise is that along what was learned, which is little of the vectors' own.
    texts = [text for text, _ in prompts(60)]
    router = opened.load()
    together = router.strong_win_rates(texts)
    alone = []
    for text in texts:
        router.strong_win_rates([f"between {text}"])  # of the last batch the vectors are remembered
        alone.append(router.strong_win_rates([text])[0])
    assert np.abs(together - np.array(alone)).max() <= opened.identity.noise < 1e-4
    # Each number counts by how it varies: the direction is in units of the standardised ones.
    tensors, _ = read_weights(read_checkpoint(output, "mf"))
    assert tensors["centre"].shape == tensors["spread"].shape == (96,)
    assert "standardised over the prompts of the training" in (output / "README.md").read_text()


def test_what_resembles_a_benchmark_is_found_by_the_installed_embedder_where_cosines_say_nothing(
    gold: Path, hidden: str, tmp_path: Path
) -> None:
    judged = tmp_path / "judged.jsonl"
    judged.write_text(json.dumps({"prompt": prompts(300)[0][0]}) + "\n")
    report = train_mf(
        TrainingRequest(
            gold=[gold], benchmarks=[judged], output=tmp_path / "hard", weak_model="weak"
        ),
        embedder=hidden,
        settings=DifficultySettings(),
    )
    assert 1 <= report.similar_prompts < 30


def test_how_strongly_the_fit_is_held_back_can_be_said(
    routectl: Routectl, gold: Path, tiny: str, tmp_path: Path
) -> None:
    train = ("train", "mf", "--gold", gold, "--embedder", tiny, "--weak-model", "weak")
    refused = routectl(*train, "--precision", "3", "--output", tmp_path / "no")
    assert refused.code == 2
    assert "--precision belongs to --fit difficulty" in refused.err
    spread = []
    for precision in ("1", "1000"):
        output = tmp_path / precision
        done = routectl(*train, "--fit", "difficulty", "--precision", precision, "--output", output)
        assert done.code == 0, done.err
        assert f"| precision | {float(precision)} |" in (output / "README.md").read_text()
        router = open_router("mf", checkpoint=output).load()
        spread.append(float(np.ptp(router.strong_win_rates([text for text, _ in prompts(100)]))))
    assert spread[0] > 2 * spread[1], "held back more, it believes the labels less"


def test_mf_learns_kinds_of_prompts_beside_what_is_hard(
    routectl: Routectl, gold: Path, tiny: str, tmp_path: Path
) -> None:
    output = tmp_path / "kinds"
    train = ("train", "mf", "--gold", gold, "--weak-model", "weak", "--embedder", tiny)
    options = ("--fit", "difficulty", "--precision", "10", "--question-length", "--kinds", "2")
    done = routectl(*train, *options, "--output", output)
    assert done.code == 0, done.err
    opened = open_router("mf", checkpoint=output)
    router = opened.load()
    fresh = prompts(400)[300:]
    hard = np.array([is_hard for _, is_hard in fresh])
    rates = router.strong_win_rates([text for text, _ in fresh])
    assert rates[hard].mean() > rates[~hard].mean() + 0.1
    alone = []
    for text, _ in fresh:
        router.strong_win_rates([f"between {text}"])  # of the last batch the vectors are remembered
        alone.append(router.strong_win_rates([text])[0])
    assert np.abs(rates - np.array(alone)).max() <= opened.identity.noise < 1e-4
    card = (output / "README.md").read_text()
    assert "the direction differ near each of 2 kinds" in " ".join(card.split())
    assert "| kinds | 2 |" in card


def test_kinds_that_cannot_be_found_are_a_sentence(
    routectl: Routectl, gold: Path, tiny: str, hidden: str, tmp_path: Path
) -> None:
    base = ("train", "mf", "--gold", gold, "--weak-model", "weak", "--output")
    for number, (options, code, sentence) in enumerate(
        (
            (("--embedder", tiny, "--kinds", "2"), 2, "--kinds belongs to --fit difficulty"),
            (
                ("--embedder", tiny, "--fit", "difficulty", "--kinds", "0"),
                2,
                "0 is not in the range",
            ),
            (("--embedder", tiny, "--fit", "difficulty", "--kinds", "999"), 1, "ask for fewer"),
            (("--embedder", hidden, "--fit", "difficulty", "--kinds", "2"), 2, "has none; write"),
        )
    ):
        done = routectl(*base, tmp_path / f"no{number}", *options)
        assert done.code == code, done.err
        assert sentence in " ".join(done.err.split())
        assert not (tmp_path / f"no{number}").exists()


def test_a_second_fit_learns_from_the_held_out_prompts_too(
    routectl: Routectl, gold: Path, tiny: str, tmp_path: Path
) -> None:
    train = ("train", "mf", "--gold", gold, "--weak-model", "weak", "--embedder", tiny)
    refused = routectl(*train, "--refit", "--output", tmp_path / "no")
    assert refused.code == 2
    assert "--refit belongs to --fit difficulty" in refused.err
    fit = (*train, "--fit", "difficulty", "--precision", "1")
    first = routectl(*fit, "--output", tmp_path / "first")
    second = routectl(*fit, "--refit", "--output", tmp_path / "second")
    assert (first.code, second.code) == (0, 0), second.err
    rates = [
        open_router("mf", checkpoint=tmp_path / name).load().strong_win_rates(["xyz", "abc"])
        for name in ("first", "second")
    ]
    assert (rates[0] != rates[1]).all()
    loss = [line for line in first.out.splitlines() if "held-out loss" in line]
    assert loss == [line for line in second.out.splitlines() if "held-out loss" in line]
    card = (tmp_path / "second" / "README.md").read_text()
    assert "are of a second one, which has learned from them, too" in " ".join(card.split())
    assert "| refit | True |" in card


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
        arguments = ("train", "mf", "--embedder", tiny, "--fit", "difficulty", "--precision", "1")
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


def test_ranking_by_cosine_refuses_vectors_whose_cosines_say_nothing(
    routectl: Routectl, gold: Path, hidden: str, tmp_path: Path
) -> None:
    train = ("train", "sw_ranking", "--gold", gold, "--embedder", hidden)
    refused = routectl(*train, "--output", tmp_path / "no")
    assert refused.code == 2
    assert "sw_ranking weighs battles by cosine" in refused.err
