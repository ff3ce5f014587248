"""The shipped traffic sample is what its page says, and what its command makes."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from routectl.records import Exclusion, Reject
from routectl.request import TrafficRequest
from routectl.traffic import ImportCounts, open_source, read

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
SHIPPED = EXAMPLES / "traffic.jsonl.gz"
PRICES = {
    "smart": (2.5e-6, 1.0e-5),
    "gpt-4o-mini": (1.5e-7, 6.0e-7),
    "text-embedding-3-small": (2.0e-8, 0.0),
}

Record = dict[str, Any]


def make(output: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(EXAMPLES / "make_traffic.py"), "--output", str(output)]
    return subprocess.run([*command, *options], capture_output=True, text=True, check=False)


def records_in(path: Path) -> list[Record]:
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


@pytest.fixture(scope="module")
def records() -> list[Record]:
    return records_in(SHIPPED)


@pytest.fixture(scope="module")
def chats(records: list[Record]) -> list[Record]:
    return [record for record in records if record["call_type"] == "acompletion"]


@pytest.fixture(scope="module")
def imported() -> tuple[list[TrafficRequest], ImportCounts]:
    counts = ImportCounts()
    rejects: list[Reject] = []
    with open_source(str(SHIPPED)) as source:
        requests = list(read(source, on_reject=rejects.append, counts=counts))
    assert rejects == []
    return requests, counts


def moment(record: Record) -> datetime:
    return datetime.fromtimestamp(record["startTime"], UTC)


def team(record: Record) -> str:
    return str(record["metadata"]["user_api_key_team_alias"])


def conversations(chats: Iterable[Record]) -> list[list[Record]]:
    """The answered calls of each conversation, in the order of the log."""
    by_trace: dict[str, list[Record]] = defaultdict(list)
    for record in chats:
        if record["status"] == "success":
            by_trace[record["trace_id"]].append(record)
    return list(by_trace.values())


def human_turns(record: Record) -> list[Record]:
    return [message for message in record["messages"] if message["role"] == "user"]


def parts(records: Iterable[Record], kind: str) -> list[Record]:
    return [
        part
        for record in records
        for message in human_turns(record)[-1:]
        if isinstance(message["content"], list)
        for part in message["content"]
        if part["type"] == kind
    ]


# The command


def test_the_shipped_file_is_what_the_command_makes(tmp_path: Path) -> None:
    made = tmp_path / "traffic.jsonl.gz"
    done = make(made, "--seed", "20260901", "--requests", "3000")
    assert done.returncode == 0, done.stderr
    # Compared unpacked: another build of zlib may pack the same text differently.
    assert gzip.decompress(made.read_bytes()) == gzip.decompress(SHIPPED.read_bytes())
    assert done.stdout in (EXAMPLES / "README.md").read_text(encoding="utf-8")


def test_a_seed_gives_the_same_bytes_each_time_and_another_seed_others(tmp_path: Path) -> None:
    first, second, third = (tmp_path / name for name in ("1.gz", "2.gz", "3.gz"))
    for output, seed in ((first, "1"), (second, "1"), (third, "2")):
        assert make(output, "--seed", seed, "--requests", "600").returncode == 0
    assert first.read_bytes() == second.read_bytes()
    assert first.read_bytes() != third.read_bytes()
    assert len(records_in(third)) == 600


def test_too_few_requests_for_all_prompts_is_a_usage_error(tmp_path: Path) -> None:
    done = make(tmp_path / "traffic.jsonl.gz", "--requests", "100")
    assert done.returncode == 2
    assert "100 requests cannot hold all" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "traffic.jsonl.gz").exists()


def test_the_shipped_file_is_small_and_carries_no_time_stamp() -> None:
    packed = SHIPPED.read_bytes()
    assert len(packed) < 700_000
    assert packed[4:8] == bytes(4)


# The traffic


def test_it_spans_four_weeks_and_is_in_the_order_of_time(records: list[Record]) -> None:
    assert len(records) == 3_000
    times = [record["startTime"] for record in records]
    assert times == sorted(times)
    assert moment(records[0]).date().isoformat() == "2026-09-07"
    assert moment(records[-1]).date().isoformat() == "2026-10-04"
    assert len({moment(record).date() for record in records}) == 28
    assert all(record["startTime"] < record["endTime"] for record in records)


def test_weekends_are_quiet_except_in_support(records: list[Record]) -> None:
    days = Counter((team(record), moment(record).weekday() >= 5) for record in records)
    for name in {team(record) for record in records}:
        weekend_day, weekday = days[name, True] / 2, days[name, False] / 5
        if name == "support":
            assert 0.25 < weekend_day / weekday < 0.7
        else:
            assert weekend_day / weekday < 0.2


def test_most_requests_come_in_office_hours(records: list[Record]) -> None:
    hours = Counter(moment(record).hour for record in records)
    assert sum(hours[hour] for hour in range(6, 18)) > 0.85 * len(records)
    assert sum(hours[hour] for hour in (22, 23, 0, 1, 2, 3)) < 0.02 * len(records)


def test_every_prompt_occurs_and_short_ones_are_repeated_most(
    prompts: list[Record], imported: tuple[list[TrafficRequest], ImportCounts]
) -> None:
    texts = Counter(request.text for request in imported[0] if request.text is not None)
    assert set(texts) == {prompt["prompt"] for prompt in prompts}
    popular = texts.most_common(20)
    assert popular[0][1] >= 40
    assert max(len(text) for text, _ in popular) < 200
    assert sum(times == 1 for times in texts.values()) > 20


def test_the_conversations_in_the_file_go_forward_and_grow(chats: list[Record]) -> None:
    long = [calls for calls in conversations(chats) if len(calls) > 1]
    assert len(long) >= 150
    for calls in long:
        assert len({team(call) for call in calls}) == 1
        assert len({call["model_group"] for call in calls}) == 1
        assert len({call["end_user"] for call in calls}) == 1
        for earlier, later in pairwise(calls):
            assert earlier["startTime"] < earlier["endTime"] < later["startTime"]
            assert later["startTime"] - earlier["endTime"] < 20 * 60
            assert later["messages"][: len(earlier["messages"])] == earlier["messages"]
            answer = earlier["response"]["choices"][0]["message"]
            assert later["messages"][len(earlier["messages"])] == answer


def test_turns_of_a_conversation_follow_the_prompts_file(
    prompts: list[Record], chats: list[Record]
) -> None:
    scripts: dict[str, list[str]] = defaultdict(list)
    for prompt in prompts:
        scripts[prompt.get("conversation") or prompt["prompt"]].append(prompt["prompt"])
    openings = {script[0]: script for script in scripts.values()}
    for calls in conversations(chats):
        turns = human_turns(calls[-1])
        texts = [
            turn["content"] if isinstance(turn["content"], str) else turn["content"][0].get("text")
            for turn in turns
        ]
        if texts != [None]:
            assert texts == openings[texts[0]][: len(texts)]


def test_a_failed_attempt_is_followed_by_its_success(chats: list[Record]) -> None:
    failures = [record for record in chats if record["status"] == "failure"]
    assert 10 <= len(failures) <= 100
    for failure in failures:
        (success,) = [
            record
            for record in chats
            if record["litellm_call_id"] == failure["litellm_call_id"] and record is not failure
        ]
        assert success["status"] == "success"
        assert failure["endTime"] < success["startTime"]
        assert failure["messages"] == success["messages"]
        assert failure["response_cost"] == 0
        assert failure["error_str"]
    calls = Counter(record["litellm_call_id"] for record in chats)
    assert sum(times > 1 for times in calls.values()) == len(failures)


def test_a_cache_hit_repeats_a_call_of_the_day_before_at_no_cost(chats: list[Record]) -> None:
    by_id = {record["id"]: record for record in chats}
    hits = [record for record in chats if record["cache_hit"]]
    assert 20 <= len(hits) <= 300
    for hit in hits:
        original = by_id[hit["id"].partition("_cache_hit")[0]]
        assert original["messages"] == hit["messages"]
        assert original["model_group"] == hit["model_group"]
        assert 0 < hit["startTime"] - original["startTime"] < 86_400 + 120
        assert hit["response_cost"] == 0
        assert hit["saved_cache_cost"] == original["response_cost"]


def test_ids_are_unique(records: list[Record]) -> None:
    assert len({record["id"] for record in records}) == len(records)


def test_two_model_groups_are_chatted_with_and_the_small_one_seldom(chats: list[Record]) -> None:
    groups = Counter(record["model_group"] for record in chats)
    assert set(groups) == {"smart", "gpt-4o-mini"}
    assert 0.05 < groups["gpt-4o-mini"] / len(chats) < 0.11


def test_cost_is_tokens_times_price(records: list[Record]) -> None:
    for record in records:
        price_in, price_out = PRICES[record["model_group"]]
        tokens_in, tokens_out = record["prompt_tokens"], record["completion_tokens"]
        assert record["total_tokens"] == tokens_in + tokens_out
        if record["status"] == "success" and not record["cache_hit"]:
            cost = tokens_in * price_in + tokens_out * price_out
            assert record["response_cost"] == pytest.approx(cost, abs=1e-9)
            assert record["response_cost"] > 0


def test_harder_prompts_get_longer_answers(prompts: list[Record], chats: list[Record]) -> None:
    difficulty = {prompt["prompt"]: prompt["difficulty"] for prompt in prompts}
    tokens: dict[str, list[int]] = defaultdict(list)
    for record in chats:
        text = human_turns(record)[-1]["content"]
        if record["status"] == "success" and isinstance(text, str):
            tokens[difficulty[text]].append(record["completion_tokens"])
    easy, medium, hard = (median(tokens[name]) for name in ("easy", "medium", "hard"))
    assert 3 * easy < medium
    assert 2 * medium < hard


def median(values: Sequence[int]) -> int:
    return sorted(values)[len(values) // 2]


def test_every_call_names_key_team_and_tags_and_users_are_hashes(chats: list[Record]) -> None:
    for record in chats:
        assert record["metadata"]["user_api_key_alias"]
        assert record["request_tags"]
        assert set(record["end_user"]) <= set("0123456789abcdef")
    assert len({record["end_user"] for record in chats}) > 50


def test_the_shapes_that_are_hard_to_read_all_occur(chats: list[Record]) -> None:
    assert len(parts(chats, "image_url")) >= 20
    assert len(parts(chats, "text")) >= 20
    roles = [[message["role"] for message in record["messages"]] for record in chats]
    assert sum(role[-1] == "tool" for role in roles) >= 20
    assert sum(role[0] == "system" for role in roles) >= 500
    assert sum(role[0] != "system" for role in roles) >= 500


def test_routectl_reads_it_whole_and_finds_each_prompt(
    imported: tuple[list[TrafficRequest], ImportCounts], prompts: list[Record]
) -> None:
    requests, counts = imported
    assert counts.rows == 3_000
    assert counts.rejected == 0
    assert sum(counts.skipped.values()) == 30
    without_text = [request for request in requests if request.text is None]
    assert [request.exclusion for request in without_text] == [Exclusion.NO_TEXT] * 2
    assert {request.team for request in requests} == {prompt["team"] for prompt in prompts}
    for request in requests:
        assert request.time is not None
        assert request.conversation
        assert request.call_id
        assert request.tokens_in
        assert request.cost is not None
        assert request.end_user
        assert request.tags
