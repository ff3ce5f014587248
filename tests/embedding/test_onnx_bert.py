"""The light engine: same scores as torch's within each router's noise, and no torch in memory."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from routectl.embedding import classifier, engines
from routectl.embedding.bert import Bert
from routectl.embedding.bert_files import BertSettings, encoder_settings
from routectl.embedding.files import DEFAULT, locate_encoder
from routectl.embedding.onnx_bert import OnnxBert
from routectl.embedding.reading import TokenReader
from routectl.routers import open_router

pytest.importorskip("onnxruntime")
pytest.importorskip("onnx")

ROOT = Path(__file__).parents[2]
ROUTERS = ("mf", "sw_ranking", "bert", "ensemble", "length")


def prompts(count: int) -> list[str]:
    """Of all lengths, from one word to far more than is read."""
    lines = (ROOT / "examples" / "prompts.jsonl").read_text(encoding="utf-8").splitlines()
    texts = [json.loads(line)["prompt"] for line in lines]
    chosen = texts[:: max(1, len(texts) // count)][: count - 2]
    return [*chosen, " ".join(texts)[:9000], "é" * 40 + "字" * 500]


@pytest.fixture(scope="module")
def settings() -> BertSettings:
    return encoder_settings(locate_encoder(DEFAULT))


@pytest.fixture
def torch_engine(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """As where the extra is not installed."""
    classifier._loaded.cache_clear()
    monkeypatch.setattr(engines, "is_installed", lambda: False)
    yield
    classifier._loaded.cache_clear()


def test_both_engines_give_the_same_vectors(settings: BertSettings) -> None:
    ours, theirs = OnnxBert(settings), Bert(settings)
    tokens = TokenReader(ours.tokenizer, settings.max_tokens).read(prompts(12))

    assert ours.pool(tokens) == pytest.approx(theirs.pool(tokens), abs=5e-6)
    assert ours.first(tokens) == pytest.approx(theirs.first(tokens), abs=5e-6)
    assert (ours.vocabulary, ours.dimension) == (theirs.vocabulary, theirs.dimension)


def test_a_text_has_one_vector_alone_and_in_a_batch(settings: BertSettings) -> None:
    bert = OnnxBert(settings)
    tokens = TokenReader(bert.tokenizer, settings.max_tokens).read(["one", "two", "a b c", "three"])

    alone = np.concatenate([bert.pool([ids]) for ids in tokens])

    assert bert.pool(tokens) == pytest.approx(alone, abs=1e-6)


def test_the_engine_that_is_installed_is_taken(settings: BertSettings) -> None:
    assert isinstance(engines.load_bert(settings), OnnxBert)


@pytest.mark.usefixtures("torch_engine")
def test_without_it_torch_is_taken(settings: BertSettings) -> None:
    assert isinstance(engines.load_bert(settings), Bert)


SCORES = """
import json, sys
from routectl.embedding import engines
if sys.argv[1] == "torch":
    engines.is_installed = lambda: False
from routectl.routers import open_router
prompts = json.load(sys.stdin)
opened = open_router(sys.argv[2])
row = [opened.identity.fingerprint, opened.identity.noise,
       opened.load().strong_win_rates(prompts).tolist()]
heavy = [name for name in ("torch", "transformers", "sqlalchemy") if name in sys.modules]
print(json.dumps([row, heavy]))
"""


def scores(engine: str, router: str, texts: list[str]) -> tuple[list[Any], list[str]]:
    """Fingerprint, noise and scores in a process of their own, and the heavy packages there."""
    done = subprocess.run(
        [sys.executable, "-c", SCORES, engine, router],
        input=json.dumps(texts),
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
    )
    row, heavy = json.loads(done.stdout)
    return row, heavy


def middle_of_a_gap(values: NDArray[np.float64]) -> float:
    """A threshold as `calibrate` sets it: between two neighbours near a third of the scores."""
    ordered = np.sort(values)
    near = slice(int(0.6 * len(ordered)), int(0.75 * len(ordered)) + 2)
    widest = np.argmax(np.diff(ordered[near])) + near.start
    return float((ordered[widest] + ordered[widest + 1]) / 2)


@pytest.mark.slow
@pytest.mark.parametrize("router", ROUTERS)
def test_400_prompts_are_decided_alike_by_both_engines(router: str) -> None:
    texts = prompts(400)
    (fingerprint, noise, ours), heavy = scores("onnx", router, texts)
    (same, _, as_torch), _ = scores("torch", router, texts)
    theirs = np.array(as_torch)

    assert fingerprint == same == open_router(router).identity.fingerprint
    assert np.abs(np.array(ours) - theirs).max() <= noise
    threshold = middle_of_a_gap(theirs)
    assert ((np.array(ours) >= threshold) == (theirs >= threshold)).all()
    assert heavy == []
