"""Benchmark files that tests write."""

import csv
import gzip
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

STRONG, WEAK = "gpt-4-1106-preview", "mistralai/Mixtral-8x7B-Instruct-v0.1"


def write_csv(path: Path, rows: Sequence[Mapping[str, object]]) -> Path:
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    data = text.getvalue().encode()
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return path


def write_jsonl(path: Path, rows: Sequence[Mapping[str, object]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def own_benchmark(path: Path, rows: int = 24) -> Path:
    """Of two models: the longer a prompt, the likelier that only the strong one is right."""
    return write_csv(
        path,
        [
            {
                "prompt": f"question {n}: " + "why " * (n % 12),
                STRONG: int(n % 12 != 1),
                WEAK: int(n % 12 < 7),
            }
            for n in range(rows)
        ],
    )
