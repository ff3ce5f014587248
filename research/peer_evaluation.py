"""RouteLLM's own evaluation, for `published_evaluation.py`; runs in an environment of its own.

    PEER/bin/python research/peer_evaluation.py FOLDER

FOLDER holds the benchmarks in the layout of RouteLLM's repository, and `scores.json`: by benchmark,
by router, by prompt. What is patched: where the package looks for its benchmarks; the controller,
which hands over the given scores instead of running a router; `print`, to take the figures before
they are rounded; and the last call, which the package makes with a model's name where its function
takes the pair, and crashes.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

os.environ["OPENAI_API_KEY"] = "unused"
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"

import pandas as pd
from routellm.controller import ModelPair
from routellm.evals import benchmarks, evaluate

PAIR = ModelPair(strong="gpt-4-1106-preview", weak="mistralai/Mixtral-8x7B-Instruct-v0.1")


class GivenScores:
    """Answers as the package's controller does."""

    def __init__(self, scores: dict[str, dict[str, float]]) -> None:
        self._scores = scores

    def batch_calculate_win_rate(self, prompts: Any, router: str) -> Any:
        return prompts.map(self._scores[router])


def benchmark(name: str, folder: Path) -> Any:
    if name == "mmlu":
        stems = sorted(path.stem for path in (folder / "mmlu" / "responses").glob("*.csv"))
        return benchmarks.MMLU([stem.removeprefix("mmlu_") for stem in stems], PAIR, [])
    return {"gsm8k": benchmarks.GSM8K, "mt_bench": benchmarks.MTBench}[name](PAIR, [])


def figures(name: str, folder: Path, scores: dict[str, dict[str, float]]) -> list[dict[str, Any]]:
    judged = benchmark(name, folder)
    rows = [
        {
            "method": router,
            "threshold": threshold,
            "strong_percentage": counts.get(PAIR.strong, 0) / total * 100,
            "accuracy": accuracy,
        }
        for router in scores
        for threshold, accuracy, counts, total in judged.evaluate(
            GivenScores(scores), router, 10, True
        )
    ]
    said: list[Any] = []
    evaluate.print = lambda *what: said.extend(what)
    evaluate.generate_results(pd.DataFrame(rows), judged, name, PAIR, str(folder))
    found = next(each for each in said if isinstance(each, pd.DataFrame))
    return json.loads(found.to_json(orient="records", double_precision=15))


def main() -> None:
    folder = Path(sys.argv[1])
    benchmarks.CURRENT_DIR = str(folder)
    scores = json.loads((folder / "scores.json").read_text())
    found = {name: figures(name, folder, by_router) for name, by_router in scores.items()}
    (folder / "peer.json").write_text(json.dumps(found))


if __name__ == "__main__":
    main()
