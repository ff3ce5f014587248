"""Embedders behind an OpenAI-compatible endpoint, against a real server on this machine."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from dataclasses import replace
from email.utils import formatdate

import numpy as np
import pytest

from routectl.embedding import endpoint, open_embedder, remote_host
from routectl.embedding.names import CHARACTERS, parse_remote
from routectl.embedding.noise import embedding_noise
from routectl.embedding.remote import PROBES, RemoteEmbedder
from routectl.endpoint import OPENAI_KEY, Patience, key_for
from routectl.errors import EmbeddingError, UsageError
from tests.embedding.endpoint_server import DIMENSION, Server, changed, embedding, hang_up, stall
from tests.loopback_server import Fault, body, status

TEXTS = [f"text {number} " + "abcdefghij"[number % 10] * (number * 7 % 90) for number in range(300)]
QUICK = Patience(request=60, first_delay=0.02, longest_delay=0.05, attempts=4, total=300)


@pytest.fixture(autouse=True)
def _no_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (endpoint.KEY, OPENAI_KEY):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(endpoint, "PATIENCE", QUICK)


@pytest.fixture
def server() -> Iterator[Server]:
    with Server().started() as running:
        yield running


def opened(server: Server) -> RemoteEmbedder:
    embedder = open_embedder(server.name)
    assert isinstance(embedder, RemoteEmbedder)
    server.requests.clear()
    server.headers.clear()
    return embedder


def expected(texts: list[str]) -> np.ndarray:
    vectors = np.array([embedding(text) for text in texts])
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def test_vectors_have_length_one_and_the_order_of_the_texts(server: Server) -> None:
    embedder = opened(server)
    assert embedder.dimension == DIMENSION
    np.testing.assert_allclose(embedder.embed(TEXTS), expected(TEXTS), atol=1e-6)
    assert embedder.embed([]).shape == (0, DIMENSION)


def test_texts_go_in_few_requests_of_which_a_few_are_under_way_at_once(server: Server) -> None:
    embedder = opened(server)
    server.hold(lambda number: server.most_running >= 2)
    embedder.embed(TEXTS, token_budget=600)
    assert 4 <= len(server.requests) < 30
    assert 2 <= server.most_running <= 4
    server.requests.clear()
    embedder.embed(["short"] * 1000)
    assert sorted(len(request["input"]) for request in server.requests) == [104] + [128] * 7


def test_embeddings_may_come_in_any_order_because_they_are_numbered(server: Server) -> None:
    embedder = opened(server)
    server.always = changed(lambda data: data.reverse())
    np.testing.assert_allclose(embedder.embed(TEXTS), expected(TEXTS), atol=1e-6)


@pytest.mark.parametrize(
    "faults",
    [
        [status(429, Retry_After="0")],
        [status(429), status(500), status(503)],
        [stall],
        [hang_up, status(502)],
        [status(503, Retry_After=formatdate(time.time() - 60, usegmt=True))],
    ],
)
def test_what_passes_is_tried_again(
    server: Server, faults: list[Fault], monkeypatch: pytest.MonkeyPatch
) -> None:
    if stall in faults:
        monkeypatch.setattr(endpoint, "PATIENCE", replace(QUICK, request=2.0))
    embedder = opened(server)
    server.faults = list(faults)
    np.testing.assert_allclose(embedder.embed(TEXTS[:5]), expected(TEXTS[:5]), atol=1e-6)
    assert len(server.requests) == 1 + len(faults)


def test_retry_after_is_waited_for(server: Server) -> None:
    embedder = opened(server)
    server.faults = [status(429, Retry_After="1")]
    started = time.monotonic()
    embedder.embed(["a"])
    assert time.monotonic() - started >= 1


def test_a_wait_beyond_all_patience_is_not_begun(server: Server) -> None:
    embedder = opened(server)
    server.faults = [status(429, Retry_After="3600")]
    started = time.monotonic()
    with pytest.raises(EmbeddingError, match=r"limits the rate, to wait 3600 s .*run it again"):
        embedder.embed(["a"])
    assert time.monotonic() - started < 600


def _set(data: list[dict], row: int, **fields: object) -> None:
    data[row].update(fields)


@pytest.mark.parametrize(
    ("fault", "sentence"),
    [
        (status(401), "wants a key .*set ROUTECTL_EMBEDDING_KEY"),
        (status(403), "wants a key"),
        (status(404), "has no model 'letters'"),
        (status(400), r"refuses the request .*\?characters=N"),
        (status(302, Location="http://127.0.0.1:9/v1"), "redirects .*not followed"),
        (status(418), "HTTP 418"),
        (status(429), r"limits the rate \(HTTP 429, 4 attempts\); what was done is kept"),
        (status(500), r"answers with HTTP 500 \(4 attempts\)"),
        (stall, r"says nothing for 0.2 s \(2 attempts\)"),
        (hang_up, "breaks off its answer"),
        (body(b"<html>"), "no JSON"),
        (body(b"[" * 100_000), "no JSON"),
        (body(b"[]"), "no list of embeddings"),
        (body(b'{"data": null}'), "no list of embeddings"),
        (changed(lambda data: data.pop()), "1 embeddings for 2 texts"),
        (changed(lambda data: _set(data, 1, index=0)), "index is not that of each text once"),
        (changed(lambda data: _set(data, 1, index="1")), "index is not that of each text once"),
        (changed(lambda data: _set(data, 0, embedding=None)), "not lists of as many numbers"),
        (changed(lambda data: _set(data, 0, embedding=["a"] * 24)), "not lists of as many"),
        (changed(lambda data: _set(data, 0, embedding=[1.0])), "not lists of as many numbers"),
        (
            changed(lambda data: [d.update(embedding=[1.0, 2.0]) for d in data]),
            "vectors of 2 numbers instead of 24",
        ),
        (changed(lambda data: _set(data, 0, embedding=[float("nan")] * 24)), "no finite numbers"),
        (changed(lambda data: _set(data, 0, embedding=[0.0] * 24)), "zero or holds values"),
    ],
)
def test_what_does_not_pass_is_one_sentence_without_a_prompt(
    server: Server, fault: Fault, sentence: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    embedder = opened(server)
    server.always = fault
    if fault is stall:
        # Only now: a busy machine may take that long to open it.
        hasty = replace(QUICK, request=0.2, attempts=2)
        monkeypatch.setattr(embedder._endpoint, "_patience", hasty)
    with pytest.raises(EmbeddingError, match=sentence) as raised:
        embedder.embed(["SECRET-PROMPT", "other"])
    assert "SECRET" not in str(raised.value)
    assert f"127.0.0.1:{server.server_address[1]}" in str(raised.value)


def test_a_refused_connection_is_a_sentence() -> None:
    with socket.socket() as deaf:  # it has a port, and does not listen
        deaf.bind(("127.0.0.1", 0))
        port = deaf.getsockname()[1]
        with pytest.raises(EmbeddingError, match=r"reached \(Connection refused\) \(4 attempts"):
            open_embedder(f"openai:http://127.0.0.1:{port}/v1#m")


def test_the_key_comes_from_the_environment_and_is_never_said(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(OPENAI_KEY, "sk-openai")
    assert opened(server) is not None
    open_embedder(server.name)
    assert server.headers[-1]["Authorization"] == "Bearer sk-openai"
    monkeypatch.setenv(endpoint.KEY, "sk-own")
    embedder = opened(server)
    server.always = status(401)
    with pytest.raises(EmbeddingError, match="refuses the key") as raised:
        embedder.embed(["a"])
    assert server.headers[-1]["Authorization"] == "Bearer sk-own"
    assert "sk-own" not in str(raised.value)


@pytest.mark.parametrize("name", [endpoint.KEY, OPENAI_KEY])
def test_no_key_goes_over_plain_http_but_to_this_machine(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv(name, "sk-own")
    for url in ("http://127.0.0.1:8080/v1", "http://localhost/v1", "https://api.openai.com/v1"):
        assert key_for(url, endpoint.SERVICE) == "sk-own"
    for url in ("http://example.org/v1", "http://10.0.0.1/v1", "http://127.0.0.1.evil.org/v1"):
        assert key_for(url, endpoint.SERVICE) is None


def test_a_redirect_gets_neither_the_key_nor_the_texts(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(endpoint.KEY, "sk-own")
    with Server().started() as other:
        for code in (301, 302, 303, 307, 308):
            server.faults = [status(code, Location=f"{other.url}/embeddings")]
            with pytest.raises(EmbeddingError, match="not followed"):
                open_embedder(server.name)
        assert other.requests == []


def test_a_checkpoint_from_anywhere_does_not_get_the_key_for_openai(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(OPENAI_KEY, "sk-openai")
    assert key_for("https://api.openai.com/v1", endpoint.SERVICE) == "sk-openai"
    assert key_for("http://localhost:8080/v1", endpoint.SERVICE) == "sk-openai"
    for url in ("https://example.org/v1", "http://api.openai.com/v1", "https://api.openai.com.x/"):
        assert key_for(url, endpoint.SERVICE) is None


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("openai:http://me:sk-own@host/v1#m", "user or password"),
        ("openai:http://sk-own@host/v1#m", "user or password"),
        ("openai:http://host/v1?key=sk-own#m", r"takes only \?characters=N"),
        ("openai:http://host/v1?characters=0#m", r"takes only \?characters=N"),
        ("openai:http://host/v1", "is named openai:http"),
        ("openai:ftp://host/v1#m", "is named openai:http"),
        ("openai:http://host:99999/v1#m", "its address is none"),
        ("openai:text-embedding-3-small", "is named openai:http"),
    ],
)
def test_an_address_that_is_none_or_holds_a_key_is_refused(name: str, sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence) as raised:
        parse_remote(name)
    assert "sk-own" not in str(raised.value)


def test_the_host_is_known_before_anything_is_sent() -> None:
    assert remote_host("openai:https://api.openai.com/v1#text-embedding-3-small") == (
        "api.openai.com"
    )
    assert remote_host("all-MiniLM-L6-v2") is None


def test_only_the_stated_characters_are_sent_and_an_empty_text_as_a_blank(server: Server) -> None:
    embedder = opened(server)
    texts = ["", "x" * CHARACTERS, "x" * CHARACTERS + "y"]
    assert embedder.longer_than_read(texts).tolist() == [False, False, True]
    vectors = embedder.embed(texts)
    np.testing.assert_array_equal(vectors[1], vectors[2])
    sent = [text for request in server.requests for text in request["input"]]
    assert sorted(map(len, sent)) == [1, CHARACTERS, CHARACTERS]
    short = open_embedder(server.name.replace("#", "?characters=6#"))
    server.requests.clear()
    short.embed(["abcdefghij"])
    assert server.requests[0]["input"] == ["abcdef"]


def test_the_digest_is_over_the_model_and_not_over_its_address() -> None:
    base = parse_remote("openai:http://host/v1#m")
    assert base is not None
    moved = replace(base, name="openai:https://other/v1#m", url="https://other/v1", host="other")
    assert moved.digest(24) == base.digest(24)
    others = [replace(base, model="n").digest(24), replace(base, characters=9).digest(24)]
    assert len({base.digest(24), base.digest(25), *others}) == 4


def test_the_noise_is_what_an_endpoint_says_of_one_text_alone_and_in_company(
    server: Server,
) -> None:
    embedder = opened(server)
    assert embedder.probe is not None
    assert embedder.probe.shape == (len(PROBES), DIMENSION)
    exact = embedding_noise(embedder, TEXTS[:20])
    server.always = changed(
        lambda data: [d["embedding"].__setitem__(0, d["embedding"][0] + len(data)) for d in data]
    )
    assert exact < 1e-5 < 1e-3 < embedding_noise(embedder, TEXTS[:20])
