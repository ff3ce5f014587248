"""What deciding adds to a proxy: latency, requests a second, processor time, memory, start-up.

    python benchmarks/proxy_latency.py [--litellm PYTHON] [--requests 120] [--workers 1]

Each proxy runs with us and without us next to each other, on loopback, before an upstream that
answers at once; rounds alternate. Without us, LiteLLM sends to a deployment, and `serve`'s client
sends to the upstream itself. Processor time is of the proxy's processes (from /proc), a request.
Clients, proxies and upstream share the machine's cores: where they are few, requests a second
are what the cores give, and the processor time is the figure to compare. `late` is the share of
the requests whose score came after the deadline, so that the fallback decided them; they cost the
engine nothing.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import random
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from examples.proxies import (  # noqa: E402
    PLUGIN,
    Running,
    end_all_on_sigterm,
    litellm,
    serve,
    upstream,
)
from routectl.export import (  # noqa: E402
    ActiveRoute,
    litellm_config,
    routes_document,
)
from routectl.policy import PinnedRouter, Policy  # noqa: E402
from routectl.routers import open_router  # noqa: E402

WORDS = (
    "a the of list table sort file why how write explain prove compute translate compare shortest "
    "path integral poem email recipe function class return number seven 12 please"
)
TICKS = os.sysconf("SC_CLK_TCK")


def texts(count: int, characters: int, seed: int) -> list[str]:
    """Texts of a length, no two alike."""
    generator = random.Random(f"{seed} {characters}")
    return [
        " ".join(generator.choices(WORDS.split(), k=characters // 3))[:characters]
        for _ in range(count)
    ]


def active_route(router: str = "mf", threshold: str = "0.5") -> ActiveRoute:
    """A live route between two models."""
    opened = open_router(router)
    policy = Policy(
        models=("small", "large"),
        routers=(PinnedRouter(opened.spec, opened.identity.fingerprint),),
        thresholds=(threshold,),
        extraction_version=2,
        mode="live",
        route="smart",
        activation_id=1,
    )
    return ActiveRoute(policy, 0.3)


def tree(pid: int) -> Iterator[int]:
    """A process and all below it."""
    yield pid
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return
    for child in children:
        yield from tree(int(child))


def processor_seconds(pid: int) -> float:
    """User and system time of a process and all below it."""
    total = 0
    for one in tree(pid):
        try:
            fields = Path(f"/proc/{one}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        total += int(fields[11]) + int(fields[12])
    return total / TICKS


def resident_mib(pid: int) -> float:
    """Of the process below that holds the most: a worker."""
    return max(
        int(line.split()[1]) / 1024
        for one in tree(pid)
        for line in Path(f"/proc/{one}/status").read_text().splitlines()
        if line.startswith("VmRSS")
    )


@dataclass
class Load:
    """Clients that send requests one after the other, each on its own connection."""

    address: tuple[str, int]
    model: str
    key: str | None = None
    path: str = "/v1/chat/completions"
    seconds: list[float] = field(default_factory=list)
    failures: int = 0

    def send(self, prompts: list[str], clients: int) -> float:
        """Send them all; the seconds that it took."""
        waiting = list(prompts)
        began = time.perf_counter()
        threads = [threading.Thread(target=self._client, args=(waiting,)) for _ in range(clients)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return time.perf_counter() - began

    def _client(self, waiting: list[str]) -> None:
        connection = http.client.HTTPConnection(*self.address, timeout=120)
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {self.key}"}
        while True:
            try:
                text = waiting.pop()
            except IndexError:
                connection.close()
                return
            body = {"model": self.model, "messages": [{"role": "user", "content": text}]}
            began = time.perf_counter()
            connection.request("POST", self.path, json.dumps(body), headers)
            answer = connection.getresponse()
            answer.read()
            self.seconds.append(time.perf_counter() - began)
            self.failures += answer.status != 200


@dataclass
class Subject:
    """A proxy that is measured."""

    name: str
    running: Running
    model: str
    started: float
    """Seconds until it answered its first request."""
    output: Path
    """What it writes to standard error."""

    def late(self) -> int:
        """How many requests were not scored in time so far."""
        return self.output.read_text(errors="replace").count("was not scored in time")

    def load(self) -> Load:
        return Load(self.running.address, self.model, self.running.key)


def engine_milliseconds(characters: int) -> float:
    """Processor time of a score, alone."""
    router = open_router("mf").load()
    prompts = texts(60, characters, seed=9)
    router.strong_win_rates(prompts[:3])
    began = time.process_time()
    for prompt in prompts:
        router.strong_win_rates([prompt])
    return 1000 * (time.process_time() - began) / len(prompts)


def started(stack: ExitStack, context: Any, name: str, model: str, output: Path) -> Subject:
    """Start a proxy and send it one request."""
    began = time.perf_counter()
    running = stack.enter_context(context)
    load = Load(running.address, model, running.key)
    load.send(["hello"], 1)
    if load.failures:
        raise SystemExit(f"{name} does not answer as it should")
    return Subject(name, running, model, time.perf_counter() - began, output)


def without_us(config: dict[str, Any]) -> dict[str, Any]:
    """A configuration's deployments alone."""
    kept = [e for e in config["model_list"] if "complexity_router" not in str(e)]
    return {**config, "model_list": kept, "litellm_settings": {}}


def measure(subjects: list[Subject], prompts_per_cell: int, rounds: int) -> None:
    """Print a line for each proxy, number of clients and length."""
    head = ("proxy", "clients", "chars", "p50 ms", "p99 ms", "req/s", "cpu ms/req", "late %")
    print(f"\n{head[0]:<16}" + "".join(f"{word:>11}" for word in head[1:]))
    for characters in (60, 1500):
        for clients in (1, 8, 32):
            cells: dict[str, list[Any]] = {s.name: [[], 0.0, 0.0, 0] for s in subjects}
            for round_number in range(rounds):
                for number, subject in enumerate(subjects):
                    prompts = texts(prompts_per_cell, characters, seed=100 * round_number + number)
                    load = subject.load()
                    before, late = processor_seconds(subject.running.process.pid), subject.late()
                    wall = load.send(prompts, clients)
                    cell = cells[subject.name]
                    cell[0] += load.seconds
                    cell[1] += wall
                    cell[2] += processor_seconds(subject.running.process.pid) - before
                    cell[3] += subject.late() - late
                    if load.failures:
                        raise SystemExit(f"{load.failures} requests failed")
            for name, (seconds, wall, processor, late) in cells.items():
                ordered = sorted(seconds)
                p99 = ordered[min(len(ordered) - 1, int(0.99 * len(ordered)))]
                print(
                    f"{name:<16}{clients:>11}{characters:>11}"
                    f"{1000 * statistics.median(ordered):>11.1f}{1000 * p99:>11.1f}"
                    f"{len(ordered) / wall:>11.0f}{1000 * processor / len(ordered):>11.1f}"
                    f"{100 * late / len(ordered):>11.0f}",
                    flush=True,
                )


def main() -> None:
    end_all_on_sigterm()
    parser = argparse.ArgumentParser()
    parser.add_argument("--litellm", type=Path, help="Python of an environment with LiteLLM")
    parser.add_argument("--requests", type=int, default=120, help="a cell and round")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--workers", type=int, default=1, help="of LiteLLM")
    options = parser.parse_args()
    import yaml

    active = active_route()
    for characters in (60, 1500):
        print(
            f"engine alone, {characters} characters: {engine_milliseconds(characters):.1f} ms of "
            "processor time a prompt"
        )
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        routes = folder / "routes.json"
        routes.write_text(routes_document({"smart": active}))
        end = stack.enter_context(upstream(folder))
        addresses = {"small": end.url, "large": end.url}
        subjects = [
            Subject("upstream alone", end, "small", 0.0, folder / "upstream.out"),
            started(
                stack, serve(folder, routes, addresses), "serve", "smart", folder / "serve.out"
            ),
        ]
        if options.litellm:
            config = yaml.safe_load(litellm_config({"smart": active}))
            assert PLUGIN in config["litellm_settings"]["callbacks"]
            variables = {f"ROUTECTL_UPSTREAM_{model.upper()}": end.url for model in addresses}
            variables |= {f"ROUTECTL_UPSTREAM_KEY_{m.upper()}": "none" for m in addresses}
            for label, its_config, model in (
                ("LiteLLM alone", without_us(config), "small"),
                ("LiteLLM and us", config, "smart"),
            ):
                place = folder / label.replace(" ", "-")
                place.mkdir()
                context = litellm(
                    options.litellm.absolute(),
                    place,
                    its_config,
                    variables,
                    routes=routes,
                    workers=options.workers,
                )
                subjects.append(started(stack, context, label, model, place / "litellm.out"))
        print(f"\n{'proxy':<16}{'start-up s':>12}{'MiB a worker':>14}")
        for subject in subjects[1:]:
            memory = resident_mib(subject.running.process.pid)
            print(f"{subject.name:<16}{subject.started:>12.1f}{memory:>14.0f}")
        measure(subjects, options.requests, options.rounds)
    print(f"\n{os.cpu_count()} cores for clients, proxies and upstream.")


if __name__ == "__main__":
    main()
