"""Checkpoints in RouteLLM's own layout, made small here."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from routectl.errors import CheckpointError, RouterError
from routectl.records import ModelPair
from routectl.routers import open_router
from tests.routers.tiny_llama import PROMPTS, RATING_TOKENS, make_published

MANY = [*PROMPTS, *(f"{word} {n}?" for n in range(20) for word in ("How", "Why"))]


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_published(tmp_path_factory.mktemp("published") / "causal_llm")


@pytest.fixture
def published(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "causal_llm"))


def answered_by_generate(folder: Path, prompts: list[str]) -> tuple[list[float], list[int | None]]:
    """Scores by transformers' own greedy generation, and which token was the first rating."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    ratings = [tokenizer.convert_tokens_to_ids(rating) for rating in RATING_TOKENS]
    rates: list[float] = []
    positions: list[int | None] = []
    for prompt in prompts:
        text = (
            "<|start_header_id|>system<|end_header_id|>\n\nYou judge {hard} questions.<|eot_id|>"
            "<|start_header_id|>user<|end_header_id|>\n\nRate it.\n\nQuestion: "
            f"{prompt}\n\nRating:<|eot_id|>"
        )
        ids = torch.tensor([tokenizer.encode(text)])
        output = model.generate(
            ids,
            max_new_tokens=6,
            do_sample=False,
            output_logits=True,
            return_dict_in_generate=True,
        )
        new = output.sequences[0, ids.shape[1] :].tolist()
        first = next((n for n, token in enumerate(new) if token in ratings), None)
        positions.append(first)
        if first is None:
            rates.append(1.0)
        else:
            shares = torch.softmax(output.logits[first][0, ratings].double(), 0)
            rates.append(float(shares[:3].sum()))
    return rates, positions


def test_scores_are_those_of_greedy_generation_at_its_first_rating(published: Path) -> None:
    expected, positions = answered_by_generate(published, MANY)
    # The sample holds every kind of answer: a rating at once, after other tokens, and none.
    assert {0, None} < set(positions)
    assert any(position for position in positions)
    router = open_router("causal_llm", checkpoint=published).load()
    rates = router.strong_win_rates(MANY)
    np.testing.assert_allclose(rates, expected, atol=1e-5)
    without = [position is None for position in positions]
    assert (rates[without] == 1).all()
    alone = np.concatenate([router.strong_win_rates([prompt]) for prompt in PROMPTS])
    assert np.abs(alone - rates[: len(PROMPTS)]).max() <= router.identity.noise


def test_ratings_that_the_tokenizer_lacks_come_next_to_its_last_token(
    made: Path, tmp_path: Path
) -> None:
    bare = make_published(tmp_path / "bare", ratings_in_tokenizer=False)
    rates, bare_rates = (
        open_router("causal_llm", checkpoint=folder).load().strong_win_rates(MANY)
        for folder in (made, bare)
    )
    assert rates.tolist() == bare_rates.tolist()


def test_it_decides_between_the_published_pair_and_no_other(published: Path) -> None:
    router = open_router("causal_llm", checkpoint=published)
    pair = ModelPair("gpt-4-1106-preview", "Mixtral-8x7B-Instruct-v0.1")
    assert router.identity.model_pair == router.description.default_pair == pair
    assert router.description.slow
    with pytest.raises(RouterError, match="does not know the strong model 'gpt-4o'"):
        open_router("causal_llm", checkpoint=published, strong_model="gpt-4o")


def test_its_texts_are_in_the_fingerprint(published: Path) -> None:
    before = open_router("causal_llm", checkpoint=published).identity.fingerprint
    (published / "system_ft_v5.txt").write_text("Another.")
    assert open_router("causal_llm", checkpoint=published).identity.fingerprint != before


def refused(folder: Path, match: str) -> None:
    with pytest.raises(CheckpointError, match=match) as caught:
        open_router("causal_llm", checkpoint=folder).load()
    assert "\n" not in str(caught.value)


def test_a_pickle_is_refused_with_the_command_that_converts_it(published: Path) -> None:
    (published / "model.safetensors").rename(published / "pytorch_model.bin")
    refused(published, r"pickle \(pytorch_model.bin\), which is never loaded .*save_pretrained")


@pytest.mark.parametrize("name", ["system_ft_v5.txt", "classifier_ft_v5.txt"])
def test_a_missing_text_is_named(published: Path, name: str) -> None:
    (published / name).unlink()
    refused(published, f"{name} cannot be read")


@pytest.mark.parametrize("text", ["no place", "{question} {other}", "{question"])
def test_a_text_without_a_place_for_the_prompt(published: Path, text: str) -> None:
    (published / "classifier_ft_v5.txt").write_text(text)
    refused(published, "has no single place {question}")


def test_a_tokenizer_with_more_tokens_than_the_model(published: Path) -> None:
    path = published / "tokenizer.json"
    tokenizer = json.loads(path.read_bytes())
    for token in tokenizer["added_tokens"][-5:]:
        token["id"] += 100
        tokenizer["model"]["vocab"].setdefault(f"filler {token['id']}", token["id"] - 100)
    for number in range(100):
        tokenizer["model"]["vocab"][f"more {number}"] = len(tokenizer["model"]["vocab"])
    tokenizer["added_tokens"] = tokenizer["added_tokens"][:-5]
    path.write_text(json.dumps(tokenizer))
    refused(published, "does not fit the model")


def test_a_damaged_tokenizer(published: Path) -> None:
    path = published / "tokenizer.json"
    path.write_text(json.dumps(json.loads(path.read_bytes()) | {"model": {"type": "none"}}))
    refused(published, "cannot be read as a tokenizer")
