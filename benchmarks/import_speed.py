"""`routectl import` of LiteLLM JSONL, compared with orjson alone, which parses the same lines.

    python benchmarks/import_speed.py [--requests 40000] [--log FILE]

Without --log a log is made in the shape of LiteLLM's own records, with every key that they have.
Both run in one process, in turn, each import into a new database; processor and wall time, the best
of several: on a shared machine, the rest says what else ran. An import reads and writes on two
threads, so its wall time needs a second core that is free. The last line: what plain writing of the
same rows takes, which lie ready in memory: `sqlite3.executemany`, one transaction a batch.
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import io
import json
import random
import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path

import orjson

from routectl.cli.app import run
from routectl.extraction import EXTRACTION_VERSION
from routectl.request import TrafficRequest
from routectl.store.batches import Batch, Columns, prepare
from routectl.traffic import ImportCounts, open_source, read
from routectl.workflow.importing.writing import BATCH, TRANSACTION

REPEATS = 7
WORDS = (
    "the",
    "report",
    "says",
    "that",
    "our",
    "order",
    "for",
    "twelve",
    "parts",
    "has",
    "not",
    "been",
)


def record(number: int, rng: random.Random) -> dict[str, object]:
    """One call, with the keys that a StandardLoggingPayload of LiteLLM's proxy has."""
    prompt = " ".join(rng.choices(WORDS, k=rng.randint(5, 120))) + f" ({number})"
    answer = " ".join(rng.choices(WORDS, k=rng.randint(20, 250)))
    tokens_in, tokens_out = len(prompt) // 4, len(answer) // 4
    cost = tokens_in * 2.5e-6 + tokens_out * 1e-5
    usage = {"completion_tokens": tokens_out, "prompt_tokens": tokens_in}
    blank = dict.fromkeys(
        [
            "user_api_key_org_id",
            "user_api_key_user_id",
            "user_api_key_user_email",
            "spend_logs_metadata",
            "requester_ip_address",
            "requester_metadata",
            "prompt_management_metadata",
            "applied_guardrails",
            "mcp_tool_call_metadata",
            "vector_store_request_metadata",
            "guardrail_information",
        ]
    )
    return {
        "id": f"chatcmpl-{rng.getrandbits(128):032x}",
        "trace_id": f"{rng.getrandbits(128):032x}",
        "litellm_call_id": f"{rng.getrandbits(128):032x}",
        "call_type": "acompletion",
        "cache_hit": None,
        "stream": True,
        "status": "success",
        "custom_llm_provider": "openai",
        "saved_cache_cost": 0.0,
        "startTime": 1.79e9 + number,
        "endTime": 1.79e9 + number + 1.5,
        "completionStartTime": 1.79e9 + number + 0.4,
        "response_time": 1.1,
        "model": "gpt-4o",
        "metadata": {
            "user_api_key_hash": f"{rng.getrandbits(256):064x}",
            "user_api_key_alias": "web",
            "user_api_key_team_id": "team-1",
            "user_api_key_team_alias": "support",
            "usage_object": usage,
            **blank,
        },
        "cache_key": None,
        "response_cost": cost,
        "total_tokens": tokens_in + tokens_out,
        "prompt_tokens": tokens_in,
        "completion_tokens": tokens_out,
        "request_tags": ["app:web"],
        "end_user": f"{rng.getrandbits(96):024x}",
        "api_base": "https://llm.example.com/v1",
        "model_group": "smart",
        "model_id": f"{rng.getrandbits(256):064x}",
        "requester_ip_address": None,
        "messages": [
            {"role": "system", "content": "You help our customers. " * 20},
            {"role": "user", "content": prompt},
        ],
        "response": {
            "id": "chatcmpl",
            "created": 1790000000,
            "model": "gpt-4o",
            "object": "chat.completion",
            "choices": [{"finish_reason": "stop", "message": {"content": answer}}],
            "usage": usage,
        },
        "model_parameters": {"temperature": 0.2, "max_tokens": 800, "stream": True},
        "hidden_params": {"response_cost": cost, "additional_headers": {}, "batch_models": None},
        "model_map_information": {
            "model_map_key": "gpt-4o",
            "model_map_value": {"key": "gpt-4o", "input_cost_per_token": 2.5e-06, "mode": "chat"},
        },
        "error_str": None,
        "error_information": {"error_code": "", "error_class": "", "traceback": ""},
        "guardrail_information": None,
    }


def import_once(log: Path) -> tuple[float, float]:
    """Processor and wall seconds of one import into a new database."""
    with tempfile.TemporaryDirectory() as folder:
        database = Path(folder) / "routectl.db"
        return timed(lambda: _import(log, database))


def _import(log: Path, database: Path) -> None:
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        assert run(["import", str(log), "--format", "litellm", "--db", str(database)]) == 0


def parse_once(log: Path) -> tuple[float, float]:
    """Processor and wall seconds of orjson on the same lines."""
    lines = log.read_bytes().splitlines()
    return timed(lambda: [orjson.loads(line) and None for line in lines])


def read_once(log: Path) -> tuple[float, float]:
    """Processor and wall seconds of reading the same log, without a database."""
    return timed(lambda: sum(1 for _ in _requests(log)), collecting=False)


def prepare_once(log: Path) -> tuple[float, float]:
    """Processor and wall seconds of reading it and making rows and digests of what was read."""
    return timed(lambda: _prepare(log), collecting=False)


def _prepare(log: Path) -> None:
    requests = _requests(log)
    while batch := list(islice(requests, BATCH)):
        prepare(batch, weight=1.0, extraction_version=EXTRACTION_VERSION)


def write_once(log: Path) -> tuple[float, float]:
    """Processor and wall seconds of `sqlite3.executemany` alone, of an import's rows."""
    requests = _requests(log)
    batches = []
    while batch := list(islice(requests, BATCH)):
        batches.append(prepare(batch, weight=1.0, extraction_version=EXTRACTION_VERSION))
    with tempfile.TemporaryDirectory() as folder:
        database = Path(folder) / "routectl.db"
        with contextlib.redirect_stdout(io.StringIO()):
            assert run(["init", "--db", str(database)]) == 0
        with contextlib.closing(sqlite3.connect(database, isolation_level=None)) as raw:
            raw.execute("PRAGMA synchronous=NORMAL")
            return timed(lambda: _write(raw, batches), collecting=False)


def _write(raw: sqlite3.Connection, batches: Sequence[Batch]) -> None:
    for start in range(0, len(batches), TRANSACTION):
        raw.execute("BEGIN")
        for batch in batches[start : start + TRANSACTION]:
            _write_batch(raw, batch)
        raw.execute("COMMIT")


def _write_batch(raw: sqlite3.Connection, batch: Batch) -> None:
    first = 1 + (raw.execute("SELECT max(id) FROM prompts").fetchone()[0] or 0)
    ids = {digest: id for id, digest in enumerate(batch.prompts["digest"], start=first)}
    columns = dict(batch.alone)
    del columns["call_id"]
    columns["prompt_id"] = list(map(ids.get, columns.pop("digest")))
    columns["sample_id"] = [1] * len(columns["prompt_id"])
    _insert(raw, "prompts", batch.prompts)
    _insert(raw, "requests", columns)


def _insert(raw: sqlite3.Connection, table: str, columns: Columns) -> None:
    places = ", ".join("?" * len(columns))
    rows = zip(*columns.values(), strict=True)
    raw.executemany(f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({places})", rows)


def _requests(log: Path) -> Iterator[TrafficRequest]:
    counts = ImportCounts()
    with open_source(str(log)) as source:
        yield from read(source, format="litellm", on_reject=lambda _: None, counts=counts)


def in_turn(
    log: Path, *kinds: Callable[[Path], tuple[float, float]]
) -> list[list[tuple[float, float]]]:
    """Times of each kind of run, several of each."""
    found = [[once(log) for once in kinds] for _ in range(REPEATS)]
    return [list(of_kind) for of_kind in zip(*found, strict=True)]


def timed(work: Callable[[], object], *, collecting: bool = True) -> tuple[float, float]:
    """Processor and wall seconds of a call; an import hardly collects garbage, nor do its parts."""
    if not collecting:
        gc.disable()
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    taken = time.process_time() - cpu, time.perf_counter() - wall
    gc.enable()
    return taken


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--requests", type=int, default=40_000)
    parser.add_argument("--log", type=Path)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        log = arguments.log
        if log is None:
            log = Path(folder) / "litellm.jsonl"
            rng = random.Random(0)
            with log.open("w") as file:
                for number in range(arguments.requests):
                    file.write(json.dumps(record(number, rng)) + "\n")
        import_once(log)
        # The parts come after what is compared: the memory that they leave behind slows an import.
        runs = in_turn(log, import_once, parse_once)
        parts = in_turn(log, read_once, prepare_once, write_once)
        size = log.stat().st_size
    for name, at in (("processor", 0), ("wall", 1)):
        ours, peer = (min(each[at] for each in found) for found in runs)
        reading, preparing, writing = (min(each[at] for each in found) for found in parts)
        print(
            f"{name:9} import {ours:.2f} s   orjson {peer:.2f} s   ratio {ours / peer:.1f} "
            "(at most 4 is wanted)"
        )
        if name == "processor":
            print(
                f"{'':9} of that: reading {reading / peer:.1f}, rows and digests "
                f"{(preparing - reading) / peer:.1f}, the database {(ours - preparing) / peer:.1f}"
            )
        print(f"{'':9} sqlite3.executemany of the same rows, nothing read: {writing / peer:.1f}")
    print(f"log of {size / 1e6:.0f} MB")


if __name__ == "__main__":
    main()
