"""Real prompts through `routectl serve`, or LiteLLM's proxy with two workers: does each agree?

    python benchmarks/proxy_agreement.py --prompts prompts.jsonl --requests 1000
    python benchmarks/proxy_agreement.py --requests 1000 --litellm .venv-litellm/bin/python

Chat Completions, Messages and Responses in turn, plain and as streams, with lists of parts, several
turns and tool results at the end. The threshold sends 30 % of the scores to the strong model. The
log is imported without a flag, and each decision in it is held against the stored score.
"""

from __future__ import annotations

import argparse
import json
import os
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))  # the harness is with the tests

import numpy as np

from routectl.export import litellm_fragment
from routectl.extraction import extract
from routectl.policy import decide
from routectl.routers import open_router
from tests.loopback_server import LoopbackServer
from tests.proxy.litellm_server import litellm_proxy
from tests.proxy.routes import route, write_routes
from tests.proxy.shapes import Asked, Upstream, asked_by
from tests.proxy.test_serve import serving

ROOT = Path(__file__).parents[1]
SHARE = 0.3
QUERY = (
    "SELECT p.text, r.proxy_decision, r.proxy_score, r.proxy_reason FROM requests r "
    "JOIN prompts p ON p.id = r.prompt_id"
)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--prompts", type=Path, default=ROOT / "examples" / "prompts.jsonl")
    parser.add_argument("--requests", type=int, default=1000)
    parser.add_argument("--router", default="mf")
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--litellm", type=Path, metavar="PYTHON")
    arguments = parser.parse_args()
    with arguments.prompts.open(encoding="utf-8") as lines:
        prompts = dict.fromkeys(extract(json.loads(line)["prompt"]) for line in lines)
    texts = [text for text in prompts if text][: arguments.requests]
    opened = open_router(arguments.router)
    scores = opened.load().strong_win_rates(texts)
    ordered = np.unique(scores)
    at = int(len(ordered) * (1 - SHARE))
    active = route(f"{(ordered[at] + ordered[at - 1]) / 2:.10f}", router=arguments.router)
    expected = dict(zip(texts, decide(active.policy, scores).model.tolist(), strict=True))

    with tempfile.TemporaryDirectory() as name, LoopbackServer(Upstream).started() as upstream:
        folder = Path(name)
        routes = write_routes(folder / "routes.json", smart=active)

        def send_all(post: Callable[[Asked], int]) -> list[int]:
            asked = [asked_by(number, text) for number, text in enumerate(texts)]
            with ThreadPoolExecutor(arguments.clients) as pool:
                return list(pool.map(post, asked))

        if arguments.litellm is None:
            log = folder / "decisions.jsonl"
            logged = ("--log", str(log), "--log-prompts")
            with serving(routes, "--upstream", upstream.url, *logged) as server:

                def post(asked: Asked) -> int:
                    return server.ask("POST", asked[0], json.dumps(asked[1]).encode())[0]

                statuses = send_all(post)
        else:
            python, fragment = (
                str(arguments.litellm.absolute()),
                litellm_fragment({"smart": active}),
            )
            with litellm_proxy(python, folder, fragment, upstream) as proxy:
                statuses = send_all(lambda asked: proxy.post(*asked)[0])
                proxy.rows(len(texts))
                log = proxy.log
        rows = _imported(log, folder / "routectl.db")

    decided = [row for row in rows if row[3] == "threshold"]
    right = [row for row in decided if row[1] == ("strong" if expected[row[0]] else "weak")]
    stored = dict(zip(texts, scores.tolist(), strict=True))
    apart = max((abs(row[2] - stored[row[0]]) for row in decided), default=0.0)
    print(f"{len(texts):,} requests, {statuses.count(200):,} answered with 200")
    print(f"{len(rows):,} imported, {len(rows) - len(decided):,} timed out or not decided")
    print(f"{len(right):,} of {len(decided):,} decisions agree with the stored score")
    print(f"scores differ by {apart:.1e} at most; the router states {opened.identity.noise:.1e}")
    achieved = np.mean([row[1] == "strong" for row in rows])
    print(f"strong: {achieved:.2%}, calibrated {np.mean(list(expected.values())):.2%}")
    return int(len(right) != len(decided) or not decided)


def _imported(log: Path, database: Path) -> list[tuple[str, str, float, str]]:
    subprocess.run(
        [sys.executable, "-m", "routectl", "import", log, "--db", database],
        check=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    with sqlite3.connect(database) as connection:
        rows = connection.execute(QUERY).fetchall()
    connection.close()
    return rows


if __name__ == "__main__":
    sys.exit(main())
