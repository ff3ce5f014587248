"""Malformed requests by the thousand, against `routectl serve` and LiteLLM with the plug-in.

    python benchmarks/malformed_requests.py --requests 10000
    python benchmarks/malformed_requests.py --requests 2000 --litellm .venv-litellm/bin/python

`serve` is asked by 8 clients at once, behind it one upstream on loopback. LiteLLM gets each request
twice: to the route, and to its strong model past routectl; where the second is answered, or refused
with a 4xx, the first must be, too. A decision that a request claims must not be in any log.
"""

from __future__ import annotations

import argparse
import http.client
import json
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))  # the harness is with the tests

from tabulate import tabulate

from routectl.export import litellm_fragment
from tests.loopback_server import LoopbackServer
from tests.proxy.litellm_server import litellm_proxy
from tests.proxy.malformed import HOSTILE_NAMES, SPOOFED, Sent, malformed
from tests.proxy.routes import route, write_routes
from tests.proxy.shapes import Upstream
from tests.proxy.test_serve import serving

Ask = Callable[[str, bytes], int]
CLIENTS = 8


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--requests", type=int, default=10_000)
    parser.add_argument("--litellm", type=Path, metavar="PYTHON")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    requests = list(malformed(arguments.requests, arguments.seed))
    with tempfile.TemporaryDirectory() as name, LoopbackServer(Upstream).started() as upstream:
        folder = Path(name)
        active = route("0.5")
        routes = write_routes(folder / "routes.json", smart=active)
        if arguments.litellm is None:
            log = folder / "decisions.jsonl"
            with serving(routes, "--upstream", upstream.url, "--log", str(log)) as server:
                failed = _serve(requests, lambda path, body: server.ask("POST", path, body)[0])
        else:
            python = str(arguments.litellm.absolute())
            fragment = litellm_fragment({"smart": active})
            # LiteLLM's cache can give a chat what it kept of Messages, which is another matter.
            with litellm_proxy(python, folder, fragment, upstream, with_cache=False) as proxy:
                failed = _litellm(requests, lambda path, body: proxy.send(path, body)[0])
                log = proxy.log
                _wait_until_settled(log)
        spoofed = _spoofed(log)
    print(f"rows that hold what a request claimed: {spoofed}")
    return int(bool(failed or spoofed))


def _serve(requests: list[Sent], ask: Ask) -> int:
    statuses = _statuses(requests, ask)
    by_kind: dict[str, Counter[int]] = {}
    for sent, status in zip(requests, statuses, strict=True):
        by_kind.setdefault(sent.kind, Counter())[status] += 1
    columns = sorted(set(statuses))
    rows = [[kind, *(counts[status] for status in columns)] for kind, counts in by_kind.items()]
    print(tabulate(rows, headers=["request", *(_word(status) for status in columns)]))
    return sum(status >= 500 or status == 0 for status in statuses)


def _litellm(requests: list[Sent], ask: Ask) -> int:
    past = [Sent(sent.call, _to_the_strong_model(sent.body), sent.kind) for sent in requests]
    with_us, without = _statuses(requests, ask), _statuses(past, ask)
    by_kind: dict[str, Counter[str]] = {}
    failed = 0
    for sent, ours, theirs in zip(requests, with_us, without, strict=True):
        counts = by_kind.setdefault(sent.kind, Counter())
        same = ours // 100 == theirs // 100
        worse = not same and not 200 <= ours < 500
        counts["same" if same else "worse" if worse else "otherwise"] += 1
        failed += worse
    columns = ["same", "otherwise", "worse"]
    rows = [[kind, *(counts[column] for column in columns)] for kind, counts in by_kind.items()]
    print(tabulate(rows, headers=["request", "as without", "2xx to 4xx otherwise", "5xx of ours"]))
    return failed


def _to_the_strong_model(body: bytes) -> bytes:
    if any(json.dumps(name).encode() in body for name in HOSTILE_NAMES if name):
        return body
    return body.replace(b'"smart"', b'"large"')


def _statuses(requests: list[Sent], ask: Ask) -> list[int]:
    def asked(sent: Sent) -> int:
        try:
            return ask(f"/v1/{sent.call}", sent.body)
        except (OSError, http.client.HTTPException):
            return 0

    with ThreadPoolExecutor(CLIENTS) as pool:
        return list(pool.map(asked, requests))


def _wait_until_settled(log: Path) -> None:
    """Wait until LiteLLM, which writes rows after it answered, has added none for 5 s."""
    size = -1
    while log.exists() and log.stat().st_size != size:
        size = log.stat().st_size
        time.sleep(5)


def _spoofed(log: Path) -> int:
    text = log.read_text() if log.exists() else ""
    return sum(_decided(line) == SPOOFED["reason"] for line in text.splitlines())


def _decided(line: str) -> object:
    row = json.loads(line)
    logged = (row.get("metadata") or {}).get("spend_logs_metadata") or {}
    return (logged.get("routectl") or row).get("reason")


def _word(status: int) -> str:
    return str(status) if status else "no answer"


if __name__ == "__main__":
    sys.exit(main())
