"""`routectl serve` and `routectl decide`: real processes, a real upstream on loopback."""

from __future__ import annotations

import asyncio
import http.client
import json
import os
import resource
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from routectl.policy import decide
from routectl.proxy.serving import _listening
from routectl.routers import open_router
from tests.loopback_server import Fault, LoopbackHandler, LoopbackServer, Request
from tests.proxy.routes import route, write_routes

for package in ("starlette", "uvicorn", "httpx2", "prometheus_client"):
    pytest.importorskip(package)

ROOT = Path(__file__).parents[2]
EVENTS = b'data: {"choices":[{"delta":{"content":"a"}}]}\n\ndata: [DONE]\n\n'


class Upstream(LoopbackHandler):
    """Answers with the model's name, or with a stream of two events."""

    server: LoopbackServer

    def respond(self, request: Request, fault: Fault | None) -> None:
        if fault is not None and fault(self, request):
            return
        if request.get("stream"):
            self.answer(200, EVENTS, content_type="text/event-stream")
        else:
            self.answer(200, json.dumps({"model": request["model"]}).encode())


@pytest.fixture
def upstream() -> Iterator[LoopbackServer]:
    with LoopbackServer(Upstream).started() as server:
        yield server


def lower(headers: dict[str, str]) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}


AS_JSON = {"Content-Type": "application/json"}


def environment(**more: str) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", **more}


class Served:
    """A server that runs, and a client of it."""

    printed = ""
    """What it said on standard error after it had started, once it has ended."""

    def __init__(self, address: str, token: str | None) -> None:
        self._host = address.removeprefix("http://")
        self._headers = dict(AS_JSON)
        if token is not None:
            self._headers["Authorization"] = f"Bearer {token}"

    def ask(
        self, method: str, path: str, body: bytes | None = None, **headers: str
    ) -> tuple[int, bytes, dict[str, str]]:
        connection = http.client.HTTPConnection(self._host, timeout=60)
        try:
            connection.request(method, path, body, {**self._headers, **headers})
            answer = connection.getresponse()
            return answer.status, answer.read(), dict(answer.getheaders())
        finally:
            connection.close()

    def post(self, path: str, body: object) -> tuple[int, Any]:
        status, answer, _ = self.ask("POST", path, json.dumps(body).encode())
        return status, json.loads(answer)


@contextmanager
def serving(path: Path, *arguments: str, **environ: str) -> Iterator[Served]:
    command = [sys.executable, "-m", "routectl", "serve", "--routes", path, "--port", "0"]
    # On a busy machine a score can take longer than the deadline that people have.
    command += ["--deadline", "60"]
    process = subprocess.Popen(
        [*command, *arguments],
        stderr=subprocess.PIPE,
        text=True,
        cwd=path.parent,
        env=environment(**environ),
    )
    assert process.stderr is not None
    try:
        for line in process.stderr:
            if "serves http" in line:
                address = line.strip().removesuffix(".").rpartition(" ")[2]
                served = Served(address, environ.get("ROUTECTL_TOKEN"))
                yield served
                process.terminate()
                served.printed = process.stderr.read()
                break
        else:
            pytest.fail(f"it ended with {process.wait()}")
    finally:
        process.terminate()
        process.wait(timeout=30)
        process.stderr.close()


def chat(text: str, **more: object) -> dict[str, object]:
    return {"model": "smart", "messages": [{"role": "user", "content": text}], **more}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return write_routes(tmp_path / "routes.json", smart=route("0.5"))


def test_each_request_goes_to_the_model_that_its_score_says(
    path: Path, upstream: LoopbackServer
) -> None:
    texts = ["word " * number for number in (1, 3, 10, 100, 300, 1000)]
    stored = open_router("length").load().strong_win_rates(texts)
    models = decide(route("0.5").policy, stored).name.tolist()
    tools = {"tools": [{"type": "function", "function": {"name": "f"}}], "temperature": 0.5}

    with serving(
        path,
        *("--upstream", f"{upstream.url}"),
        ROUTECTL_TOKEN="of-clients",
        ROUTECTL_UPSTREAM_KEY="of-upstream",
    ) as server:
        answers = [server.post("/v1/chat/completions", chat(text, **tools)) for text in texts]
        decisions = [server.post("/v1/decide", chat(text)) for text in texts]
        _, metrics, _ = server.ask("GET", "/metrics")

    assert answers == [(200, {"model": model}) for model in models]
    assert {"small", "large"} == set(models)
    assert [sent["model"] for sent in upstream.requests] == models
    assert all(sent["tools"] == tools["tools"] for sent in upstream.requests)
    keys = {sent.get("authorization") for sent in map(lower, upstream.headers)}
    assert keys == {"Bearer of-upstream"}
    assert [(d["model"], d["score"]) for _, d in decisions] == list(
        zip(models, stored.tolist(), strict=True)
    )
    count = 2 * models.count("large")
    label = b'routectl_requests_total{decision="strong",reason="threshold",route="smart"}'
    assert label + f" {count}.0".encode() in metrics


def test_a_stream_is_passed_on_as_it_is(path: Path, upstream: LoopbackServer) -> None:
    with serving(path, "--upstream", upstream.url) as server:
        body = json.dumps(chat("hi", stream=True)).encode()
        status, answer, headers = server.ask("POST", "/v1/chat/completions", body)

    assert (status, answer, headers["content-type"]) == (200, EVENTS, "text/event-stream")


def test_a_client_that_goes_away_ends_the_call_of_its_model_and_is_logged(
    path: Path, upstream: LoopbackServer
) -> None:
    def begin_and_wait(handler: LoopbackHandler, _: object) -> bool:
        handler.hang_up_after(b"data: {}\n\n")
        handler.wfile.flush()
        return handler.wait_for_the_client_to_go()

    upstream.faults = [begin_and_wait]
    log = path.with_name("decisions.jsonl")
    with serving(path, "--upstream", upstream.url, "--log", str(log)) as server:
        connection = http.client.HTTPConnection(server._host, timeout=60)
        connection.request(
            "POST", "/v1/chat/completions", json.dumps(chat("hi", stream=True)), AS_JSON
        )
        assert connection.getresponse().read(4) == b"data"
        connection.close()
        # The upstream sees its own client go.
        upstream.let_go()

    (line,) = log.read_text().splitlines()
    assert json.loads(line)["route"] == "smart"


def test_bad_requests_get_a_clear_answer_and_the_server_stays(
    path: Path, upstream: LoopbackServer
) -> None:
    deep = b'{"model": "smart", "messages": ' + b"[" * 100_000
    bodies: list[tuple[bytes, int]] = [
        (b"", 400),
        (b"{", 400),
        (b"[1]", 400),
        (b"\xff\xfe", 400),
        (deep, 400),
        (b"{}", 400),
        (b'{"model": 7}', 400),
        (b'{"model": "router-../../x-0.5"}', 404),
        (b'{"model": "router-mf-nan", "messages": []}', 404),
        (b'{"model": "smart", "messages": "' + b"x" * 2000 + b'"}', 413),
        (b'{"model": "smart", "n": NaN, "messages": []}', 400),
        (b'{"model": "smart"}', 200),
        (b'{"model": "smart", "messages": {"role": 1}}', 200),
        (rb'{"model": "smart", "messages": [{"role": "user", "content": "\ud800"}]}', 200),
    ]
    with serving(path, "--upstream", upstream.url, "--max-body", "1000") as server:
        deep_limit = 413  # it is longer than this server takes
        for body, status in bodies:
            got, answer, _ = server.ask("POST", "/v1/chat/completions", body)
            assert got == (deep_limit if body is deep else status), body[:60]
            if got != 200:
                assert json.loads(answer)["error"]["message"]
        assert server.ask("GET", "/health")[0] == 200


def test_without_its_token_a_client_gets_nothing(path: Path, upstream: LoopbackServer) -> None:
    with serving(path, "--upstream", upstream.url, ROUTECTL_TOKEN="right") as server:
        for headers in ({"Authorization": ""}, {"Authorization": "Bearer wrong"}):
            for where in ("/v1/chat/completions", "/v1/decide"):
                body = json.dumps(chat("hi")).encode()
                assert server.ask("POST", where, body, **headers)[0] == 401
            assert server.ask("GET", "/v1/models", **headers)[0] == 401
        _, models, _ = server.ask("GET", "/v1/models")

    assert upstream.requests == []
    assert [model["id"] for model in json.loads(models)["data"]] == ["smart"]


def test_a_new_threshold_is_taken_up_and_a_broken_file_is_not(path: Path) -> None:
    def wait_for(told: Callable[[bytes], bool]) -> None:
        while not told(server.ask("GET", "/metrics")[1]):
            pass

    with serving(path) as server:
        assert server.post("/v1/decide", chat("hi"))[1]["decision"] == "weak"
        write_routes(path, smart=route("0.0"))
        wait_for(lambda text: b"routectl_routes_changes_total 1.0" in text)
        assert server.post("/v1/decide", chat("hi"))[1]["decision"] == "strong"
        path.write_text("{")
        wait_for(lambda text: b"routectl_routes_failures_total 1.0" in text)
        assert server.post("/v1/decide", chat("hi"))[1]["decision"] == "strong"


def test_an_upstream_that_is_gone_is_a_502(path: Path) -> None:
    with serving(path, "--upstream", "http://127.0.0.1:9/v1") as server:
        assert server.post("/v1/chat/completions", chat("hi"))[0] == 502


def run(*arguments: object, stdin: str = "", **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "routectl", *map(str, arguments)],
        input=stdin,
        capture_output=True,
        text=True,
        check=False,
        env=environment(**environ),
    )


def test_what_cannot_be_served_is_one_sentence(path: Path, tmp_path: Path) -> None:
    undeclared = write_routes(tmp_path / "other.json", smart=route(models=(None, None)))
    with serving(path) as server:
        port = server._host.rpartition(":")[2]
        refused = [
            (run("serve", "--routes", path, "--port", port), "name another --port", 2),
            (run("serve", "--routes", path, "--host", "0.0.0.0"), "set ROUTECTL_TOKEN", 2),
            (run("serve", "--routes", tmp_path / "no.json"), "it cannot be read", 1),
            (run("serve", "--routes", path, "--upstream", "ftp://x"), "takes an address", 2),
            (run("serve", "--routes", path, "--segment-header", "X-Team"), "FIELD=HEADER", 2),
            (run("serve", "--routes", path, "--upstream", "http://k@x"), "takes an address", 2),
            (
                run("serve", "--routes", undeclared, "--upstream", "http://127.0.0.1:9"),
                "declares no models",
                1,
            ),
        ]
    for done, sentence, code in refused:
        assert sentence in done.stderr
        assert (done.returncode, "Traceback" in done.stderr) == (code, False)


def test_decide_says_each_line(path: Path) -> None:
    lines = ["hi", "", json.dumps(chat("word " * 2000)), "{not JSON", json.dumps({"messages": []})]

    done = run("decide", "--routes", path, "--json", stdin="\n".join(lines))
    people = run("decide", "--routes", path, stdin="hi\n")

    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert [(row["decision"], row["reason"]) for row in rows[:3]] == [
        ("weak", "threshold"),
        ("strong", "threshold"),
        ("weak", "threshold"),
    ]
    assert (rows[3]["reason"], rows[3]["score"]) == ("no_text", None)
    assert people.stdout.split() == ["weak", f"{rows[0]['score']:.6f}", "small", "threshold"]


def test_decide_wants_a_route_where_there_are_several(tmp_path: Path) -> None:
    path = write_routes(tmp_path / "routes.json", smart=route(), other=route("0.9"))

    assert run("decide", "--routes", path, stdin="hi").returncode == 2
    assert run("decide", "--routes", path, "--route", "other", stdin="hi").returncode == 0
    unknown = run("decide", "--routes", path, "--route", "none", stdin="hi")
    assert (unknown.returncode, "the routes are smart, other" in unknown.stderr) == (1, True)


def test_a_link_that_is_swapped_under_it_is_taken_up_and_what_is_not_current_is_said(
    tmp_path: Path,
) -> None:
    """As Kubernetes updates a ConfigMap: routes.json leads through a link that is swapped."""
    for name, text in (("one", "0.5"), ("two", "0.0"), ("three", "0.5")):
        (tmp_path / name).mkdir()
        write_routes(tmp_path / name / "routes.json", smart=route(text))
    (tmp_path / "three" / "routes.json").write_text("{")
    (tmp_path / "..data").symlink_to("one")
    (tmp_path / "routes.json").symlink_to("..data/routes.json")

    def swap(name: str) -> None:
        (tmp_path / "next").symlink_to(name)
        (tmp_path / "next").rename(tmp_path / "..data")

    def wait_for(sample: bytes) -> None:
        while sample not in server.ask("GET", "/metrics")[1]:
            pass

    with serving(tmp_path / "routes.json") as server:
        assert server.post("/v1/decide", chat("hi"))[1]["decision"] == "weak"
        swap("two")
        wait_for(b"routectl_routes_changes_total 1.0")
        assert server.post("/v1/decide", chat("hi"))[1]["decision"] == "strong"
        swap("three")
        wait_for(b"routectl_routes_current 0.0")
        health = json.loads(server.ask("GET", "/health")[1])
        assert (health["status"], "it is no JSON" in health["problem"]) == ("ok", True)
        assert server.post("/v1/decide", chat("hi"))[1]["decision"] == "strong"
        swap("one")
        wait_for(b"routectl_routes_current 1.0")
        assert b'routectl_activation{route="smart"} 7.0' in server.ask("GET", "/metrics")[1]


def test_a_call_whose_client_leaves_before_the_first_byte_is_given_up(
    path: Path, upstream: LoopbackServer
) -> None:
    upstream.faults = [lambda handler, _: handler.wait_for_the_client_to_go()]
    log = path.with_name("decisions.jsonl")
    with serving(path, "--upstream", upstream.url, "--log", str(log)) as server:
        connection = http.client.HTTPConnection(server._host, timeout=60)
        connection.request("POST", "/v1/chat/completions", json.dumps(chat("hi")), AS_JSON)
        with upstream.changed:
            assert upstream.changed.wait_for(lambda: upstream.requests, timeout=60)
        connection.close()
        # The upstream sees its own client go.
        with upstream.changed:
            assert upstream.changed.wait_for(lambda: not upstream.unanswered, timeout=60)

    (line,) = log.read_text().splitlines()
    assert json.loads(line)["status"] == 499


def test_an_upstream_that_breaks_off_is_logged_in_a_line_and_the_client_sees_it(
    path: Path, upstream: LoopbackServer
) -> None:
    upstream.faults = [lambda handler, _: (handler.hang_up_after(b"data: {"), True)[1]]
    log = path.with_name("decisions.jsonl")
    with (
        serving(path, "--upstream", upstream.url, "--log", str(log)) as server,
        pytest.raises(http.client.IncompleteRead),
    ):
        server.post("/v1/chat/completions", chat("hi"))

    assert json.loads(log.read_text())["status"] == 502
    (line,) = server.printed.splitlines()
    assert "the upstream broke off" in line


def test_idle_connections_take_no_place_and_too_many_requests_get_an_error_of_openai_s_shape(
    path: Path, upstream: LoopbackServer
) -> None:
    upstream.hold(lambda number: False)
    with serving(path, "--upstream", upstream.url, "--max-concurrent", "1") as server:
        host, port = server._host.split(":")
        idle = [socket.create_connection((host, int(port))) for _ in range(5)]
        assert server.post("/v1/decide", chat("hi"))[0] == 200
        waiting = http.client.HTTPConnection(server._host, timeout=60)
        waiting.request("POST", "/v1/chat/completions", json.dumps(chat("hi")), AS_JSON)
        with upstream.changed:
            assert upstream.changed.wait_for(lambda: upstream.requests, timeout=60)
        status, answer = server.post("/v1/decide", chat("hi"))
        assert (status, "1 requests at once" in answer["error"]["message"]) == (503, True)
        assert [server.ask("GET", where)[0] for where in ("/health", "/metrics")] == [200, 200]
        upstream.let_go()
        assert waiting.getresponse().status == 200
        waiting.close()
        for connection in idle:
            connection.close()


@pytest.mark.parametrize(
    ("head", "status"),
    [
        ("POST /v1/decide", 413),
        # Each waits for what it refuses to go on reading.
        pytest.param("POST /v1/decide", 401, marks=pytest.mark.slow),
        pytest.param("POST /v1/elsewhere", 404, marks=pytest.mark.slow),
        pytest.param("GET /health", 200, marks=pytest.mark.slow),
    ],
)
def test_of_a_body_without_end_no_more_is_read_than_its_answer_needs(
    path: Path, head: str, status: int
) -> None:
    with serving(path, ROUTECTL_TOKEN="right") as server:
        host, port = server._host.split(":")
        token = "wrong" if status == 401 else "right"
        with socket.create_connection((host, int(port)), timeout=60) as connection:
            connection.sendall(
                f"{head} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n"
                "Transfer-Encoding: chunked\r\n\r\n".encode()
            )
            chunk = b"10000\r\n" + b" " * 0x10000 + b"\r\n"
            is_open = True
            for _ in range(100_000):  # gigabytes, if the server read them
                try:
                    connection.sendall(chunk)
                except OSError:
                    is_open = False
                    break
            assert not is_open
        assert server.ask("GET", "/health")[0] == 200


UNCONDITIONAL = {"thresholds": ()}


@pytest.mark.slow  # routes.json is looked at each second, six times
def test_routes_without_an_upstream_are_not_taken_up_and_it_is_said_until_they_have_one(
    path: Path, upstream: LoopbackServer
) -> None:
    def health_once(told: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        while not told(health := json.loads(server.ask("GET", "/health")[1])):
            pass
        assert isinstance(health, dict)
        return health

    def served() -> Any:
        return server.post("/v1/chat/completions", chat("hi"))

    upstreams = [f"--upstream={model}={upstream.url}" for model in ("small", "large")]
    with serving(path, *upstreams) as server:
        tiny = {"models": ("tiny", "large"), "activation_id": 8}
        for routes, why in (
            ({"smart": route("0.5", **tiny)}, "no --upstream has the model 'tiny'"),
            ({"smart": route("0.0"), "new": route(**tiny)}, "the model 'tiny' of the route 'new'"),
            ({"smart": route("0.0", models=(None, None))}, "declares no models"),
        ):
            write_routes(path, **routes)
            health = health_once(lambda health: health["problem"] is not None)
            assert why in health["problem"]
            assert (health["routes"], served()) == ({"smart": "a7"}, (200, {"model": "small"}))
            assert b"routectl_routes_current 0.0" in server.ask("GET", "/metrics")[1]
            write_routes(path, smart=route("0.5"))
            health_once(lambda health: health["problem"] is None)
        # What sends nothing to the model without an endpoint is carried out.
        always = route(rule="always_strong", **UNCONDITIONAL, models=("tiny", "large"))
        write_routes(path, smart=always, new=always)
        health = health_once(lambda health: len(health["routes"]) == 2)
        assert health["problem"] is None
        assert served() == (200, {"model": "large"})


def test_client_thresholds_keep_the_route_that_decides_them(path: Path) -> None:
    with serving(path, "--allow-client-threshold", "smart") as server:
        write_routes(path, other=route("0.5"))
        while not (problem := json.loads(server.ask("GET", "/health")[1])["problem"]):
            pass
        body = {**chat("hi"), "model": "router-length-0.0"}
        assert server.post("/v1/decide", body)[1]["decision"] == "strong"
    assert "--allow-client-threshold names the route 'smart'" in problem


BY_TEAM = {"segments": {"search": ("0.0",), "b\u00fcro": ("0.0",)}, "segment_field": "team"}


def test_a_segment_is_taken_from_the_header_that_the_operator_names_alone(tmp_path: Path) -> None:
    path = write_routes(tmp_path / "routes.json", smart=route("1.0", **BY_TEAM))
    body = json.dumps(chat("why?", segment="search", team="search")).encode()

    def asked(server: Served, **headers: str) -> str:
        status, answer, _ = server.ask("POST", "/v1/decide", body, **headers)
        assert status == 200
        return str(json.loads(answer)["decision"])

    with serving(path, "--segment-header", "team=X-Team") as server:
        assert asked(server, **{"X-Team": "search"}) == "strong"
        assert asked(server, **{"X-Team": "b\u00fcro".encode().decode("latin-1")}) == "strong"
        assert asked(server, **{"X-Team": "other"}) == asked(server) == "weak"
    with serving(path) as server:
        assert asked(server, **{"X-Team": "search"}) == "weak"


def test_decide_takes_the_segment_as_an_option(tmp_path: Path) -> None:
    path = write_routes(tmp_path / "routes.json", smart=route("1.0", **BY_TEAM))
    line = json.dumps(chat("why?", segment="search"))
    said = [
        run("decide", "--routes", path, *options, stdin=line).stdout.split()[0]
        for options in ((), ("--segment", "search"))
    ]
    assert said == ["weak", "strong"]


def test_more_idle_connections_than_files_that_a_shell_allows_keep_nobody_out(path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))  # which the server inherits
    with serving(path) as server:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        host, port = server._host.split(":")
        idle = [socket.create_connection((host, int(port))) for _ in range(300)]
        assert server.ask("GET", "/health")[0] == 200
        for connection in idle:
            connection.close()


@pytest.mark.parametrize(
    "sent", [b"", b"GET /hea", b"GET /health HTTP/1.1\r\nHost: a\r\n\r\nGET /"]
)
def test_a_connection_that_sends_no_request_is_closed(
    sent: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    import uvicorn
    from starlette.responses import Response

    from routectl.proxy import connections

    monkeypatch.setattr(connections, "HEAD_SECONDS", 0.05)

    async def ask() -> bytes:
        config = uvicorn.Config(Response(b"well"), http=connections.Connection, log_level="error")
        server = uvicorn.Server(config)
        with _listening("127.0.0.1", 0) as listener:
            serving = asyncio.create_task(server.serve(sockets=[listener]))
            reader, writer = await asyncio.open_connection(*listener.getsockname())
            writer.write(sent)
            answer = await asyncio.wait_for(reader.read(), 30)
            writer.close()
            server.should_exit = True
            await serving
        return answer

    assert asyncio.run(ask()).count(b"well") == sent.count(b"HTTP")


def test_the_body_of_an_answer_does_not_wait_for_its_head_to_be_acknowledged() -> None:
    with (
        _listening("127.0.0.1", 0) as listener,
        socket.create_connection(listener.getsockname()),
    ):
        server_side, _ = listener.accept()
        with server_side:
            assert server_side.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
