"""GPT-4's verdicts on answers to open questions, as battles.

    python research/qlora_verdicts.py --repository DIR --output verdicts.csv

The evaluation of QLoRA (github.com/artidoro/qlora, MIT) asked seven models what people had asked in
the validation part of OpenAssistant (Apache-2.0), eight models the 80 questions of Vicuna's
benchmark (Apache-2.0), and GPT-4 which of two answers is better, for each two models in both
orders. DIR is a clone. A verdict that names no answer is left out, and so is a question that goes
on from an earlier turn, because a router sees the last one alone.
"""

from __future__ import annotations

import argparse
import csv
from collections import Counter
from pathlib import Path
from typing import Any

from at_commit import AtCommit

COMMIT = "7f4e95a68dc076bea9b3a413d2b512eca6d004e5"
WINNERS = {1: "model_a", 2: "model_b", 3: "tie"}
HUMAN, ASSISTANT = "### Human:", "### Assistant:"
NAMES = {
    "gpt-4": "gpt-4-0314",
    "answer-gpt4": "gpt-4-0314",
    "gpt-3.5": "gpt-3.5-turbo-0301",
    "answer-gpt35": "gpt-3.5-turbo-0301",
    "answer-bard": "bard",
    "answer-vicuna-13b": "vicuna-13b",
}
"""OpenAI's models by the versions of May 2023, when they were asked."""


def questions(clone: AtCommit) -> dict[str, dict[Any, str]]:
    """Of each of the two sets, by the name under which the verdicts have them."""
    asked: dict[Any, str] = {}
    for row in clone.lines("eval/prompts/oa_questions.jsonl"):
        text = row["input"]
        if text.count(HUMAN) == 1:
            asked[row["message_id"]] = text.partition(HUMAN)[2].rpartition(ASSISTANT)[0].strip()
    vicuna = clone.lines("eval/prompts/vicuna_questions.jsonl")
    return {
        "oa": asked,
        "vicuna/pairwise": {row["question_id"]: row["text"].strip() for row in vicuna},
    }


def model(file_name: str) -> str:
    name = file_name.partition("-oa-")[0].partition("-vicuna-generations")[0]
    return NAMES.get(name, name)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repository", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)
    arguments = parser.parse_args()
    clone = AtCommit(arguments.repository, COMMIT)
    prompts: set[str] = set()
    verdicts: Counter[str] = Counter()
    models: set[str] = set()
    with arguments.output.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["prompt", "model_a", "model_b", "winner"])
        for folder, asked in questions(clone).items():
            judged = f"eval/ratings-gpt4/{folder}/"
            for path in clone.names(judged):
                pair = [model(name) for name in path.rpartition("/")[2].split("-vs-")]
                pair[1] = pair[1].removesuffix("-gpt-4-reviewer-threeclass.jsonl")
                pair[1] = NAMES.get(pair[1], pair[1])
                models.update(pair)
                for row in clone.lines(path):
                    prompt = asked.get(row["message_id" if folder == "oa" else "question_id"])
                    winner = WINNERS.get(row["score"])
                    if prompt and winner:
                        writer.writerow([prompt, *pair, winner])
                        prompts.add(prompt)
                        verdicts[winner] += 1
    print(
        f"{arguments.output}: {sum(verdicts.values()):,} verdicts on {len(prompts)} questions, "
        f"{verdicts['tie']:,} of them ties; models: {', '.join(sorted(models))}"
    )


if __name__ == "__main__":
    main()
