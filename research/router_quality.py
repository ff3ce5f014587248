"""How much of the gap between two models each shipped router recovers: `make -C research quality`.

    python research/router_quality.py --data DIR [--routers mf mf=DIR length ...]
        [--only mt_bench gsm8k mmlu] [--json FILE]

DIR holds `mmlu.csv.gz` and `gsm8k.csv.gz` (columns prompt and one per model, 1 or 0),
`mt_bench.jsonl` (turns, and scores by model and turn), and `<name>.contaminated.jsonl` with each:
prompts that are left out. These are RouteLLM's results of gpt-4-1106-preview and
Mixtral-8x7B-Instruct-v0.1. Left out too are the prompts in `mmlu_left_out.txt` next to this file:
those whose labels a router may have been trained on, and what resembles them (`split_mmlu.py`).

The tables have APGR, CPT(50%) and CPT(80%) with 95 % bootstrap intervals over prompts; every router
is judged on the same draws. `random` is its expectation, which is exact, and `paper` the best
figure of RouteLLM's table for that benchmark (arXiv 2406.18665). A router that embeds gets its
vectors from one cache, so that each prompt is embedded once; one that scores fewer than
--fast-enough prompts a second is judged on a fixed random 2,000 prompts of a longer benchmark.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from routectl.checkpoint import named_checkpoint
from routectl.evaluation.bootstrap import bootstrap
from routectl.evaluation.metrics import APGR, Metric, cpt_at
from routectl.extraction import extract
from routectl.preferences.contamination import read_benchmark_prompts
from routectl.records import RouterSpec
from routectl.routers import Router, names, open_spec
from routectl.tables import Row, read_rows

STRONG, WEAK = "gpt-4-1106-preview", "mistralai/Mixtral-8x7B-Instruct-v0.1"
BENCHMARKS = {"mt_bench": "mt_bench.jsonl", "gsm8k": "gsm8k.csv.gz", "mmlu": "mmlu.csv.gz"}
PAPER = {"mt_bench": 0.802, "gsm8k": 0.622, "mmlu": 0.603}
"""The best APGR that RouteLLM reports, of any of its routers and training sets."""
NOT_DEFAULTS = (
    "mf=mf_6",
    "mf=mf_8",
    "sw_ranking=sw_ranking_2",
    "bert=bert_4",
)
"""Checkpoints that ship and that the default routers do not score with."""
METRICS = (APGR, cpt_at(0.5), cpt_at(0.8))
LEFT_OUT = Path(__file__).with_name("mmlu_left_out.txt")
SUBSET, SUBSET_SEED = 2000, 0
_TRIAL = 32
"""Prompts that are scored to find out how fast a router is."""


@dataclass(frozen=True)
class Benchmark:
    """Prompts and the quality of the two models' answers, shape (n,) each."""

    prompts: list[str]
    strong: NDArray[np.float64]
    weak: NDArray[np.float64]

    def rows(self, wanted: NDArray[np.intp]) -> Benchmark:
        return Benchmark([self.prompts[i] for i in wanted], self.strong[wanted], self.weak[wanted])


def prompt_digest(prompt: str) -> str:
    """SHA-256 of a prompt, in hexadecimal: how `mmlu_left_out.txt` names it."""
    return hashlib.sha256(prompt.encode()).hexdigest()


def read(folder: Path, name: str) -> Benchmark:
    """A benchmark without its contaminated prompts and those that a router may have learned."""
    contaminated = set(read_benchmark_prompts(folder / f"{name}.contaminated.jsonl"))
    left_out = set(LEFT_OUT.read_text(encoding="ascii").split()) if LEFT_OUT.exists() else set()
    prompts, strong, weak = [], [], []
    for row in read_rows(folder / BENCHMARKS[name])[1]:
        turns = row.values.get("turns")
        prompt = extract(turns[:1] if turns else row.text("prompt"))
        if prompt is None or prompt in contaminated or prompt_digest(prompt) in left_out:
            continue
        prompts.append(prompt)
        strong.append(quality(row, STRONG))
        weak.append(quality(row, WEAK))
    return Benchmark(prompts, np.array(strong), np.array(weak))


def quality(row: Row, model: str) -> float:
    """1 or 0 where the answer is right or wrong; the mean over turns where a judge gave points."""
    if "scores" in row.values:
        return statistics.fmean(row.values["scores"][model].values())
    return row.number(model)


class SharedVectors:
    """An embedder that remembers, put before the routers that embed: a prompt is embedded once."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str], NDArray[np.float32]] = {}

    def serve(self, router: Router) -> Router:
        """The router with its embedder's `embed` behind the memory; one without stays as it is."""
        embedder = getattr(router, "_embedder", None)
        if embedder is None or not hasattr(embedder, "embed"):
            return router
        plain = type(embedder).embed

        def embed(texts: Sequence[str], **options: int) -> NDArray[np.float32]:
            key = embedder.digest
            unknown = [text for text in dict.fromkeys(texts) if (key, text) not in self._known]
            if unknown:
                vectors = plain(embedder, unknown, **options)
                self._known.update(
                    ((key, text), vector) for text, vector in zip(unknown, vectors, strict=True)
                )
            return np.stack([self._known[(key, text)] for text in texts])

        embedder.embed = embed
        return router


def load_routers(specifications: Sequence[str]) -> dict[str, Router]:
    """The routers by what is said of them: NAME for what ships, or NAME=CHECKPOINT."""
    shared = SharedVectors()
    routers = {}
    for specification in specifications:
        name, _, checkpoint = specification.partition("=")
        opened = open_spec(RouterSpec(name, named_checkpoint(checkpoint) if checkpoint else None))
        routers[specification] = shared.serve(opened.load())
    return routers


def scores_of(
    router: Router, benchmark: Benchmark, subset: NDArray[np.intp], fast_enough: float
) -> NDArray[np.float64] | None:
    """Scores of all prompts, NaN outside the subset where the router is too slow for all."""
    count = len(benchmark.prompts)
    wanted = np.arange(count)
    if len(subset) < count:
        started = time.perf_counter()
        router.strong_win_rates([benchmark.prompts[i] for i in subset[:_TRIAL]])
        if _TRIAL / (time.perf_counter() - started) < fast_enough:
            wanted = subset
    scores = np.full(count, np.nan)
    scores[wanted] = router.strong_win_rates([benchmark.prompts[i] for i in wanted])
    return scores


def judge(
    name: str, benchmark: Benchmark, routers: dict[str, Router], fast_enough: float
) -> list[dict[str, object]]:
    """A row for each router: its figures on the benchmark, and how it compares with `length`."""
    generator = np.random.default_rng(SUBSET_SEED)
    count = len(benchmark.prompts)
    subset = np.sort(generator.choice(count, min(SUBSET, count), replace=False))
    by_router = {
        label: scores_of(router, benchmark, subset, fast_enough)
        for label, router in routers.items()
        if label != "random"
    }
    rows: list[dict[str, object]] = []
    whole = {k: v for k, v in by_router.items() if np.isfinite(v).all()}
    partly = {k: v[subset] for k, v in by_router.items() if k not in whole}
    for prompts, group in ((benchmark, whole), (benchmark.rows(subset), partly)):
        if not group:
            continue
        if "length" in by_router and "length" not in group:
            group["length"] = by_router["length"][subset]
        drawn = bootstrap(group, prompts.strong, prompts.weak, metrics=METRICS)
        for label in group:
            if label == "length" and group is partly:
                continue
            row: dict[str, object] = {
                "benchmark": name,
                "router": label,
                "prompts": len(prompts.prompts),
            }
            for metric in METRICS:
                estimate = drawn.estimate(label, metric)
                row[str(metric)] = (estimate.value, estimate.low, estimate.high)
            if "length" in group and label != "length":
                difference = drawn.compare(label, "length")
                row["less length"] = (difference.difference, difference.low, difference.high)
            rows.append(row)
    return rows


def shown(value: object) -> str:
    if not isinstance(value, tuple):
        return "" if value is None else str(value)
    middle, low, high = ("never" if v is None or math.isinf(v) else f"{v:.3f}" for v in value)
    return f"{middle} ({low} to {high})"


def columns() -> list[str]:
    return ["router", "prompts", *map(str, METRICS), "APGR less length's"]


def print_table(name: str, rows: list[dict[str, object]]) -> None:
    print(f"\n### {name}\n")
    print("| " + " | ".join(columns()) + " |")
    print("|" + "---|" * len(columns()))
    for row in rows:
        cells = [row["router"], f"{row['prompts']:,}", *(row[str(m)] for m in METRICS)]
        print("| " + " | ".join(shown(c) for c in (*cells, row.get("less length"))) + " |")
    expected = " | ".join(shown(metric_of_random(metric)) for metric in METRICS)
    print(f"| random, its expectation | all | {expected} | |")
    print(f"| paper's best | | {PAPER[name]:.3f} |" + " |" * len(METRICS), flush=True)


def metric_of_random(metric: Metric) -> str:
    """A coin recovers, on average, x of the gap with x of the calls."""
    return f"{ {str(APGR): 0.5, str(METRICS[1]): 0.5, str(METRICS[2]): 0.8}[str(metric)]:.3f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument(
        "--routers", nargs="+", metavar="NAME[=CHECKPOINT]", help="else every shipped router"
    )
    parser.add_argument("--only", nargs="+", choices=BENCHMARKS, default=list(BENCHMARKS))
    parser.add_argument("--fast-enough", type=float, default=20, metavar="PROMPTS_PER_SECOND")
    parser.add_argument("--json", type=Path, help="write the figures there too")
    arguments = parser.parse_args()
    routers = load_routers(arguments.routers or (*names(), *NOT_DEFAULTS))
    everything = []
    for name in arguments.only:
        benchmark = read(arguments.data, name)
        rows = judge(name, benchmark, routers, arguments.fast_enough)
        print_table(name, rows)
        everything.extend(rows)
    saw = [label for label, router in routers.items() if learned_mmlu(router)]
    print(f"\nTrained with 1,500 labels of MMLU, which are left out here: {', '.join(saw) or '-'}")
    if arguments.json:
        arguments.json.write_text(json.dumps(everything, indent=1) + "\n", encoding="utf-8")


def learned_mmlu(router: Router) -> bool:
    """Whether the strong model of MMLU's results is the router's: only they bring it in."""
    pair = router.identity.model_pair
    return pair is not None and pair.strong == STRONG


if __name__ == "__main__":
    main()
