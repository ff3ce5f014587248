"""What `routectl serve` passes on, to whom, and what it writes of it."""

from __future__ import annotations

import asyncio
import gzip
import json
import resource
import sqlite3
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from routectl.errors import InputError, UsageError
from routectl.proxy import Settings, serve
from tests.conftest import Routectl
from tests.loopback_server import Fault, LoopbackHandler, LoopbackServer, Request
from tests.proxy.in_process import with_app
from tests.proxy.routes import route, write_routes

USAGE = {
    "chat/completions": {"prompt_tokens": 11, "completion_tokens": 7},
    "responses": {"input_tokens": 11, "output_tokens": 7},
    "messages": {"input_tokens": 4, "cache_read_input_tokens": 7, "output_tokens": 7},
}


def events_of(path: str) -> bytes:
    """A stream of the API's own kind, whose events say its tokens."""
    usage = USAGE[path]
    events: list[dict[str, Any]]
    if path == "messages":
        began = {key: count for key, count in usage.items() if key != "output_tokens"}
        events = [
            {"type": "message_start", "message": {"usage": {**began, "output_tokens": 1}}},
            {"type": "message_delta", "usage": {"output_tokens": usage["output_tokens"]}},
        ]
    elif path == "responses":
        events = [{"type": "response.completed", "response": {"usage": usage}}]
    else:
        events = [{"choices": [{"delta": {"content": "a"}}]}, {"choices": [], "usage": usage}]
    return b"".join(b"data: %s\n\n" % json.dumps(event).encode() for event in events)


class Upstream(LoopbackHandler):
    """Answers with the API's usage, whole or as events."""

    server: LoopbackServer

    def respond(self, request: Request, fault: Fault | None) -> None:
        if fault is not None and fault(self, request):
            return
        path = self.path.removeprefix("/v1/")
        if request.get("stream"):
            self.answer(200, events_of(path), content_type="text/event-stream; charset=utf-8")
        else:
            answer = {"model": request["model"], "usage": USAGE[path]}
            self.answer(200, json.dumps(answer).encode(), content_type="application/json")


@pytest.fixture
def upstream() -> Iterator[LoopbackServer]:
    with LoopbackServer(Upstream).started() as server:
        yield server


@pytest.fixture
def other() -> Iterator[LoopbackServer]:
    with LoopbackServer(Upstream).started() as server:
        yield server


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return write_routes(tmp_path / "routes.json", smart=route("0.5"))


SHORT, LONG = "why?", "word " * 2000


def chat(text: str, **more: object) -> dict[str, object]:
    return {"model": "smart", "messages": [{"role": "user", "content": text}], **more}


def rows_of(log: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in log.read_text().splitlines()]


async def post(client: httpx2.AsyncClient, call: str, body: object, **headers: str) -> Any:
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    return await client.post(f"/v1/{call}", json=body, headers=names)


def test_each_model_may_have_an_endpoint_of_its_own_which_gets_its_own_key(
    path: Path, upstream: LoopbackServer, other: LoopbackServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ROUTECTL_UPSTREAM_KEY", "general")
    monkeypatch.setenv("ROUTECTL_UPSTREAM_KEY_LARGE", "of-large")
    third = f"{other.url}/third"

    async def ask(client: httpx2.AsyncClient) -> None:
        for text in (SHORT, LONG):
            assert (await post(client, "chat/completions", chat(text))).status_code == 200

    with_app(path, ask, upstreams=[upstream.url, f"large={other.url}"])
    assert [sent["model"] for sent in upstream.requests] == ["small"]
    assert [sent["model"] for sent in other.requests] == ["large"]
    assert upstream.headers[0]["authorization"] == "Bearer general"
    assert other.headers[0]["authorization"] == "Bearer of-large"

    monkeypatch.delenv("ROUTECTL_UPSTREAM_KEY_LARGE")
    settings = Settings.from_environment(
        upstreams=[upstream.url, f"large={other.url}", f"a=b={upstream.url}", f"third={third}"],
        deadline=None,
        max_body=1,
        max_concurrent=1,
    )
    # Another host does not get the key of the general one; the same host does.
    assert {name: up.key for name, up in settings.upstreams.items()} == {
        "large": None,
        "a=b": "general",
        "third": None,
    }
    assert "general" not in repr(settings)


@pytest.mark.parametrize("stream", [False, True])
def test_the_log_says_what_was_decided_and_what_it_took(
    path: Path, upstream: LoopbackServer, tmp_path: Path, stream: bool
) -> None:
    log = tmp_path / "decisions.jsonl"
    tools = {"tools": [{"type": "function", "function": {"name": "f"}}], "temperature": 0.5}
    turns = [{"role": "user", "content": LONG}]

    async def ask(client: httpx2.AsyncClient) -> list[bytes]:
        named = {"x_session_id": "talk", "x_request_id": "r1"}
        more = {"stream": stream, "user": "anna"}
        answers = [
            await post(client, "chat/completions", chat(SHORT, **more, **tools), **named),
            await post(client, "responses", {"model": "smart", "input": LONG, **more}),
            await post(client, "messages", {"model": "smart", "messages": turns, **more}),
        ]
        assert {answer.status_code for answer in answers} == {200}
        return [answer.content for answer in answers]

    answers = with_app(path, ask, upstreams=[upstream.url], log=log)

    if stream:
        assert answers == [events_of(call) for call in USAGE]
    sent = upstream.requests[0]
    assert {**sent, "model": "smart"} == chat(SHORT, stream=stream, user="anna", **tools)
    rows = rows_of(log)
    assert [(row["call_type"], row["decision"], row["model"]) for row in rows] == [
        ("chat/completions", "weak", "small"),
        ("responses", "strong", "large"),
        ("messages", "strong", "large"),
    ]
    assert {(row["tokens_in"], row["tokens_out"], row["status"]) for row in rows} == {(11, 7, 200)}
    assert {row["end_user"] for row in rows} == {"anna"}
    named = ("conversation", "client_request_id", "tools")
    assert [rows[0][name] for name in named] == ["talk", "r1", 1]
    assert [row["request_id"] for row in rows] == [row["id"] for row in rows]
    assert SHORT not in log.read_text()
    assert "word" not in log.read_text()
    assert log.stat().st_mode & 0o077 == 0


def test_the_log_is_imported_without_a_flag_and_closes_the_loop(
    path: Path, upstream: LoopbackServer, tmp_path: Path, routectl: Routectl, database: Path
) -> None:
    log = tmp_path / "decisions.jsonl"
    texts = [f'{"word " * count}{{"role": "user"}} \ud800' for count in (1, 400, 3000)]

    async def ask(client: httpx2.AsyncClient) -> None:
        for text in texts:
            body = json.dumps(chat(text)).encode()
            assert (await client.post("/v1/chat/completions", content=body)).status_code == 200
        upstream.faults = [lambda handler, _: (handler.answer(500), True)[1]]
        assert (await post(client, "chat/completions", chat("fails"))).status_code == 500
        assert (await post(client, "decide", chat("only decided"))).status_code == 200
        assert (await post(client, "decide", {"model": "smart", "messages": []})).status_code == 200

    with_app(path, ask, upstreams=[upstream.url], log=log, log_prompts=True)

    done = routectl("import", log)
    assert done.code == 0, done.err
    assert routectl("import", log).code == 0  # adds nothing
    with sqlite3.connect(database) as connection:
        connection.row_factory = sqlite3.Row
        stored = connection.execute(
            "SELECT r.*, p.text FROM requests r LEFT JOIN prompts p ON p.id = r.prompt_id "
            "ORDER BY r.id"
        ).fetchall()
    connection.close()
    rows = rows_of(log)
    assert len(stored) == len(rows) == 6
    for row, written in zip(stored, rows, strict=True):
        assert (row["model_group"], row["proxy_route"]) == ("smart", "smart")
        assert row["proxy_decision"] == written["decision"]
        assert row["proxy_score"] == written["score"]
        assert row["proxy_fingerprint"] == written["fingerprint"]
        assert (row["proxy_activation"], row["proxy_model"]) == ("a7", written["model"])
        assert row["proxy_reason"] == written["reason"]
        assert row["proxy_would_be"] == written["would_be"]
        assert row["proxy_would_be_reason"] == written["would_be_reason"]
        assert row["tokens_in"] == written["tokens_in"]
    assert [row["text"] for row in stored[:3]] == [
        text.replace("\ud800", "\ufffd") for text in texts
    ]
    assert [row["status"] for row in stored] == [*["success"] * 3, "failure", None, None]
    assert stored[-1]["exclusion"] == "no_text"


def test_a_log_without_prompts_says_how_to_have_them(
    path: Path, tmp_path: Path, routectl: Routectl, database: Path
) -> None:
    log = tmp_path / "decisions.jsonl"

    async def ask(client: httpx2.AsyncClient) -> None:
        await post(client, "decide", chat(SHORT))

    with_app(path, ask, log=log)

    assert "start `routectl serve` with --log-prompts" in routectl("import", log).err


def test_calls_that_a_client_gives_one_id_stay_as_many_and_long_ids_are_cut(
    path: Path, tmp_path: Path, routectl: Routectl, database: Path
) -> None:
    log = tmp_path / "decisions.jsonl"
    named = {"x_request_id": "r" * 60_000, "x_session_id": "s" * 60_000}

    async def ask(client: httpx2.AsyncClient) -> None:
        for number in range(10):
            body = chat(f"number {number}")
            assert (await post(client, "decide", body, **named)).status_code == 200

    with_app(path, ask, log=log, log_prompts=True)

    assert log.stat().st_size < 10 * 3000
    assert len({row["request_id"] for row in rows_of(log)}) == 10
    assert {len(row["client_request_id"]) for row in rows_of(log)} == {512}
    assert routectl("import", log).code == 0
    with sqlite3.connect(database) as connection:
        (count,) = connection.execute("SELECT COUNT(*) FROM requests").fetchone()
    connection.close()
    assert count == 10


def test_a_log_that_cannot_be_written_fails_no_request(
    path: Path, upstream: LoopbackServer, tmp_path: Path
) -> None:
    log = tmp_path / "folder" / "decisions.jsonl"
    log.parent.mkdir()

    async def ask(client: httpx2.AsyncClient) -> str:
        await post(client, "chat/completions", chat(SHORT))
        log.unlink()
        log.symlink_to(tmp_path / "elsewhere")
        assert (await post(client, "chat/completions", chat(SHORT))).status_code == 200
        return str((await client.get("/metrics")).text)

    metrics = with_app(path, ask, upstreams=[upstream.url], log=log)
    assert "routectl_log_failures_total 1.0" in metrics
    assert not (tmp_path / "elsewhere").exists()


def test_half_a_line_on_a_full_disk_is_counted_and_spoils_no_other(
    path: Path, tmp_path: Path
) -> None:
    log = tmp_path / "decisions.jsonl"
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)

    async def ask(client: httpx2.AsyncClient) -> str:
        await post(client, "decide", chat("first"))
        resource.setrlimit(resource.RLIMIT_FSIZE, (log.stat().st_size + 20, hard))
        try:
            assert (await post(client, "decide", chat("half"))).status_code == 200
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        await post(client, "decide", chat("last"))
        return str((await client.get("/metrics")).text)

    metrics = with_app(path, ask, log=log, log_prompts=True)
    assert "routectl_log_failures_total 1.0" in metrics
    first, half, last = log.read_text().splitlines()
    assert [json.loads(line)["prompt"] for line in (first, last)] == ["first", "last"]
    assert len(half) == 20


def test_time_outs_are_counted_by_the_length_of_the_prompt(path: Path) -> None:
    async def ask(client: httpx2.AsyncClient) -> str:
        for text in (SHORT, SHORT, "x" * 5000, "x" * 20_000):
            await post(client, "decide", chat(text))
        return str((await client.get("/metrics")).text)

    metrics = with_app(path, ask, deadline=-1.0)
    for characters, count in (("250", 2), ("16000", 1), ("more", 1)):
        labels = f'characters="{characters}",outcome="timeout",route="smart"'
        assert f"routectl_prompts_total{{{labels}}} {count}.0" in metrics


def test_a_shadow_counts_what_its_policy_would_have_done(tmp_path: Path) -> None:
    path = write_routes(tmp_path / "routes.json", smart=route("0.5", mode="shadow"))

    async def ask(client: httpx2.AsyncClient) -> str:
        for text in (SHORT, SHORT, LONG):
            await post(client, "decide", chat(text))
        return str((await client.get("/metrics")).text)

    metrics = with_app(path, ask)
    for family, decision, reason, count in (
        ("requests", "strong", "shadow", 3),
        ("policy_decisions", "weak", "threshold", 2),
        ("policy_decisions", "strong", "threshold", 1),
    ):
        labels = f'decision="{decision}",reason="{reason}",route="smart"'
        assert f"routectl_{family}_total{{{labels}}} {count}.0" in metrics


@pytest.mark.parametrize(
    ("status", "sentence", "logged"),
    [
        (999, "answers with 999", "the status 999"),
        (307, "The upstream redirects (307)", "Name in --upstream where it leads to"),
    ],
)
def test_an_answer_that_cannot_be_passed_on_is_a_502_with_a_sentence(
    path: Path,
    upstream: LoopbackServer,
    caplog: pytest.LogCaptureFixture,
    status: int,
    sentence: str,
    logged: str,
) -> None:
    leads_on = {"Location": f"{upstream.url}/elsewhere"}
    upstream.faults = [lambda handler, _: (handler.answer(status, **leads_on), True)[1]]

    async def ask(client: httpx2.AsyncClient) -> httpx2.Response:
        answer = await post(client, "chat/completions", chat(SHORT))
        assert isinstance(answer, httpx2.Response)
        return answer

    answer = with_app(path, ask, upstreams=[upstream.url])
    assert answer.status_code == 502
    assert sentence in answer.json()["error"]["message"]
    assert logged in caplog.text
    assert len(upstream.requests) == 1


def test_a_request_that_does_not_arrive_in_time_is_refused(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("routectl.proxy.app.BODY_SECONDS", 0.01)

    async def never_whole() -> AsyncIterator[bytes]:
        yield b'{"model": '
        await asyncio.Event().wait()

    async def ask(client: httpx2.AsyncClient) -> httpx2.Response:
        return await client.post("/v1/decide", content=never_whole())

    answer = with_app(path, ask)
    assert (answer.status_code, answer.headers["connection"]) == (408, "close")
    assert "did not arrive within" in answer.json()["error"]["message"]


def test_a_path_or_method_that_is_not_there_has_an_error_of_the_same_shape(path: Path) -> None:
    async def ask(client: httpx2.AsyncClient) -> list[httpx2.Response]:
        return [await client.get("/v2/models"), await client.get("/v1/decide")]

    answers = with_app(path, ask)
    assert [answer.status_code for answer in answers] == [404, 405]
    assert answers[1].headers["allow"] == "POST"
    for answer in answers:
        assert answer.json()["error"].keys() == {"message", "type", "param", "code"}


def test_secrets_are_taken_without_the_line_end_of_their_file(
    path: Path, upstream: LoopbackServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ROUTECTL_TOKEN", "of-clients\n")
    monkeypatch.setenv("ROUTECTL_UPSTREAM_KEY", "of-upstream\r\n")

    async def ask(client: httpx2.AsyncClient) -> int:
        answer = await post(
            client, "chat/completions", chat(SHORT), authorization="Bearer of-clients"
        )
        return int(answer.status_code)

    assert with_app(path, ask, upstreams=[upstream.url]) == 200
    assert upstream.headers[0]["authorization"] == "Bearer of-upstream"


def test_headers_of_any_encoding_and_number_are_passed_on(
    path: Path, upstream: LoopbackServer
) -> None:
    sent = [(b"anthropic-beta", b"a"), (b"anthropic-beta", b"b"), (b"x-request-id", b"\xff")]
    arrived: list[tuple[str, str]] = []
    upstream.always = lambda handler, _: bool(arrived.extend(handler.headers.items()))

    async def ask(client: httpx2.AsyncClient) -> int:
        answer = await client.post("/v1/chat/completions", json=chat(SHORT), headers=sent)
        return answer.status_code

    assert with_app(path, ask, upstreams=[upstream.url]) == 200
    assert {(name.decode("latin-1"), value.decode("latin-1")) for name, value in sent} <= {
        (name.lower(), value) for name, value in arrived
    }


def test_a_compressed_request_is_refused_as_what_it_is(path: Path) -> None:
    async def ask(client: httpx2.AsyncClient) -> tuple[int, str]:
        body = gzip.compress(json.dumps(chat(SHORT)).encode())
        encoded = {"content-encoding": "gzip"}
        answer = await client.post("/v1/decide", content=body, headers=encoded)
        return answer.status_code, answer.json()["error"]["message"]

    status, message = with_app(path, ask)
    assert status == 415
    assert "compressed" in message
    assert "send it plain" in message


def test_a_slash_too_many_leads_nowhere_and_not_to_plain_http(path: Path) -> None:
    async def ask(client: httpx2.AsyncClient) -> Any:
        return await client.post("/v1/chat/completions/", json=chat(SHORT))

    answer = with_app(path, ask)
    assert answer.status_code == 404
    assert "location" not in answer.headers


def test_clients_of_messages_send_their_token_in_a_header_of_their_own(
    path: Path, upstream: LoopbackServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ROUTECTL_TOKEN", "of-clients")
    monkeypatch.setenv("ROUTECTL_UPSTREAM_KEY", "of-upstream")
    body = {"model": "smart", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]}

    async def ask(client: httpx2.AsyncClient) -> list[int]:
        return [
            (await post(client, "messages", body, **headers)).status_code
            for headers in (
                {"x_api_key": "of-clients", "anthropic_version": "2023-06-01"},
                {"x_api_key": "wrong"},
                {"authorization": "Basic of-clients"},
                {},
            )
        ]

    assert with_app(path, ask, upstreams=[upstream.url]) == [200, 401, 401, 401]
    (headers,) = ({name.lower(): v for name, v in sent.items()} for sent in upstream.headers)
    assert (headers["x-api-key"], headers["anthropic-version"]) == ("of-upstream", "2023-06-01")
    assert "authorization" not in headers


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"upstreams": ["http://127.0.0.1:1", "http://127.0.0.1:2"]}, "twice for all models"),
        ({"upstreams": ["a=http://127.0.0.1:1", "a=http://127.0.0.1:2"]}, "twice for a"),
        ({"upstreams": ["small=ftp://x"]}, "takes an address such as"),
        ({"upstreams": ["small=https://key@x"]}, "the key goes into ROUTECTL_UPSTREAM_KEY"),
        ({"upstreams": ["small=http://127.0.0.1:1"]}, "no --upstream has the model 'large'"),
        (
            {"upstreams": ["the.mini=http://127.0.0.1:1", "the-mini=http://127.0.0.1:2"]},
            "KEY_THE_MINI is the key of both the.mini and the-mini",
        ),
        ({"upstreams": ["mine=http://127.0.0.1:1"]}, "KEY_MINE holds characters that no header"),
        ({"log_prompts": True}, "--log-prompts says what --log holds"),
        ({"log": Path("routes.json")}, "is an input"),
        ({"log": Path("other.json")}, "does not say that this command wrote all of it"),
        ({"log": Path("missing/log.jsonl")}, "the folder does not exist"),
    ],
)
def test_what_cannot_be_passed_on_or_logged_is_one_sentence_before_anything_starts(
    path: Path, monkeypatch: pytest.MonkeyPatch, given: dict[str, Any], message: str
) -> None:
    monkeypatch.chdir(path.parent)
    monkeypatch.setenv("ROUTECTL_UPSTREAM_KEY_THE_MINI", "secret")
    monkeypatch.setenv("ROUTECTL_UPSTREAM_KEY_MINE", "two\nlines")
    Path("other.json").write_text("{}")
    usual: dict[str, Any] = {"upstreams": [], "deadline": None, "max_body": 9, "max_concurrent": 9}
    with pytest.raises((UsageError, InputError), match=message):
        serve(
            Path("routes.json"),
            Settings.from_environment(**{**usual, **given}),
            host="127.0.0.1",
            port=0,
            on_ready=lambda address: pytest.fail(address),
        )


def test_a_page_in_a_browser_cannot_have_a_call_passed_on(
    path: Path, upstream: LoopbackServer
) -> None:
    """Without being asked it can send forms and plain text alone."""

    async def ask(client: httpx2.AsyncClient) -> list[httpx2.Response]:
        body = json.dumps(chat("why?")).encode()
        client.headers.pop("content-type")
        kinds = ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data", None)
        headers = [{} if kind is None else {"content-type": kind} for kind in kinds]
        sent = [{"content": body, "headers": one} for one in headers]
        return [await client.post("/v1/chat/completions", **one) for one in sent]

    answers = with_app(path, ask, upstreams=[upstream.url])
    assert [answer.status_code for answer in answers] == [415] * 4
    assert "Content-Type: application/json" in answers[0].json()["error"]["message"]
    assert upstream.requests == []
