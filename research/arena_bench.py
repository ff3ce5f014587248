"""The judged answers of Arena-Bench as a gold table: what people typed, and scores from 1 to 10.

    python research/arena_bench.py --repository DIR --output arena_bench.csv

Arena-Bench is what Arena-Hard (github.com/lm-sys/arena-hard-auto, Apache-2.0) was in December
2023: 300 questions that people typed into Chatbot Arena, the answers of 15 models to each, and
GPT-4's score for each answer, given a reference. Its last commit with them is `COMMIT`; DIR is a
clone of the repository with its history. The table has the columns `task` and `prompt` and one per
model, a blank where the judge gave no score. All trained routers that ship learned from it, or from
a router that did (see the Makefile in this folder).
"""

from __future__ import annotations

import argparse
import csv
from pathlib import Path
from typing import Any

from at_commit import AtCommit

COMMIT = "4a705dd6963f777aba2ae79259e3013934e6e012"
FOLDER = "data/arena-bench-v1"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repository", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)
    arguments = parser.parse_args()
    judged = f"{FOLDER}/model_judgment/"
    clone = AtCommit(arguments.repository, COMMIT)
    scores_of: dict[str, dict[str, Any]] = {}
    for name in clone.names(judged):
        for row in clone.lines(name):
            model = str(row["model"]).rpartition("/")[2]
            scores_of.setdefault(model, {})[row["question_id"]] = row["score"]
    models = sorted(scores_of, key=str.lower)
    questions = clone.lines(f"{FOLDER}/question.jsonl")
    with arguments.output.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["task", "prompt", *models])
        for row in questions:
            scores = [scores_of[model].get(row["question_id"]) for model in models]
            blank = ["" if score is None else score for score in scores]
            writer.writerow(["arena_bench", row["turns"][0], *blank])
    print(f"{arguments.output}: {len(models)} models: {', '.join(models)}")


if __name__ == "__main__":
    main()
