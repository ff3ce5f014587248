"""The input of the old databases: logs, battles and benchmarks, all made up.

python inputs.py FOLDER
"""

from __future__ import annotations

import csv
import json
import sys
from pathlib import Path
from typing import Any

TASKS = (
    "Translate to French: the train to {} leaves at nine.",
    "What is the capital of {}?",
    "Write a haiku about the harbour of {}.",
    "List five things to pack for a week in {} in winter, and say why each matters.",
    "A ferry from {} makes 18 knots against a current of 3. How far does it get in 4 hours? "
    "Show each step.",
    "Compare the public transport of {} with that of a town of your choice: cost, frequency, "
    "coverage, and how each copes with a day of heavy snow. End with a table of the three largest "
    "differences.",
    "Write a Python function that reads the timetable of {} from a CSV file and returns the "
    "longest gap between two departures of one line. Handle times after midnight, and add a test.",
)
PLACES = ("Oslo", "Lisbon", "Tórshavn", "Gdańsk", "Porto", "Turku")
PROMPTS = [task.format(place) for place in PLACES for task in TASKS]
START = 1_790_000_000
HOUR = 3600


def record(number: int, prompt: str) -> dict[str, Any]:
    """One call as LiteLLM logs it: conversations of two calls, three teams, two model groups."""
    tokens_in, tokens_out = len(prompt) // 4, 40 + number * 53 % 400
    return {
        "id": f"chatcmpl-{number}",
        "litellm_call_id": f"call-{number}",
        "trace_id": f"trace-{number // 2}",
        "call_type": "acompletion",
        "status": "success",
        "cache_hit": False,
        "startTime": START + 5 * HOUR * number,
        "endTime": START + 5 * HOUR * number + 2,
        "model": "gpt-5",
        "model_group": "smart" if number % 4 else "batch",
        "prompt_tokens": tokens_in,
        "completion_tokens": tokens_out,
        "response_cost": round(tokens_in * 1.25e-6 + tokens_out * 1e-5, 9),
        "request_tags": ["env:prod"],
        "end_user": f"user-{number % 5}",
        "metadata": {
            "user_api_key_alias": f"key-{number % 3}",
            "user_api_key_team_alias": ("support", "search", "nightly")[number % 3],
        },
        "messages": [{"role": "user", "content": prompt}],
    }


def log(numbers: range) -> list[dict[str, Any]]:
    """Calls of these numbers. Some repeat a prompt, fail, come from the cache or have no text."""
    records = []
    for number in numbers:
        call = record(number, PROMPTS[number * 5 % len(PROMPTS)])
        if number % 11 == 3:
            failed = call | {"id": f"failed-{number}", "status": "failure", "response_cost": 0.0}
            records.append(failed)
        if number % 13 == 4:
            call |= {"cache_hit": True, "response_cost": 0.0}
        if number % 17 == 5:
            call |= {"messages": []}
        records.append(call)
    return records


def decided(numbers: range) -> list[dict[str, Any]]:
    """Calls whose log names the route that decided them, and what it decided."""
    records = []
    for number in numbers:
        call = record(number, PROMPTS[number * 5 % len(PROMPTS)])
        router = {
            "route": "smart",
            "activation": "a2",
            "decision": "strong" if number % 3 else "weak",
            "model": "gpt-5" if number % 3 else "gpt-5-mini",
            "score": number % 10 / 10,
            "reason": "threshold",
            "extraction_version": 2,
        }
        written = {"spend_logs_metadata": {"routectl": router}}
        records.append(call | {"metadata": call["metadata"] | written})
    return records


def battles() -> list[dict[str, str]]:
    """Which of two models answered better, for every third prompt."""
    winners = ("model_a", "model_b", "tie")
    return [
        {
            "prompt": prompt,
            "model_a": "gpt-4-1106-preview",
            "model_b": "mixtral-8x7b-instruct-v0.1",
            "winner": winners[number % 3],
        }
        for number, prompt in enumerate(PROMPTS[::3])
    ]


def benchmark(strong_model: str) -> list[list[Any]]:
    """A table of how good each model's answer was, for every prompt."""
    rows: list[list[Any]] = [["prompt", strong_model, "Mixtral-8x7B-Instruct-v0.1"]]
    rows += [[prompt, int(n % 5 > 0), int(n % 7 < 4)] for n, prompt in enumerate(PROMPTS)]
    return rows


def main(folder: Path) -> None:
    """Write the logs, the battles and the benchmarks."""
    files = {
        "first.jsonl": log(range(60)),
        "second.jsonl": log(range(60, 90)),
        "decided.jsonl": decided(range(90, 110)),
        "battles.jsonl": battles(),
    }
    for name, records in files.items():
        lines = (json.dumps(row, ensure_ascii=False) + "\n" for row in records)
        (folder / name).write_text("".join(lines), encoding="utf-8")
    for name, strong_model in (("known.csv", "gpt-4-1106-preview"), ("own.csv", "gpt-5")):
        with (folder / name).open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows(benchmark(strong_model))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
