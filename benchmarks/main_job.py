"""The main job's processor time next to that of an older checkout, command by command.

    git worktree add --detach ../older COMMIT
    python benchmarks/main_job.py ../older --rows 60000 --repetitions 9

Both run in this Python, in turns, each on a database of its own: import, score, calibrate, activate
and export of a synthetic LiteLLM log, with the router `length`, so that the time is routectl's own.
Printed are the medians in seconds, and the median of the ratios of the pairs, which a machine that
slows down for a while moves less. Modules are compiled before the first run of each.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from tabulate import tabulate

OURS = Path(__file__).resolve().parents[1]
WORDS = (
    "a the of list table sort file why how write explain prove compute translate compare shortest "
    "path integral poem email recipe function class return number seven 12 please"
)
START = 1_790_000_000.0


def write_log(path: Path, rows: int, seed: int) -> None:
    """A LiteLLM log, three calls a conversation, two a minute."""
    generator = random.Random(seed)
    with path.open("w") as file:
        for number in range(rows):
            text = " ".join(generator.choices(WORDS.split(), k=generator.randint(5, 60)))
            record = {
                "id": f"chatcmpl-{number}",
                "trace_id": f"trace-{number // 3}",
                "call_type": "acompletion",
                "status": "success",
                "cache_hit": None,
                "startTime": START + 30 * number,
                "model_group": "smart",
                "prompt_tokens": 10 + number % 70,
                "completion_tokens": 20 + number % 40,
                "response_cost": 0.001,
                "request_tags": [],
                "metadata": {},
                "messages": [{"role": "user", "content": text}],
            }
            file.write(json.dumps(record) + "\n")


class Checkout:
    """A checkout and its database."""

    def __init__(self, code: Path, database: Path, log: Path) -> None:
        self._database, self._log = database, log
        self._environment = {
            **os.environ,
            "PYTHONPATH": str(code),
            "ROUTECTL_DB": str(database),
            "ROUTECTL_ACTOR": "benchmark",
            "OMP_NUM_THREADS": "1",
        }
        self._environment.pop("PYTHONDONTWRITEBYTECODE", None)
        self._activated: list[str] = []

    def reset(self) -> None:
        """Begin without a database."""
        for path in self._database.parent.glob(f"{self._database.name}*"):
            path.unlink()

    def seconds(self, command: str) -> float:
        """Processor time of one of the commands."""
        if command == "import":
            return self._run("import", str(self._log))[0]
        if command == "score":
            return self._run("score", "-r", "length")[0]
        if command == "calibrate":
            target = ("-r", "length", "--strong-fraction", "0.3")
            seconds, output = self._run("calibrate", *target, "--json")
            result = json.loads(output)
            newest = result[0] if isinstance(result, list) else result["calibrations"][0]
            self._activated = [str(newest["calibration_id"])]
            return seconds
        if command == "activate":
            # A baseline wants --force, where there is such an option.
            is_newer = "--force" in self._run("activate", "--help")[1]
            return self._run("activate", *self._activated, *["--force"][:is_newer])[0]
        return self._run("export")[0]

    def _run(self, *arguments: str) -> tuple[float, str]:
        command = [sys.executable, "-m", "routectl", *arguments]
        process = subprocess.Popen(
            command, env=self._environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        assert process.stdout is not None
        output = process.stdout.read().decode()
        process.stdout.close()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode not in (0, 3):  # 3: the share misses its target
            sys.exit(f"routectl {' '.join(arguments)} ended with {process.returncode}")
        return usage.ru_utime + usage.ru_stime, output


COMMANDS = ("import", "score", "calibrate", "activate", "export")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("older", type=Path, help="a checkout of an older commit")
    parser.add_argument("--rows", type=int, default=60_000)
    parser.add_argument("--repetitions", type=int, default=9)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    times: dict[str, list[tuple[float, float]]] = {command: [] for command in COMMANDS}
    with tempfile.TemporaryDirectory() as name:
        log = Path(name) / "litellm.jsonl"
        write_log(log, arguments.rows, arguments.seed)
        older = Checkout(arguments.older.resolve(), Path(name) / "older.db", log)
        ours = Checkout(OURS, Path(name) / "ours.db", log)
        for repetition in range(arguments.repetitions + 1):
            older.reset()
            ours.reset()
            for command in COMMANDS:
                # Whoever comes second finds the log in memory, so they take turns.
                first, second = (older, ours) if repetition % 2 else (ours, older)
                pair = {first: first.seconds(command), second: second.seconds(command)}
                if repetition:  # the first run compiles
                    times[command].append((pair[older], pair[ours]))
    rows = []
    for command, pairs in times.items():
        theirs, mine = zip(*pairs, strict=True)
        ratios = [new / old for old, new in pairs]
        rows.append([command, *map(statistics.median, (theirs, mine, ratios))])
    print(tabulate(rows, headers=["command", "older, s", "this, s", "ratio"], floatfmt=".2f"))


if __name__ == "__main__":
    main()
