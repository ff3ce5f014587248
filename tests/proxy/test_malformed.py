"""Whatever a client sends, `serve` answers it or says in a 4xx what is wrong; it opens nothing."""

from __future__ import annotations

import json
import sys
from collections import Counter
from pathlib import Path

import httpx2
import pytest

from routectl.records import Limits
from tests.conftest import Routectl
from tests.loopback_server import Fault, LoopbackHandler, LoopbackServer, Request
from tests.proxy.in_process import with_app
from tests.proxy.malformed import MARKER, SPOOFED, malformed
from tests.proxy.routes import route, write_routes

REQUESTS = 110


class Upstream(LoopbackHandler):
    server: LoopbackServer

    def respond(self, request: Request, fault: Fault | None) -> None:
        self.answer(200)


class Opened:
    """Paths with the marker that this process opened, while it is looked at."""

    def __init__(self) -> None:
        self.paths: list[str] = []
        self.is_looked_at = True
        sys.addaudithook(self._look)

    def _look(self, event: str, arguments: tuple[object, ...]) -> None:
        if self.is_looked_at and event in ("open", "import", "os.listdir", "os.scandir"):
            self.paths += [str(part) for part in arguments if MARKER in str(part)]


def test_a_malformed_request_is_answered_or_gets_a_clear_4xx(
    tmp_path: Path, routectl: Routectl, caplog: pytest.LogCaptureFixture
) -> None:
    limits = {"small": Limits(context=4000, images=False, tools=False, response_format=False)}
    path = write_routes(tmp_path / "routes.json", smart=route("0.5", limits=limits))
    log, opened = tmp_path / "decisions.jsonl", Opened()

    async def ask(client: httpx2.AsyncClient) -> Counter[int]:
        statuses: Counter[int] = Counter()
        for number, sent in enumerate(malformed(REQUESTS)):
            call = "decide" if number % 4 == 0 else sent.call
            answer = await client.post(f"/v1/{call}", content=sent.body)
            assert answer.status_code in (200, 400, 404, 413), (sent, answer.text)
            if answer.status_code != 200:
                error = answer.json()["error"]
                assert 10 < len(error["message"]) < 200
                assert MARKER not in error["message"]
            statuses[answer.status_code] += 1
        return statuses

    with LoopbackServer(Upstream).started() as upstream:
        statuses = with_app(path, ask, upstreams=[upstream.url], log=log, log_prompts=True)
    opened.is_looked_at = False

    assert opened.paths == []
    assert all(statuses[status] > 0 for status in (200, 400, 404, 413))
    assert {request["model"] for request in upstream.requests} <= {"small", "large"}
    assert [record for record in caplog.records if record.exc_info] == []
    # What was claimed never becomes what was decided.
    for line in log.read_text().splitlines():
        row = json.loads(line)
        assert (row["activation"], row["reason"] == SPOOFED["reason"]) == ("a7", False)
    assert routectl("import", log).code == 0
