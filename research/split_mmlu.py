"""Split MMLU's results into 1,500 labels to learn from and the rest to be judged on.

    python research/split_mmlu.py --data DIR --output DIR

The paper trains with about 1,500 gold labels of MMLU (RouteLLM, section 4.1) and judges on the
rest, and so do the checkpoints that ship. DIR/mmlu.csv.gz is read; contaminated prompts and all but
the first of equal ones are set aside; of the others, in the order of the file, NumPy's generator
with seed 0 draws 1,500 without replacement. Written to the output folder:

- `mmlu_labels.csv.gz`: the 1,500 rows, for `routectl train --gold`
- `mmlu_rest.csv.gz`: the rows to be judged on, for `--benchmark`. Those that resemble one of the
  1,500 (`contamination.SIMILAR`) are in neither file

and, next to this script, `mmlu_left_out.txt`: SHA-256 digests of the 1,500 prompts and of those
that resemble them, one a line, sorted. It holds no text, and `router_quality.py` leaves them out.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from router_quality import LEFT_OUT, prompt_digest

from routectl.embedding import open_embedder
from routectl.preferences.contamination import SIMILAR, read_benchmark_prompts
from routectl.similarity import nearest
from routectl.tables import read_rows

LABELS, SEED = 1500, 0


def write_rows(path: Path, rows: Sequence[dict[str, Any]]) -> None:
    """A gzipped CSV whose bytes depend on the rows alone."""
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    path.write_bytes(gzip.compress(text.getvalue().encode(), mtime=0))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)
    arguments = parser.parse_args()
    rows = [dict(row.values) for row in read_rows(arguments.data / "mmlu.csv.gz")[1]]
    contaminated = set(read_benchmark_prompts(arguments.data / "mmlu.contaminated.jsonl"))
    first: dict[str, int] = {}
    for index, row in enumerate(rows):
        if row["prompt"] not in contaminated:
            first.setdefault(row["prompt"], index)
    candidates = np.sort(np.fromiter(first.values(), np.int64))
    chosen = np.sort(np.random.default_rng(SEED).choice(candidates, LABELS, replace=False))
    embedder = open_embedder()
    vectors = embedder.embed([row["prompt"] for row in rows])
    left_out = nearest(vectors, vectors[chosen]).cosine >= SIMILAR
    arguments.output.mkdir(parents=True, exist_ok=True)
    write_rows(arguments.output / "mmlu_labels.csv.gz", [rows[index] for index in chosen])
    rest = [row for row, out in zip(rows, left_out, strict=True) if not out]
    write_rows(arguments.output / "mmlu_rest.csv.gz", rest)
    digests = {prompt_digest(rows[index]["prompt"]) for index in np.flatnonzero(left_out)}
    LEFT_OUT.write_text("".join(f"{digest}\n" for digest in sorted(digests)), encoding="ascii")
    print(
        f"{LABELS:,} labels; {left_out.sum() - LABELS:,} other rows resemble one of them and are "
        f"left out too; {len(rest):,} rows to be judged on, contaminated ones among them"
    )


if __name__ == "__main__":
    main()
