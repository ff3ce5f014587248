"""Draw hostile inputs for as long as asked, and say what they break.

    python benchmarks/hostile.py --seconds 600 --seed 7

The properties are those of tests/fuzz, which draw a few inputs, the same each time. What is found
here is mended, and stays as a test.
"""

from __future__ import annotations

import argparse
import sys
import time
import traceback
from itertools import cycle
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))  # the properties are part of the tests

from tests.fuzz.properties import PROPERTIES
from tests.fuzz.run import fuzz

ROUND = 5
"""Parts of a test's examples that are drawn before the next property has its turn."""


def attack(
    seconds: float, inputs: int, seed: int, names: list[str]
) -> tuple[dict[str, int], list[str]]:
    """Inputs that were drawn of each property, and what each that broke says.

    Args:
        seconds: after which no further round begins.
        inputs: in all, after which none begins either; 0 is no limit.
    """
    until = time.monotonic() + seconds
    drawn, broken = dict.fromkeys(names, 0), dict[str, str]()
    for number, name in enumerate(cycle(names)):
        enough = inputs and sum(drawn.values()) >= inputs
        if time.monotonic() >= until or enough or len(broken) == len(names):
            break
        if name in broken:
            continue
        check, examples = PROPERTIES[name]
        count = max(10, examples // ROUND)
        try:
            fuzz(check, count, derandomize=False, start=seed * 1_000_003 + number)
        except Exception:
            broken[name] = f"{name}, seed {seed}:\n{traceback.format_exc()}"
        drawn[name] += count
    return drawn, list(broken.values())


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--inputs", type=int, default=0, help="in all; 0 is no limit")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", action="append", choices=list(PROPERTIES))
    arguments = parser.parse_args()
    names = arguments.only or list(PROPERTIES)
    drawn, broken = attack(arguments.seconds, arguments.inputs, arguments.seed, names)
    for name, count in drawn.items():
        print(f"{name:20} {count:8,} inputs")
    print("".join(f"\n{sentence}" for sentence in broken), end="")
    print(f"{sum(drawn.values()):,} inputs, {len(broken)} properties broken")
    return int(bool(broken))


if __name__ == "__main__":
    raise SystemExit(main())
