"""Interrupt long commands at random moments, and look at what they say and what they leave.

    python benchmarks/interrupts.py --interrupts 300 --busy 2

Each is a whole process, and the moments are spread over all of its run: while Python starts, while
modules load, at work, and while it ends. Signals that come before routectl's first line, where
Python itself answers them, are counted in a column of their own. After up to four interrupts the
command runs to its end, and what is stored must be what it stores undisturbed.
"""

from __future__ import annotations

import argparse
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))  # the harness is with the tests

from tabulate import tabulate

from tests.conftest import payload, write_log
from tests.embedding.tiny import make_tiny_model
from tests.killing import Ended, Report, Scene, copies_of, kill_and_run_again, scenes

SENTENCE = "Error: Interrupted; what was finished is kept."
USUAL = ("Database:", "Note:", "Warning:", SENTENCE)
HANGS_AFTER_SECONDS = 120
COLUMNS = (
    *("command", "interrupts", "exit 1", "exit 0", "other exit", "in Python's start"),
    *("tracebacks", "exceptions ignored", "other output", "hangs", "wrong in the end"),
)


@dataclass
class Counts:
    """What the interrupts of a command led to."""

    interrupts: int = 0
    codes: dict[int, int] = field(default_factory=dict)
    at_start: int = 0
    tracebacks: int = 0
    ignored: int = 0
    other: list[str] = field(default_factory=list)
    hangs: int = 0
    wrong: list[str] = field(default_factory=list)

    def row(self, name: str) -> list[object]:
        code = dict(self.codes)
        return [
            name, self.interrupts, code.pop(1, 0), code.pop(0, 0), sum(code.values()),
            self.at_start, self.tracebacks, self.ignored, len(self.other), self.hangs,
            len(self.wrong),
        ]  # fmt: skip

    def is_good(self) -> bool:
        unusual = self.codes.keys() - {0, 1} or self.tracebacks or self.ignored
        return not (unusual or self.other or self.hangs or self.wrong)


class Interrupter:
    """Runs command lines as processes, as `tests.killing.Nursery` does, and interrupts them."""

    def __init__(self, number: signal.Signals) -> None:
        self.counts = Counts()
        self._number = number

    def run(self, arguments: list[str], after: float | None = None) -> Ended:
        """Run a command line, and interrupt it so many seconds after its start."""
        started = time.perf_counter()
        process = subprocess.Popen(
            [sys.executable, "-m", "routectl", *arguments],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            # A shell that runs this in the background may have had it ignore the signal.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
        )
        interrupted = at_start = False
        if after is not None:
            time.sleep(after)
            interrupted = process.poll() is None
            at_start = interrupted and not handles_signals(process.pid)
            process.send_signal(self._number)
        try:
            _, err = process.communicate(timeout=None if after is None else HANGS_AFTER_SECONDS)
        except subprocess.TimeoutExpired:
            self.counts.hangs += 1
            process.kill()
            _, err = process.communicate()
        code = process.returncode
        if at_start:
            self.counts.at_start += 1
        elif interrupted:
            self._count(code, err, f"{arguments[0]}, interrupted after {after:.4f} s")
        return Ended(interrupted and code != 0, code, time.perf_counter() - started, err[-1000:])

    def _count(self, code: int, err: str, where: str) -> None:
        counts = self.counts
        counts.interrupts += 1
        counts.codes[code] = counts.codes.get(code, 0) + 1
        counts.tracebacks += "Traceback" in err
        counts.ignored += "Exception ignored" in err
        lines = [line for line in err.splitlines() if line and not line.startswith(USUAL)]
        if lines or code not in (0, 1) or err.count(SENTENCE) != code:
            counts.other.append(f"{where}: exit {code}, {err!r}")


def handles_signals(pid: int) -> bool:
    """Whether routectl has come so far as to catch SIGTERM, which Python itself does not."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return True  # it has ended meanwhile
    caught = next((line for line in status.splitlines() if line.startswith("SigCgt:")), "SigCgt: 0")
    return bool(int(caught.split()[1], 16) >> (signal.SIGTERM - 1) & 1) or "zombie" in status


def of_scene(scene: Scene, interrupter: Interrupter, folder: Path, count: int, seed: int) -> None:
    fresh = copies_of(interrupter, scene, folder)
    report = kill_and_run_again(interrupter, scene, fresh, kills=count, seed=seed)
    interrupter.counts.wrong += report.wrong


def of_training(interrupter: Interrupter, folder: Path, count: int, seed: int) -> None:
    """As `of_scene`, for a command that writes a checkpoint and no database."""
    import random

    moments = random.Random(seed)
    folder.mkdir()
    gold = folder / "gold.csv"
    rows = [f"prompt {number},1,{number % 2}" for number in range(600)]
    gold.write_text("\n".join(["prompt,strong,weak", *rows]))
    tiny = str(make_tiny_model(folder / "tiny"))
    command = ["train", "mf", "--gold", str(gold), "--embedder", tiny, "--output"]
    undisturbed = interrupter.run([*command, str(folder / "undisturbed")])
    expected = (folder / "undisturbed" / "model.safetensors").read_bytes()
    report = Report()
    number = 0
    while report.kills < count and report.survived < 3 * count:
        number += 1
        output = folder / str(number)
        for _ in range(4):
            ended = interrupter.run(
                [*command, str(output)], moments.uniform(0, undisturbed.seconds)
            )
            report.kills += ended.killed
            report.survived += not ended.killed
            if not ended.killed:
                break
        if not output.exists():
            interrupter.run([*command, str(output)])
        if (output / "model.safetensors").read_bytes() != expected:
            interrupter.counts.wrong.append(f"{output} holds other weights")
        if (folder / f"{number}.partial").exists():
            interrupter.counts.wrong.append(f"{output}.partial is left over")
        shutil.rmtree(output)


@contextmanager
def busy_loops(count: int) -> Iterator[None]:
    loops = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(count)]
    try:
        yield
    finally:
        for loop in loops:
            loop.kill()
            loop.wait()


def commands(folder: Path, requests: int) -> dict[str, Callable[[Interrupter, int, int], None]]:
    records = [payload(n, f"question {n % 5000}") for n in range(requests)]
    written = scenes(write_log(folder / "litellm.jsonl", records))
    few = write_log(folder / "few.jsonl", [payload(n) for n in range(64)])
    score = Scene("score", (("import", str(few)),), ("score", "-r", "mf"))
    chosen = {
        "import": written["import"],
        "score -r mf": score,
        "score": written["score by two"],
        "calibrate": written["calibrate"],
        "evaluate": written["evaluate"],
        "db upgrade": written["db upgrade"],
    }

    def interrupting(scene: Scene, place: Path) -> Callable[[Interrupter, int, int], None]:
        return lambda interrupter, count, seed: of_scene(scene, interrupter, place, count, seed)

    found = {name: interrupting(scene, folder / name) for name, scene in chosen.items()}
    found["train mf"] = lambda interrupter, count, seed: of_training(
        interrupter, folder / "train", count, seed
    )
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--interrupts", type=int, default=300, help="of each command")
    parser.add_argument("--command", action="append", help="only this one; may be repeated")
    parser.add_argument("--signal", default="SIGINT", choices=["SIGINT", "SIGTERM"])
    parser.add_argument("--requests", type=int, default=6000, help="that are imported")
    parser.add_argument("--busy", type=int, default=0, help="busy loops at the same time")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    rows = []
    good = True
    with tempfile.TemporaryDirectory() as folder, busy_loops(arguments.busy):
        for name, interrupt in commands(Path(folder), arguments.requests).items():
            if arguments.command and name not in arguments.command:
                continue
            interrupter = Interrupter(signal.Signals[arguments.signal])
            interrupt(interrupter, arguments.interrupts, arguments.seed)
            counts = interrupter.counts
            good = good and counts.is_good()
            rows.append(counts.row(name))
            print(f"{name}: {counts.interrupts:,} interrupts", file=sys.stderr, flush=True)
            print("".join(f"  {s}\n" for s in [*counts.other, *counts.wrong]), end="", flush=True)
    print(tabulate(rows, headers=COLUMNS))
    return int(not good)


if __name__ == "__main__":
    raise SystemExit(main())
