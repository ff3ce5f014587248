"""`make demo-proxy`: a threshold is chosen, a proxy obeys it, and what the proxy logs is imported.

Everything runs on loopback and is ended by its id. LITELLM names the Python of an environment that
has LiteLLM's proxy; without it, `routectl serve` is the proxy.
"""

from __future__ import annotations

import gzip
import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from examples.proxies import (  # noqa: E402
    Running,
    end_all_on_sigterm,
    litellm,
    serve,
    upstream,
)

FOLDER = ROOT / ".demo"
REQUESTS = 400
STRONG, WEAK = "gpt-4o", "gpt-4o-mini"
ENVIRONMENT = {
    **os.environ,
    "ROUTECTL_DB": str(FOLDER / "proxy.db"),
    "ROUTECTL_ACTOR": "demo",
    "PYTHONPATH": str(ROOT),
}


def routectl(*arguments: object, show: bool = True, accepted: tuple[int, ...] = (0,)) -> str:
    """Run a command; what it printed."""
    words = list(map(str, arguments))
    if show:
        print(f"\n$ routectl {' '.join(words)}", flush=True)
    done = subprocess.run(
        [sys.executable, "-m", "routectl", *words],
        env=ENVIRONMENT,
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=None if show else subprocess.PIPE,
        text=True,
        check=False,
    )
    if show:
        print(done.stdout, end="", flush=True)
    if done.returncode not in accepted:
        raise SystemExit(f"it ended with {done.returncode}\n{done.stderr or ''}")
    return done.stdout


def conversations(traffic: Path) -> list[list[dict[str, Any]]]:
    """Of evenly spread chat calls of the sample, the turns that were sent."""
    with gzip.open(traffic, "rt", encoding="utf-8") as file:
        rows = [json.loads(line) for line in file]
    chats = [row["messages"] for row in rows if row["model_group"] == "smart" and row["messages"]]
    return [chats[number * len(chats) // REQUESTS] for number in range(REQUESTS)]


def model_of(answer: dict[str, Any]) -> str:
    """The model that answered, which names itself; LiteLLM says the route's name in its place."""
    content: str = answer["choices"][0]["message"]["content"]
    return content.removeprefix("from ")


def price(model: str, prices: dict[str, dict[str, float]], usage: dict[str, int]) -> float:
    """US dollars of a call."""
    its = prices[model]
    paid = usage["prompt_tokens"] * its["input"] + usage["completion_tokens"] * its["output"]
    return paid / 1e6


def send(proxy: Running, asked: list[list[dict[str, Any]]]) -> list[dict[str, Any]]:
    """Send the requests, eight at a time; raises SystemExit where one fails."""

    def one(messages: list[dict[str, Any]]) -> dict[str, Any]:
        status, _, answer = proxy.post(
            "/v1/chat/completions", {"model": "smart", "messages": messages}
        )
        if status != 200:
            raise SystemExit(f"the proxy answered {status}: {answer}")
        return dict(answer)

    with ThreadPoolExecutor(8) as pool:
        return list(pool.map(one, asked))


def main() -> None:
    end_all_on_sigterm()
    traffic = ROOT / "examples" / "traffic.jsonl.gz"
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir()
    routes, log = FOLDER / "routes.json", FOLDER / "proxy.jsonl"
    routectl(
        *("route", "set", "smart", "--strong", STRONG, "--weak", WEAK),
        *("--where", "model_group=smart", "--publish", routes),
    )
    routectl("import", traffic)
    routectl("calibrate", "--strong-fraction", 0.3)
    routectl("activate", "--note", "agreed with finance")
    calibrated = json.loads(routectl("export", "--json", show=False))["strong_fraction"]
    declared = json.loads(
        routectl("route", "set", "smart", "--json", "--publish", routes, show=False)
    )["prices"]
    prices = {p["model"]: {k: float(p[k]) for k in ("input", "output")} for p in declared}

    python = os.environ.get("LITELLM")
    with ExitStack() as stack:
        strong, weak = (stack.enter_context(upstream(FOLDER)) for _ in range(2))
        if python and Path(python).is_file():
            import yaml

            config = FOLDER / "exported.yaml"
            routectl("export", "--format", "litellm", "--complete", "--output", config)
            variables = {
                "ROUTECTL_UPSTREAM_GPT_4O": strong.url,
                "ROUTECTL_UPSTREAM_GPT_4O_MINI": weak.url,
                "ROUTECTL_UPSTREAM_KEY_GPT_4O": "none",
                "ROUTECTL_UPSTREAM_KEY_GPT_4O_MINI": "none",
            }
            print("\nLiteLLM's proxy starts with two workers.", flush=True)
            proxy = stack.enter_context(
                litellm(
                    Path(python).absolute(),
                    FOLDER,
                    yaml.safe_load(config.read_text()),
                    variables,
                    routes=routes,
                    log=log,
                )
            )
        else:
            print("\nroutectl serve is the proxy.", flush=True)
            addresses = {STRONG: strong.url, WEAK: weak.url}
            proxy = stack.enter_context(serve(FOLDER, routes, addresses, log=log))
        routectl("doctor", "--routes", routes, "--proxy", proxy.url, accepted=(0, 3))
        answers = send(proxy, conversations(traffic))
        ids = [str(strong.process.pid), str(weak.process.pid), str(proxy.process.pid)]

    served = Counter(map(model_of, answers))
    paid = sum(price(model_of(answer), prices, answer["usage"]) for answer in answers)
    all_strong = sum(price(STRONG, prices, answer["usage"]) for answer in answers)
    print(f"\nSent {len(answers)} requests: {dict(served)}. Ended: {', '.join(ids)}.")
    achieved = served[STRONG] / len(answers)
    chance = 196 * (calibrated * (1 - calibrated) / len(answers)) ** 0.5
    print(
        f"Strong: {100 * achieved:.1f} %, calibrated {100 * calibrated:.1f} %; of so few requests "
        f"chance moves the share by {chance:.1f} points."
    )
    print(
        f"Paid at list prices: ${paid:.4f}, with the strong model alone ${all_strong:.4f}: "
        f"{100 * (1 - paid / all_strong):.0f} % saved."
    )
    routectl("import", log)
    routectl("status", accepted=(0, 3))


if __name__ == "__main__":
    main()
