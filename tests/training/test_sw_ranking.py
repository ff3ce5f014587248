"""Training of `sw_ranking`, on a small embedder and battles whose ratings are known."""

import itertools
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from routectl.errors import CheckpointError, InputError, RouterError
from routectl.routers import open_router
from routectl.training import TrainingReport, TrainingRequest, train_sw_ranking
from tests.training.test_train import prompts

MODELS = [f"model-{letter}" for letter in "abcdefghijkl"]
"""The strongest first."""


def strength(model: str) -> int:
    return -MODELS.index(model)


def battle(prompt: str, a: str, b: str, winner: str) -> str:
    return json.dumps({"prompt": prompt, "model_a": a, "model_b": b, "winner": winner}) + "\n"


@pytest.fixture(scope="module")
def battles(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """On hard prompts the stronger model wins three times of four, on easy ones they tie."""
    path = tmp_path_factory.mktemp("data") / "battles.jsonl"
    made = iter(prompts(660))
    lines = []
    for turn in range(10):
        for a, b in itertools.combinations(MODELS, 2):
            prompt, hard = next(made)
            stronger = "model_a" if strength(a) > strength(b) else "tie"
            upset = "model_b" if turn % 5 == 0 else stronger
            lines.append(battle(prompt, a, b, upset if hard else "tie"))
    path.write_text("".join(lines))
    return path


def train(tiny: str, output: Path, **request: Any) -> TrainingReport:
    return train_sw_ranking(
        TrainingRequest(output=output, **request), embedder=tiny, metric="cosine"
    )


@pytest.fixture(scope="module")
def trained(
    battles: Path, tiny: str, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, TrainingReport]:
    output = tmp_path_factory.mktemp("trained") / "checkpoint"
    report = train(tiny, output, battles=[battles], strong_model="model-a", weak_model="model-i")
    return output, report


def test_twelve_models_are_ten_tiers_in_the_order_of_their_strength(
    trained: tuple[Path, TrainingReport],
) -> None:
    config = json.loads((trained[0] / "config.json").read_bytes())
    tiers = dict(zip(config["models"], config["tiers"], strict=True))
    assert sorted(set(tiers.values())) == list(range(10))
    assert tiers["model-a"] < tiers["model-e"] < tiers["model-l"]
    assert trained[1].notes == ()


def test_hard_prompts_score_higher(trained: tuple[Path, TrainingReport]) -> None:
    router = open_router("sw_ranking", checkpoint=trained[0]).load()
    fresh = prompts(760)[660:]
    rates = router.strong_win_rates([prompt for prompt, _ in fresh])
    hard = np.array([is_hard for _, is_hard in fresh])
    assert rates[hard].mean() > rates[~hard].mean() > 0.5
    assert trained[1].held_out_loss is not None
    assert trained[1].baseline_loss is not None


def test_a_prompt_scores_alike_alone_and_in_a_batch_within_the_noise(
    trained: tuple[Path, TrainingReport],
) -> None:
    router = open_router("sw_ranking", checkpoint=trained[0]).load()
    texts = [prompt for prompt, _ in prompts(40)] + ["?", "x" * 300]
    together = router.strong_win_rates(texts)
    alone = np.concatenate([router.strong_win_rates([text]) for text in texts])
    assert np.abs(together - alone).max() <= router.identity.noise < 1e-3
    assert router.longer_than_read(texts).tolist() == [False] * 41 + [True]


def test_a_swapped_pair_gives_the_complement(trained: tuple[Path, TrainingReport]) -> None:
    swapped = open_router(
        "sw_ranking", checkpoint=trained[0], strong_model="model-i", weak_model="model-a"
    )
    texts = ["abc", "xyz"]
    rates = open_router("sw_ranking", checkpoint=trained[0]).load().strong_win_rates(texts)
    np.testing.assert_allclose(swapped.load().strong_win_rates(texts), 1 - rates, atol=1e-12)


def one_tier(folder: Path) -> list[str]:
    """The models of the largest tier: twelve models and ten tiers leave two or three."""
    config = json.loads((folder / "config.json").read_bytes())
    largest = max(config["tiers"], key=config["tiers"].count)
    return [m for m, t in zip(config["models"], config["tiers"], strict=True) if t == largest]


def test_a_pair_of_one_tier_is_refused_with_its_mates(
    trained: tuple[Path, TrainingReport],
) -> None:
    mates = one_tier(trained[0])
    with pytest.raises(RouterError, match=rf"of one tier.*\({', '.join(mates)}\); choose"):
        open_router("sw_ranking", checkpoint=trained[0], strong_model=mates[0], weak_model=mates[1])


def test_the_checkpoint_holds_no_text_and_half_precision(
    trained: tuple[Path, TrainingReport],
) -> None:
    from safetensors.numpy import load

    data = (trained[0] / "model.safetensors").read_bytes()
    tensors = load(data)
    assert tensors["vectors"].dtype == np.float16
    assert tensors["vectors"].shape == (594, 32)
    written = b"".join(path.read_bytes() for path in trained[0].iterdir())
    assert not any(prompt.encode() in written for prompt, _ in prompts(660))


def test_the_same_data_gives_the_same_bits(
    battles: Path, tiny: str, trained: tuple[Path, TrainingReport], tmp_path: Path
) -> None:
    pair = {"strong_model": "model-a", "weak_model": "model-i"}
    again = train(tiny, tmp_path / "checkpoint", battles=[battles], **pair)
    assert again.fingerprint == trained[1].fingerprint


def few(path: Path, lines: list[str]) -> Path:
    path.write_text("".join(lines))
    return path


def won(a: str, b: str, count: int, winner: str = "model_a") -> list[str]:
    return [battle(f"{a} {b} {winner} {n}", a, b, winner) for n in range(count)]


def test_a_model_that_never_lost_is_named_and_rated_by_a_stated_prior(
    tiny: str, tmp_path: Path
) -> None:
    lines = won("king", "b", 20) + won("b", "c", 20, "tie")
    data = few(tmp_path / "battles.jsonl", lines)
    report = train(tiny, tmp_path / "new", battles=[data])
    assert len(report.notes) == 1
    assert report.notes[0].startswith("king never lost to the other models")
    assert "0.1 ties between each two models were added" in report.notes[0]
    card = (report.path / "README.md").read_text()
    assert report.notes[0] in card
    assert "| prior, ties between each two models | 0.1 |" in card
    rate = open_router("sw_ranking", checkpoint=report.path).load().strong_win_rates(["b"])[0]
    assert 0.5 < rate < 1


def test_a_model_that_never_won_is_named_too(tiny: str, tmp_path: Path) -> None:
    data = few(tmp_path / "b.jsonl", won("a", "pawn", 20) + won("a", "b", 20, "tie"))
    report = train(tiny, tmp_path / "new", battles=[data])
    assert report.notes[0].startswith("pawn never won against the other models")


def test_battles_without_a_tie_train(tiny: str, tmp_path: Path) -> None:
    data = few(tmp_path / "b.jsonl", won("a", "b", 30) + won("a", "b", 10, "model_b"))
    report = train(tiny, tmp_path / "new", battles=[data])
    assert (report.ties, report.notes) == (0, ())


def test_groups_of_models_that_never_met_are_refused_and_named(tiny: str, tmp_path: Path) -> None:
    lines = won("a", "b", 20, "tie") + won("c", "d", 9, "tie") + won("d", "e", 9, "tie")
    data = few(tmp_path / "b.jsonl", lines)
    with pytest.raises(InputError, match="a, b never met the other 3; add battles"):
        train(tiny, tmp_path / "new", battles=[data])


def test_a_default_pair_of_one_tier_is_refused(
    battles: Path, tiny: str, trained: tuple[Path, TrainingReport], tmp_path: Path
) -> None:
    mates = one_tier(trained[0])
    with pytest.raises(RouterError, match="of one tier"):
        train(
            tiny,
            tmp_path / "new",
            battles=[battles],
            strong_model=mates[0],
            weak_model=mates[1],
        )


@pytest.mark.parametrize(
    ("lines", "match"),
    [
        (won("a", "a", 5), "no row compares two models"),
        ([battle("p", "a", "b", "tie")], "only one prompt"),
        ([battle("p", "a", "b", "somebody")], "winner"),
    ],
)
def test_too_little_or_wrong_data_is_one_sentence(
    lines: list[str], match: str, tiny: str, tmp_path: Path
) -> None:
    data = few(tmp_path / "b.jsonl", lines)
    with pytest.raises(InputError, match=match):
        train(tiny, tmp_path / "new", battles=[data])
    assert not (tmp_path / "new").exists()


def damaged(folder: Path, target: Path, config: dict[str, Any], **tensors: Any) -> Path:
    """A copy of a checkpoint with other values in it; None takes a tensor away."""
    from safetensors.numpy import load

    from routectl.checkpoint import write_checkpoint

    told = json.loads((folder / "config.json").read_bytes())
    for key in ("format", "weights_sha256"):
        del told[key]
    found = load((folder / "model.safetensors").read_bytes()) | tensors
    kept = {name: tensor for name, tensor in found.items() if tensor is not None}
    write_checkpoint(target, told | config, kept, "")
    return target


@pytest.mark.parametrize(
    ("config", "tensors", "match"),
    [
        ({"tiers": [0] * 12}, {}, "a tier for each of the 12 models"),
        ({"tiers": [0, 1, 2, 3, 4, 5, 6, 7, 9, 9, 9, 9]}, {}, "none left empty"),
        ({"tiers": ["0"] * 12}, {}, "a tier for each"),
        ({"prior": -1.0}, {}, "cannot be"),
        ({"prompts": 7}, {}, "'vectors' has the shape"),
        ({}, {"vectors": None}, "holds no tensor 'vectors'"),
        ({}, {"strange": np.zeros(3)}, "does not know .'strange'"),
        ({}, {"vectors": np.zeros((594, 32), np.float16)}, "vector is zero"),
        ({}, {"vectors": np.full((594, 32), np.nan, np.float16)}, "not finite"),
        ({}, {"group": np.arange(594, dtype=np.int32)[::-1].copy()}, "'group' must ascend"),
    ],
)
def test_a_damaged_checkpoint_is_one_sentence(
    trained: tuple[Path, TrainingReport],
    tmp_path: Path,
    config: dict[str, Any],
    tensors: dict[str, Any],
    match: str,
) -> None:
    folder = damaged(trained[0], tmp_path / "damaged", config, **tensors)
    with pytest.raises(CheckpointError, match=match):
        open_router("sw_ranking", checkpoint=folder)


def test_counts_without_a_winner_are_refused(
    trained: tuple[Path, TrainingReport], tmp_path: Path
) -> None:
    from safetensors.numpy import load

    counts = load((trained[0] / "model.safetensors").read_bytes())["counts"].copy()
    counts[-1, -10:] = 0
    with pytest.raises(CheckpointError, match="battles without a winner"):
        open_router(
            "sw_ranking", checkpoint=damaged(trained[0], tmp_path / "new", {}, counts=counts)
        )


def test_a_checkpoint_of_another_router_is_refused(trained: tuple[Path, TrainingReport]) -> None:
    with pytest.raises(CheckpointError, match="of the router 'sw_ranking', not of 'mf'"):
        open_router("mf", checkpoint=trained[0])
