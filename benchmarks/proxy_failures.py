"""What fails while a proxy is under load and something goes wrong: nothing because of routectl.

    python benchmarks/proxy_failures.py [--litellm PYTHON] [--seconds 6] [--only PART]

Eight clients send requests without a pause while an upstream is killed and restarted, routes.json
is corrupted, removed and put back, the side-car is killed and restarted (its gateway asks it which
model to take, and takes the strong one where it does not answer within a second). Each line says
how many requests failed, and when; of a killed upstream only those that were to go there may. At
last the seconds of docs/runbook.md: its first deployment, with `mf` on the sample, and from each
later step to the first request that obeys it. But for the deployment the router is `length`, which
takes no time; what is measured is everything else.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
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

CLIENTS = 8
MODELS = ("--strong", "big", "--weak", "small", "--price", "big=2/8", "--price", "small=0.2/0.8",
          "--where", "model_group=smart")  # fmt: skip
PARTS = ("file", "upstream", "side-car", "deploy", "steps")
SHORT = "Is the sky blue?"
"""Of which `length` says at a strong fraction of 0.3 that the weak model does, and not at 0.95."""
LONG = "why " * 500
"""Of which `length` says that the strong model is needed."""


@dataclass
class Answer:
    """What a client got."""

    at: float
    is_long: bool
    status: int
    model: str | None
    fell_back: bool = False


@dataclass
class Clients:
    """Send until told to stop, short and long prompts in turn."""

    ask: Callable[[str], tuple[int, str | None, bool]]
    """Of a text: status, the model that answered, and whether the gateway had to guess."""
    answers: list[Answer] = field(default_factory=list)

    @contextmanager
    def sending(self) -> Iterator[None]:
        stop = threading.Event()

        def client(number: int) -> None:
            count = number
            while not stop.is_set():
                count += 1
                is_long = count % 2 == 0
                text = f"{count} {LONG}" if is_long else f"hi {count}"
                at = time.monotonic()
                try:
                    status, model, fell_back = self.ask(text)
                except (OSError, http.client.HTTPException):
                    status, model, fell_back = 0, None, False
                    time.sleep(0.05)
                self.answers.append(Answer(at, is_long, status, model, fell_back))

        threads = [threading.Thread(target=client, args=(n,)) for n in range(CLIENTS)]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            stop.set()
            for thread in threads:
                thread.join()


def through(proxy: Running) -> Callable[[str], tuple[int, str | None, bool]]:
    """A client of a proxy."""

    def ask(text: str) -> tuple[int, str | None, bool]:
        body = {"model": "smart", "messages": [{"role": "user", "content": text}]}
        status, _, answer = proxy.post("/v1/chat/completions", body)
        model = None
        if status == 200:
            model = answer["choices"][0]["message"]["content"].removeprefix("from ")
        return status, model, False

    return ask


def next_to(side_car: Callable[[], Running], end: Running) -> Callable[[str], Any]:
    """A gateway that asks the side-car and calls the model itself."""

    def ask(text: str) -> tuple[int, str | None, bool]:
        body: dict[str, Any] = {"model": "smart", "messages": [{"role": "user", "content": text}]}
        model, fell_back = "big", True
        try:
            connection = http.client.HTTPConnection(*side_car().address, timeout=1)
            connection.request("POST", "/v1/decide", json.dumps(body))
            answer = connection.getresponse()
            decided = json.loads(answer.read())
            connection.close()
            if answer.status == 200:
                model, fell_back = decided["model"], False
        except (OSError, http.client.HTTPException, ValueError):
            pass
        status, _, _ = end.post("/v1/chat/completions", {**body, "model": model})
        return status, model, fell_back

    return ask


def say(what: str, answers: list[Answer], wanted: Callable[[Answer], bool]) -> None:
    """A line: how many failed, and how many of these should not have."""
    failed = [answer for answer in answers if answer.status != 200]
    ours = [answer for answer in failed if wanted(answer)]
    fallback = sum(answer.fell_back for answer in answers) / max(1, len(answers))
    print(
        f"{what:<58}{len(answers):>9,}{len(failed):>8,}{len(ours):>11,}{100 * fallback:>10.1f} %",
        flush=True,
    )


def kill(running: Running) -> None:
    """End a server at once, by its id."""
    running.process.send_signal(signal.SIGKILL)
    running.process.wait()


def file_trouble(proxy: Running, routes: Path, name: str, seconds: float) -> None:
    """Corrupt routes.json, remove it and put it back."""
    good = routes.read_bytes()
    clients = Clients(through(proxy))
    with clients.sending():
        for change in (lambda: routes.write_bytes(b"{"), routes.unlink):
            time.sleep(seconds / 3)
            change()
        time.sleep(seconds / 3)
        routes.write_bytes(good)
        time.sleep(1.5)
    say(f"{name}: routes.json corrupted, removed, put back", clients.answers, lambda a: True)
    wrong = [a for a in clients.answers if a.model not in (None, "big" if a.is_long else "small")]
    print(f"{'':<4}decided otherwise than before: {len(wrong)}")


def upstream_trouble(
    proxy: Running, stack: ExitStack, folder: Path, strong: Running, name: str, seconds: float
) -> Running:
    """Kill the strong model's upstream and start it again on its port."""
    clients = Clients(through(proxy))
    with clients.sending():
        time.sleep(seconds / 3)
        gone = time.monotonic()
        kill(strong)
        time.sleep(seconds / 3)
        again = stack.enter_context(upstream(folder, strong.address[1]))
        back = time.monotonic()
        time.sleep(seconds / 3)

    def ours(answer: Answer) -> bool:
        # A proxy may cool a deployment down for some seconds after it failed.
        return not answer.is_long or not gone - 1 < answer.at < back + 6

    say(f"{name}: the strong model's upstream killed, restarted", clients.answers, ours)
    return again


def side_car_trouble(
    stack: ExitStack, folder: Path, routes: Path, addresses: dict[str, str], end: Running,
    seconds: float,
) -> None:  # fmt: skip
    """Kill the side-car and start another one."""
    held = [stack.enter_context(serve(folder, routes, addresses))]
    clients = Clients(next_to(lambda: held[-1], end))
    with clients.sending():
        time.sleep(seconds / 3)
        kill(held[-1])
        time.sleep(seconds / 3)
        held.append(stack.enter_context(serve(folder, routes, addresses)))
        time.sleep(seconds / 3)
    say(
        "side-car killed, restarted (gateway falls back to strong)", clients.answers, lambda a: True
    )


@dataclass(frozen=True)
class Step:
    """A step of the runbook, and the request that tells whether the proxy has taken it up."""

    name: str
    command: tuple[str, ...]
    text: str
    model: str
    """That answers the text from then on, and did not before."""


STEPS = (
    Step("shadow", ("activate", "c1", "--mode", "shadow", "--force"), SHORT, "big"),
    Step("live", ("activate", "c1", "--mode", "live", "--force"), SHORT, "small"),
    Step("change of the threshold", ("activate", "c2", "--force"), SHORT, "big"),
    Step("rollback", ("rollback",), SHORT, "small"),
    Step("always-weak", ("activate", "--always-weak"), LONG, "small"),
    Step("rollback", ("rollback",), LONG, "big"),
    # Most requests are outside of it, and these get the strong model.
    Step("canary", ("activate", "c1", "--mode", "canary=5%", "--force"), SHORT, "big"),
)


def take_up(proxy: Running, run: Callable[..., None], name: str, rounds: int) -> None:
    """Seconds from the start of each step's command to the first request that obeys it."""
    ask = through(proxy)
    seconds: dict[str, list[tuple[float, float]]] = {step.name: [] for step in STEPS}
    for _ in range(rounds):
        for step in STEPS:
            # Until each worker has the step before.
            in_a_row = 0
            while in_a_row < 20:
                in_a_row = in_a_row + 1 if ask(step.text)[1] != step.model else 0
            answered: list[float] = []

            def watch(step: Step = step, answered: list[float] = answered) -> None:
                while ask(step.text)[1] != step.model:
                    pass
                answered.append(time.monotonic())

            watcher = threading.Thread(target=watch)
            watcher.start()
            began = time.monotonic()
            run(*step.command)
            ended = time.monotonic()
            watcher.join()
            seconds[step.name].append((ended - began, answered[0] - began))
        run("activate", "c1", "--mode", "live", "--force")
    for step_name, pairs in seconds.items():
        command, obeyed = zip(*pairs, strict=True)
        print(
            f"{name}: {step_name:<24} command {min(command):4.1f} to {max(command):4.1f} s, first "
            f"request that obeys {min(obeyed):4.1f} to {max(obeyed):4.1f} s after its start"
        )


def deploy(folder: Path, addresses: dict[str, str], run: Callable[..., None]) -> None:
    """Seconds of the runbook's first block, and of `serve` from its start to its first answer."""
    bundle = folder / "bundle"
    commands: tuple[tuple[object, ...], ...] = (
        ("route", "set", "smart", *MODELS),
        ("import", ROOT / "examples" / "traffic.jsonl.gz"),
        ("calibrate", "--strong-fraction", "0.3"),
        ("activate", "--mode", "shadow"),
        ("export", "--format", "bundle", "--output", bundle),
        ("route", "set", "smart", "--publish", bundle / "routes.json"),
        ("doctor", "--routes", bundle),
    )
    for command in commands:
        began = time.monotonic()
        run(*command)
        print(f"deploy: {' '.join(map(str, command[:2])):<40}{time.monotonic() - began:6.1f} s")
    began = time.monotonic()
    with serve(folder, bundle, addresses) as proxy:
        through(proxy)(LONG)
        print(f"deploy: serve, to its first answer {time.monotonic() - began:21.1f} s")


def main() -> None:
    end_all_on_sigterm()
    parser = argparse.ArgumentParser()
    parser.add_argument("--litellm", type=Path, help="Python of an environment with LiteLLM")
    parser.add_argument("--seconds", type=float, default=6, help="of each trouble")
    parser.add_argument("--rounds", type=int, default=5, help="of the steps")
    parser.add_argument("--only", choices=PARTS, help="this part alone")
    options = parser.parse_args()
    parts = PARTS if options.only is None else (options.only,)
    import yaml

    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        routes = folder / "routes.json"
        environment = {
            **os.environ,
            "ROUTECTL_ACTOR": "benchmark",
            "PYTHONPATH": str(ROOT),
        }

        def run(*arguments: object, database: str = "routectl.db") -> None:
            command = [sys.executable, "-m", "routectl", *map(str, arguments)]
            of_it = {**environment, "ROUTECTL_DB": str(folder / database)}
            done = subprocess.run(command, env=of_it, capture_output=True, text=True)
            if done.returncode:
                raise SystemExit(f"{arguments[0]} ended with {done.returncode}\n{done.stderr}")

        run("route", "set", "smart", *MODELS, "--publish", routes)
        run("import", ROOT / "examples" / "traffic.jsonl.gz")
        run("calibrate", "-r", "length", "--strong-fraction", "0.3")
        run("activate", "--force")
        run("calibrate", "-r", "length", "--strong-fraction", "0.95")
        strong, weak = (stack.enter_context(upstream(folder)) for _ in range(2))
        addresses = {"big": strong.url, "small": weak.url}
        proxies = {"serve": stack.enter_context(serve(folder, routes, addresses))}
        if options.litellm:
            config = folder / "exported.yaml"
            run("export", "--format", "litellm", "--complete", "--output", config)
            variables = {f"ROUTECTL_UPSTREAM_{m.upper()}": url for m, url in addresses.items()}
            variables |= {f"ROUTECTL_UPSTREAM_KEY_{m.upper()}": "none" for m in addresses}
            proxies["LiteLLM"] = stack.enter_context(
                litellm(
                    options.litellm.absolute(),
                    folder,
                    yaml.safe_load(config.read_text()),
                    variables,
                    routes=routes,
                )
            )
            for _ in range(8):  # each worker loads at its first request
                through(proxies["LiteLLM"])(LONG)
        print(f"{'':<58}{'requests':>9}{'failed':>8}{'not to be':>11}{'fallback':>12}")
        for label, proxy in proxies.items():
            if "file" in parts:
                file_trouble(proxy, routes, label, options.seconds)
            if "upstream" in parts:
                strong = upstream_trouble(proxy, stack, folder, strong, label, options.seconds)
        if "deploy" in parts:
            deploy(folder, addresses, partial(run, database="deployed.db"))
        if "side-car" in parts:
            side_car_trouble(stack, folder, routes, addresses, weak, options.seconds)
        for label, proxy in proxies.items() if "steps" in parts else ():
            take_up(proxy, run, label, options.rounds)


if __name__ == "__main__":
    main()
