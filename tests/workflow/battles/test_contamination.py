"""`battles contamination`: near-duplicates are found by meaning, and the rest stays as it was."""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import json
from pathlib import Path

import pytest

from routectl.preferences.battles import read_battles
from routectl.preferences.gold import read_gold
from tests.cli.test_bad_input import one_sentence
from tests.conftest import Routectl
from tests.workflow.battles.test_battles import write_votes

ASKED = "A train travels 60 miles in 2 hours. What is its average speed in miles per hour?"
NEARLY = "A train travels 60 miles in 2 hours. What is the average speed, in miles per hour?"
OTHER = "Write a short poem about the sea in autumn."


@pytest.fixture
def benchmark(tmp_path: Path) -> Path:
    path = tmp_path / "benchmark.jsonl"
    rows = [{"turns": ["Name three rivers in France.", "And in Spain?"]}, {"turns": [ASKED]}]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


VOTES = [
    (OTHER, "big", "small", "tie"),
    (NEARLY, "big", "small", "model_a"),
    (ASKED, "small", "big", "model_a"),
]


def test_near_duplicates_are_removed_and_told_without_their_texts(
    routectl: Routectl, tmp_path: Path, benchmark: Path
) -> None:
    votes = write_votes(tmp_path / "votes.jsonl", VOTES)
    clean, pairs = tmp_path / "clean.jsonl.gz", tmp_path / "pairs.jsonl"
    result = routectl(
        "battles", "contamination", votes, "--against", benchmark, "-o", clean, "--pairs", pairs
    )
    assert result.code == 0, result.err
    assert "2 of 3 rows" in result.out
    assert gzip.decompress(clean.read_bytes()) == votes.read_bytes().splitlines(True)[0]
    found = sorted(
        (json.loads(line) for line in pairs.read_text().splitlines()),
        key=lambda pair: pair["cosine"],
    )
    assert [pair["rows"] for pair in found] == [
        [{"file": str(votes), "line": 2}],
        [{"file": str(votes), "line": 3}],
    ]
    assert 0.95 <= found[0]["cosine"] < found[1]["cosine"] == 1.0
    assert found[1]["digest"] == hashlib.sha256(ASKED.encode()).hexdigest()
    assert found[0]["against_rows"] == [{"file": str(benchmark), "line": 2}]
    assert "train" not in pairs.read_text() + result.out + result.err


def test_texts_are_written_when_asked_for(
    routectl: Routectl, tmp_path: Path, benchmark: Path
) -> None:
    votes = write_votes(tmp_path / "votes.jsonl", VOTES)
    pairs = tmp_path / "pairs.jsonl"
    arguments = ("battles", "contamination", votes, "--against", benchmark, "--pairs", pairs)
    routectl(*arguments, "--texts", "--threshold", "1")
    (pair,) = map(json.loads, pairs.read_text().splitlines())
    assert (pair["text"], pair["against_text"]) == (ASKED, ASKED)


def test_the_store_s_battles_are_looked_at_when_no_file_is_named(
    routectl: Routectl, tmp_path: Path, benchmark: Path
) -> None:
    routectl("battles", "import", write_votes(tmp_path / "votes.jsonl", VOTES))
    clean = tmp_path / "clean.jsonl"
    found = routectl("battles", "contamination", "--against", benchmark, "-o", clean, "--json").json
    assert (found["contaminated"], found["inputs"][0]["removed"]) == (2, 2)
    assert [battle.prompt for battle in read_battles(clean)] == [OTHER]


def test_each_shape_comes_out_as_it_came_in(
    routectl: Routectl, tmp_path: Path, benchmark: Path
) -> None:
    data, out = tmp_path / "data", tmp_path / "out"
    data.mkdir()
    table = io.StringIO()
    rows = [("id", "prompt", "Big-1", "small"), ("1", ASKED, "1", "0"), ("2", OTHER, "1", "")]
    csv.writer(table).writerows(rows)
    gold = data / "gold.csv.gz"
    gold.write_bytes(gzip.compress(table.getvalue().encode()))
    listed = data / "annotations.json"
    row = {"generator_1": "big", "generator_2": "small", "preference": 2.0}
    listed.write_text(json.dumps([row | {"instruction": text} for text in (ASKED, OTHER, OTHER)]))
    alpaca = data / "alpaca.csv"
    alpaca.write_text("prompt_id,model_a,model_b,preference\n1,big,small,1\n2,big,small,2\n")
    prompts = [{"prompt_id": 1, "prompt": ASKED}, {"prompt_id": 2, "prompt": OTHER}]
    (data / "alpaca_prompts.jsonl").write_text("".join(json.dumps(p) + "\n" for p in prompts))

    inputs = (gold, listed, alpaca)
    result = routectl("battles", "contamination", *inputs, "--against", benchmark, "-o", out)
    assert result.code == 0, result.err
    (kept,) = read_gold(out / "gold.csv.gz")
    assert (kept.prompt, kept.scores) == (OTHER, {"Big-1": 1.0})
    assert gzip.decompress((out / "gold.csv.gz").read_bytes()).startswith(b"id,prompt,Big-1,small")
    assert len(json.loads((out / "annotations.json").read_text())) == 2
    assert [battle.winner for battle in read_battles(out / "alpaca.csv")] == ["model_b"]
    assert "train" not in (out / "alpaca_prompts.jsonl").read_text()


def test_nothing_is_overwritten_unasked(
    routectl: Routectl, tmp_path: Path, benchmark: Path
) -> None:
    votes = write_votes(tmp_path / "votes.jsonl", VOTES)
    before = votes.read_bytes()
    check = ("battles", "contamination", votes, "--against", benchmark)
    one_sentence(routectl(*check, "-o", votes, "--force"), "is an input", code=2)
    there = tmp_path / "there"
    there.write_text("mine")
    one_sentence(routectl(*check, "-o", there), "--force", code=2)
    one_sentence(routectl(*check, "--pairs", there), "--force", code=2)
    assert (votes.read_bytes(), there.read_text()) == (before, "mine")
    assert routectl(*check, "-o", there, "--force").code == 0


def test_a_file_that_is_nothing_to_learn_from_is_a_sentence(
    routectl: Routectl, tmp_path: Path, benchmark: Path
) -> None:
    path = tmp_path / "other.csv"
    path.write_text("a,b\n1,2\n")
    check = ("battles", "contamination")
    one_sentence(routectl(*check, path, "--against", benchmark), "holds no battles")
    one_sentence(routectl(*check, benchmark, "--against", path), "holds no")
    one_sentence(routectl(*check, "--against", benchmark, "--threshold", "95"), "0 and 1", code=2)
    routectl("init")
    one_sentence(routectl(*check, "--against", benchmark), "battles import")
