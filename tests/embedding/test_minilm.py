"""The embedder that is installed, as it is: no other model, no network."""

import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from routectl.embedding import Embedder
from routectl.embedding.noise import SAFETY_FACTOR, embedding_noise
from routectl.routers import open_router
from routectl.routers.mf import MfRouter, sigmoid
from tests.routers.checkpoints import write_mf

TEXTS = [
    "",
    "Hi",
    "What is the capital of Australia?",
    "Write a function that merges two sorted lists, and prove that it ends.",
    "مرحبا، كيف حالك؟",
    "请用一句话解释量子纠缠。",
    "🧮" * 30,
    "one two three four five. " * 40,
    "A long story about a lighthouse keeper. " * 200,
    "日本語の長い文章です。" * 300,
]


def test_vectors_are_those_of_sentence_transformers(minilm: Embedder, peer: Any) -> None:
    expected = peer.encode(TEXTS, normalize_embeddings=True)
    np.testing.assert_allclose(minilm.embed(TEXTS), expected, rtol=0, atol=1e-6)


def test_scores_are_those_of_sentence_transformers_within_the_noise(
    peer: Any, tmp_path: Path
) -> None:
    opened = open_router("mf", checkpoint=write_mf(tmp_path / "mf"))
    router = opened.load()
    assert isinstance(router, MfRouter)
    assert opened.identity.noise < 1e-5
    expected = sigmoid(peer.encode(TEXTS, normalize_embeddings=True) @ router._scoring.direction)
    difference = np.abs(router.strong_win_rates(TEXTS) - expected).max()
    assert difference <= opened.identity.noise


def test_vectors_have_length_one_and_keep_the_order_of_the_texts(minilm: Embedder) -> None:
    vectors = minilm.embed(TEXTS)
    assert vectors.shape == (len(TEXTS), 384)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)
    for row, text in enumerate(TEXTS):
        np.testing.assert_allclose(minilm.embed([text])[0], vectors[row], atol=1e-5)


def test_no_texts_give_no_vectors(minilm: Embedder) -> None:
    assert minilm.embed([]).shape == (0, 384)
    assert minilm.longer_than_read([]).shape == (0,)


def test_a_text_is_embedded_alike_in_every_batch_within_the_noise(minilm: Embedder) -> None:
    noise = embedding_noise(minilm, TEXTS)
    assert 0 < noise < 1e-4
    alone = np.concatenate([minilm.embed([text]) for text in TEXTS])
    together = minilm.embed(TEXTS, token_budget=2048)
    assert np.linalg.norm(alone - together, axis=1).max() <= noise
    assert noise >= SAFETY_FACTOR * np.finfo(np.float32).eps


def test_a_prompt_is_longer_than_read_from_the_255th_word_on(minilm: Embedder) -> None:
    # 256 tokens, less the two that mark beginning and end; "word" is one token.
    texts = [" ".join(["word"] * count) for count in (1, 253, 254, 255, 256, 5000)]
    assert minilm.longer_than_read(texts).tolist() == [False, False, False, True, True, True]


def test_nothing_is_read_behind_the_254th_token(minilm: Embedder) -> None:
    head = " ".join(["word"] * 254)
    vectors = minilm.embed([head, head + " prime numbers", "other " + head])
    np.testing.assert_allclose(vectors[1], vectors[0], atol=1e-6)
    assert np.abs(vectors[2] - vectors[0]).max() > 1e-3


@pytest.mark.parametrize("text", ["word, and another one. " * 45_000, "x" * 1_000_000, " " * 10**6])
def test_a_megabyte_of_text_takes_no_longer_than_a_few_seconds(minilm: Embedder, text: str) -> None:
    start = time.process_time()  # whatever else the machine does
    assert np.isfinite(minilm.embed([text])).all()
    assert time.process_time() - start < 10


def test_what_is_read_does_not_depend_on_where_the_text_is_cut(minilm: Embedder, peer: Any) -> None:
    # Few tokens for many characters, so that the first cut goes through what is read.
    texts = ["antidisestablishmentarianism " * 300, ("a" * 90 + " ") * 400, "\u0301" * 5000 + "end"]
    expected = peer.encode(texts, normalize_embeddings=True)
    np.testing.assert_allclose(minilm.embed(texts), expected, atol=1e-5)


def test_the_default_embedder_loads_without_network_or_slow_imports_and_says_nothing() -> None:
    # A fresh process, because this one has the model in memory.
    code = (
        "import socket\n"
        "def refuse(*a, **k): raise AssertionError('network')\n"
        "socket.socket.connect = refuse; socket.getaddrinfo = refuse\n"
        "from routectl.embedding import open_embedder\n"
        "print(open_embedder().embed(['Hello']).shape)\n"
        "import sys\n"
        "print([m for m in ('transformers', 'sentence_transformers') if m in sys.modules])\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr, done.returncode) == ("(1, 384)\n[]\n", "", 0)
