"""A month as a cron job sees it: daily logs, the nightly line, a shift, and what is said of it."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import MODELS, Routectl, write_log

CALIBRATED_DAYS = 28
QUIET_NIGHTS = 3
DAY = timedelta(days=1)
CRON_PROMPT = "Summarise the open tickets of the last hour."


class Company:
    """Two teams whose prompts repeat, whose weekends are quiet, and whose cron job asks hourly."""

    def __init__(self, first: datetime, seed: int = 7) -> None:
        self.random = random.Random(seed)
        self.first = first
        self.count = 0
        self.asked: list[tuple[str, int]] = []

    def day(self, number: int, *, long_share: float = 0.3) -> list[dict[str, Any]]:
        """The records of a day.

        Args:
            long_share: of the new prompts of team search that are long, which `length` finds hard.
        """
        day = self.first + number * DAY
        conversations = 60 if day.weekday() < 5 else 25
        records = [
            self._record(day + timedelta(hours=hour), CRON_PROMPT, "web", f"cron-{number}-{hour}")
            for hour in range(24)
        ]
        for talk in range(conversations):
            team = self.random.choice(("web", "search"))
            start = day + timedelta(seconds=self.random.uniform(0, 80_000))
            for turn in range(self.random.choice((1, 1, 2, 4))):
                time = start + timedelta(minutes=3 * turn)
                prompt = self._prompt(long_share if team == "search" else 0.3)
                records.append(self._record(time, prompt, team, f"talk-{number}-{talk}"))
        return sorted(records, key=lambda record: float(record["startTime"]))

    def _prompt(self, long_share: float) -> str:
        if self.asked and self.random.random() < 0.2:
            return self.random.choice(self.asked[-300:])[0]
        is_long = self.random.random() < long_share
        words = self.random.randint(80, 160) if is_long else self.random.randint(3, 60)
        prompt = f"Question {len(self.asked)}: " + "what of it? " * words
        self.asked.append((prompt, words))
        return prompt

    def _record(self, time: datetime, prompt: str, team: str, talk: str) -> dict[str, Any]:
        self.count += 1
        return {
            "id": f"call-{self.count}",
            "trace_id": talk,
            "call_type": "acompletion",
            "status": "success",
            "startTime": time.timestamp(),
            "model_group": "smart",
            "prompt_tokens": len(prompt) // 4,
            "completion_tokens": 100,
            "response_cost": 0.001,
            "metadata": {"user_api_key_team_alias": team},
            "messages": [{"role": "user", "content": prompt}],
        }


@pytest.mark.slow
def test_a_month_of_nights_is_quiet_until_the_traffic_shifts(
    routectl: Routectl, tmp_path: Path
) -> None:
    nights = 30
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    company = Company(today - (CALIBRATED_DAYS + QUIET_NIGHTS + nights) * DAY)
    logs = tmp_path / "logs"
    logs.mkdir()

    def log_of(number: int, **traffic: float) -> float:
        """Write a day's log; returns the share of its requests with a long prompt."""
        records = company.day(number, **traffic)
        write_log(logs / f"{number:03}.jsonl", records)
        contents = [record["messages"][0]["content"] for record in records]
        return sum(len(content) > 80 * 12 for content in contents) / len(contents)

    def night() -> tuple[int, dict[str, Any]]:
        """The nightly line; its exit code is that of status. The logs are of past weeks."""
        routectl("import", str(logs / "*.jsonl"), "--quiet")
        routectl("score", "--quiet")
        done = routectl("status", "--max-age", "99d", "--json")
        (route,) = done.json
        return done.code, route

    before = [log_of(number) for number in range(CALIBRATED_DAYS)]
    routectl("import", str(logs / "*.jsonl"), "--quiet")
    routectl("route", "set", "smart", *MODELS, "--where", "model_group=smart")
    until = (company.first + CALIBRATED_DAYS * DAY).isoformat()
    calibrate = ("calibrate", "--strong-fraction", "0.3", "-r", "length", "--until", until)
    done = routectl(*calibrate)
    assert done.code == 0, done.err
    assert routectl("activate", "--force").code == 0

    for number in range(CALIBRATED_DAYS, CALIBRATED_DAYS + QUIET_NIGHTS):
        log_of(number)
        code, route = night()
        assert code == 0, route["problems"]
    assert night() == (code, route), "the same night again changes nothing"

    (report,) = routectl("drift", "--json").json
    assert len(report["looks"]) == QUIET_NIGHTS
    # At so few requests a day it may be months.
    within = min(report["delay"]["ninety_percent"] or nights, nights)

    after: list[float] = []
    for number in range(CALIBRATED_DAYS + QUIET_NIGHTS, CALIBRATED_DAYS + QUIET_NIGHTS + within):
        after.append(log_of(number, long_share=0.9))
        code, route = night()
        if code == 3:
            break
    assert [problem["check"] for problem in route["problems"]] == ["drift"]
    assert route["drift"]["ringing"] == ["traffic"]
    shifted = sum(after) / len(after) - sum(before) / len(before)
    assert shifted >= 0.08
    assert len(after) <= within

    shown = routectl("drift")
    assert shown.code == 3
    assert "the traffic has shifted" in shown.out

    # Calibrated again on the shifted days, it is quiet; the way back rings as before.
    since = (company.first + (CALIBRATED_DAYS + QUIET_NIGHTS) * DAY).isoformat()
    # Of so few days a check may say no, which is what --force is for.
    done = routectl("recalibrate", "--since", since)
    assert done.code in (0, 3), done.err
    assert routectl("diff", "c1", "c2").code == 0
    assert routectl("activate", "c2", "--force", "--note", "after the shift").code == 0
    assert night()[0] == 0
    assert routectl("rollback").code == 0
    assert [problem["check"] for problem in night()[1]["problems"]] == ["drift"]
    activations = routectl("history", "--json").json["activations"]
    assert [entry["calibration_id"] for entry in activations] == [1, 2, 1]
    assert activations[0]["restores"] == 1
