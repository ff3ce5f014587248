"""What a calibration reads of a random population is what a plain loop over its rows finds."""

from __future__ import annotations

import random
from collections import Counter
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest
from sqlalchemy import insert

from routectl.records import Condition, Population, RouterIdentity, RouterSpec
from routectl.store.engine import Store
from routectl.store.models import Prompt, Request, Sample
from routectl.store.populations import overview
from routectl.store.scores import Models, add_router, add_scores, scored_requests

SINCE = datetime(2026, 1, 1, tzinfo=UTC)
ROUTER = RouterIdentity("length", "f" * 64, None, 0.0, {})
POPULATIONS = {
    "all": (Population(), lambda row: True),
    "one group": (
        Population(where=(Condition("model_group", "=", "smart"),)),
        lambda row: row["model_group"] == "smart",
    ),
    "no failures": (
        Population(where=(Condition("status", "!=", "failure"),)),
        lambda row: row["status"] != "failure",
    ),
    "nothing": (Population(where=(Condition("team", "=", "none"),)), lambda row: False),
}


def random_requests(count: int) -> list[dict[str, Any]]:
    draw = random.Random(4)
    rows = []
    for number in range(count):
        prompt = draw.choice([None, *range(1, 200)])
        rows.append(
            {
                "id": number * 3 + 1,
                "sample_id": draw.choice([1, 2]),
                "source_kind": "text",
                "source_id": str(number),
                "prompt_id": prompt,
                "exclusion": draw.choice(["no_text", "truncated"]) if prompt is None else None,
                "weight": draw.choice([1.0, 10 / 3, 400.5]),
                "extraction_version": draw.choice([1, 1, 1, 2]),
                "time": draw.choice([None, 1.79e9 + draw.random()]),
                "model_group": draw.choice([None, "smart", "fast"]),
                "status": draw.choice([None, "success", "failure"]),
                "cache_hit": draw.choice([None, True, False]),
                "conversation_key": draw.choice([None, draw.getrandbits(63)]),
                "tokens_in": draw.choice([None, draw.randrange(9_000)]),
                "tokens_out": draw.choice([None, 0, 50]),
                "cost": draw.choice([None, 0.0, draw.random() ** 8]),
            }
        )
    return rows


@pytest.mark.parametrize("name", POPULATIONS)
def test_reading_a_random_population_finds_what_its_rows_hold(store: Store, name: str) -> None:
    population, holds = POPULATIONS[name]
    rows = random_requests(1_000)
    scores = {id: random.Random(id).random() ** 3 for id in range(1, 190)}
    longer = {id for id in scores if id % 7 == 0}
    with store.write() as connection:
        sample = {"source": "s", "source_kind": "text", "population": {}, "seen": 1, "kept": 1}
        sample |= {"counts": {}, "extraction_version": 1, "created_at": SINCE}
        connection.execute(insert(Sample), [sample | {"id": id} for id in (1, 2, 3)])
        prompts = [{"id": id, "digest": str(id), "text": "x", "length": 1} for id in range(1, 200)]
        connection.execute(insert(Prompt), prompts)
        connection.execute(insert(Request), rows)
        router = add_router(connection, ROUTER, RouterSpec(ROUTER.name), {})
        ids = list(scores)
        add_scores(connection, router, ids, list(scores.values()), [id in longer for id in ids])
    with store.read() as connection:
        found = overview(connection, population, 1)
    read = scored_requests(store, router, population, 1, models=Models((), ()))
    assert scored_requests(store, router, population, 1).tokens_out is None

    members = [row for row in rows if holds(row)]
    current = [row for row in members if row["extraction_version"] == 1]

    def weights(field: str, among: list[dict[str, Any]]) -> dict[Any, Any]:
        totals: Counter[Any] = Counter()
        for row in among:
            totals[row[field]] += row["weight"]
        return pytest.approx(dict(totals))

    def total_of(field: str, value: object) -> Any:
        return pytest.approx(sum(row["weight"] for row in current if row[field] == value))

    assert found.requests == len(current)
    assert found.other_versions == len(members) - len(current)
    assert found.with_prompt == sum(row["prompt_id"] is not None for row in current)
    assert found.weight == pytest.approx(sum(row["weight"] for row in current))
    assert found.sample_ids == sorted({row["sample_id"] for row in current})
    assert found.model_groups == weights("model_group", current)
    assert found.excluded == weights("exclusion", [r for r in current if r["prompt_id"] is None])
    assert found.failures == total_of("status", "failure")
    assert found.cache_hits == total_of("cache_hit", True)

    scored = [row for row in current if row["prompt_id"] in scores]

    def same(array: np.ndarray, values: list[Any]) -> None:
        np.testing.assert_array_equal(array, np.array(values, dtype=array.dtype))

    same(read.prompts, [row["prompt_id"] for row in scored])
    same(read.win_rates, [scores[row["prompt_id"]] for row in scored])
    same(read.longer_than_read, [row["prompt_id"] in longer for row in scored])
    same(read.weights, [row["weight"] for row in scored])
    conversations = [row["conversation_key"] for row in scored]
    same(read.conversations, [-1 if key is None else key for key in conversations])
    same(read.times, [np.nan if row["time"] is None else row["time"] for row in scored])
    same(read.spend, [np.nan if row["cost"] is None else row["cost"] for row in scored])
    counts = [(row["tokens_in"], row["tokens_out"]) for row in scored]
    same(read.tokens, [np.nan if None in pair else sum(pair) for pair in counts])
    assert read.tokens_out is not None
    same(read.tokens_out, [np.nan if None in pair else pair[1] for pair in counts])
