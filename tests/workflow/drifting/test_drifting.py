"""Looks at drift: one a whole day, kept, told apart by what the proxy logged."""

from __future__ import annotations

import contextlib
import io
import random
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from routectl.cli.app import run
from routectl.store.engine import Location
from routectl.store.opening import open_store
from tests.conftest import MODELS, Routectl, payload, write_log

DAY = timedelta(days=1)
BASELINE = 7
A_DAY = 40
LATER = 8
TODAY = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
FIRST = TODAY - (BASELINE + LATER) * DAY
ONE_FINGERPRINT = "f" * 64


def records(day: int, *, long_share: float = 0.3, until_hour: int = 24) -> list[dict[str, Any]]:
    """The calls of a day, a share of them with a long prompt."""
    drawn = random.Random(day)
    return [
        payload(
            1000 * day + n,
            "why? " * (500 if drawn.random() < long_share else 5) + str(n % 20),
            startTime=(FIRST + day * DAY).timestamp() + until_hour * 3600 * (n + 0.5) / A_DAY,
        )
        for n in range(A_DAY)
    ]


@pytest.fixture(scope="session")
def calibrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database with a calibration of a week that is active."""
    folder = tmp_path_factory.mktemp("calibrated")
    database = folder / "routectl.db"
    log = write_log(folder / "log", [r for day in range(BASELINE) for r in records(day)])
    until = (FIRST + BASELINE * DAY).isoformat()
    target = ("--strong-fraction", "0.3", "--tolerance", "1", "--until", until)
    for command in (
        ("import", str(log)),
        ("route", "set", "smart", *MODELS),
        ("calibrate", "-r", "length", *target),
        ("activate", "--force"),
    ):
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            assert run([*command, "--db", str(database)]) == 0
    return database


class Night:
    """The nightly line on a database of its own."""

    def __init__(self, routectl: Routectl, folder: Path) -> None:
        self.routectl, self.folder = routectl, folder
        self.policy = routectl("export", "--format", "json").json

    def imports(self, log: list[dict[str, Any]]) -> None:
        done = self.routectl("import", write_log(self.folder / "log.jsonl", log), "--quiet")
        assert done.code == 0, done.err

    def looks(self, *logs: list[dict[str, Any]], alarm: str = "traffic") -> list[dict[str, Any]]:
        """What is looked at after these logs were imported, scored and looked at, each in turn."""
        for log in logs:
            self.imports(log)
            self.routectl("score", "--quiet")
            self.routectl("status")
        (report,) = self.routectl("drift", "--json").json
        return [look for look in report["looks"] if look["alarm"] == alarm]

    def decided(self, log: list[dict[str, Any]], **entry: Any) -> list[dict[str, Any]]:
        """The log with what the proxy's plug-in decided, as the policy says unless told else."""
        threshold = float(self.policy["threshold"])
        scores = self.scores(log)
        return [
            record
            | {
                "metadata": {
                    "spend_logs_metadata": {
                        "routectl": {
                            "route": "smart",
                            "activation": "a1",
                            "decision": "strong" if score >= threshold else "weak",
                            "reason": "threshold",
                            "score": score,
                            "fingerprint": self.policy["fingerprint"],
                            "extraction_version": self.policy["extraction_version"],
                            **entry,
                        }
                    }
                }
            }
            for record, score in zip(log, scores, strict=True)
        ]

    def kept_from_the_rule(
        self,
        log: list[dict[str, Any]],
        reason: str,
        *,
        flipped: bool = False,
        why: str | None = None,
    ) -> list[dict[str, Any]]:
        """The log as a shadow, or a request outside a canary, has it: strong, with what the rule
        would have done.

        Args:
            reason: shadow or canary_out.
            flipped: the rule would have done the other thing.
            why: the rule's reason, in place of the threshold.
        """
        records = self.decided(log)
        for record in records:
            entry = record["metadata"]["spend_logs_metadata"]["routectl"]
            rule = entry["decision"]
            if flipped:
                rule = {"strong": "weak", "weak": "strong"}[rule]
            entry |= {"would_be": rule, "would_be_reason": why or "threshold"}
            entry |= {"decision": "strong", "reason": reason}
        return records

    def said(self, alarm: str) -> str:
        """What `drift` says of an alarm, in one line."""
        lines = self.routectl("drift").out.splitlines()
        first = next(n for n, line in enumerate(lines) if line.startswith(f"{alarm} "))
        rest = [line for line in lines[first + 1 :] if line]
        wrapped = next((n for n, line in enumerate(rest) if not line.startswith(" ")), len(rest))
        return " ".join(" ".join([lines[first], *rest[:wrapped]]).split()[1:])

    def scores(self, log: list[dict[str, Any]]) -> list[float]:
        from routectl.records import RouterSpec
        from routectl.routers import open_spec

        router = open_spec(RouterSpec("length")).load()
        prompts = [record["messages"][0]["content"] for record in log]
        return [float(score) for score in router.strong_win_rates(prompts)]


@pytest.fixture
def night(routectl: Routectl, calibrated: Path, database: Path, tmp_path: Path) -> Night:
    shutil.copy(calibrated, database)
    return Night(routectl, tmp_path)


def days(looks: list[dict[str, Any]]) -> list[int]:
    """Days of looks, counted from the first of the baseline."""
    return [(datetime.fromisoformat(look["day"]).date() - FIRST.date()).days for look in looks]


def test_each_whole_day_is_looked_at_once_and_the_same_night_again_changes_nothing(
    night: Night,
) -> None:
    looks = night.looks(records(7), records(8))
    assert days(looks) == [7, 8]
    assert [look["requests"] for look in looks] == [A_DAY, A_DAY]
    assert night.looks(records(8)) == looks


def test_missing_nights_are_caught_up_and_late_days_change_no_look(night: Night) -> None:
    assert days(night.looks(records(7))) == [7]
    looks = night.looks(records(8) + records(9) + records(11))
    assert days(looks) == [7, 8, 9, 11]
    # The log of day 10 comes when day 11 has been looked at.
    assert night.looks(records(10)) == looks


def test_a_day_whose_log_may_have_come_in_part_is_not_looked_at(night: Night) -> None:
    assert days(night.looks(records(7), records(8, until_hour=20))) == [7]
    assert days(night.looks(records(9))) == [7, 8, 9]


def test_today_is_no_look(night: Night) -> None:
    today = [payload(90_000 + n, startTime=datetime.now(UTC).timestamp() - n) for n in range(5)]
    looks = night.looks(records(14, until_hour=20) + today)
    # That there are requests of today says that the day before is whole.
    assert max(days(looks)) == 14


def test_a_day_without_scores_waits_for_them(night: Night) -> None:
    new = [r | {"messages": [{"role": "user", "content": f"new {r['id']}"}]} for r in records(13)]
    night.imports(new)
    assert night.routectl("status").code == 3
    (report,) = night.routectl("drift", "--json").json
    assert report["looks"] == []
    assert days(night.looks(records(14))) == [13, 14]


def test_a_shift_rings_and_the_tolerance_of_the_route_counts(night: Night) -> None:
    looks = night.looks([r for day in range(7, 15) for r in records(day, long_share=1.0)])
    assert looks[-1]["rang"]
    done = night.routectl("status", "--json", "--max-age", "9d")
    assert done.code == 3
    assert [problem["check"] for problem in done.json[0]["problems"]] == ["drift"]
    assert night.routectl("drift").code == 3


def test_a_wide_tolerance_rings_for_no_shift_within_it(night: Night) -> None:
    night.routectl("route", "set", "smart", "--drift-tolerance", "0.9")
    looks = night.looks([r for day in range(7, 15) for r in records(day, long_share=1.0)])
    assert not any(look["rang"] for look in looks)
    (change, *_) = night.routectl("history", "--json").json["route_changes"]
    assert change["now"] == {"drift_tolerance": 0.9}
    assert "90 points" in night.routectl("route", "show").out


def test_a_proxy_that_decides_as_exported_rings_no_alarm(night: Night) -> None:
    log = night.decided(records(7))
    (look,) = night.looks(log, alarm="proxy")
    assert (look["share"], look["rang"]) == (0.0, False)
    (look,) = night.looks(log, alarm="fallback")
    assert (look["share"], look["rang"]) == (0.0, False)


def test_a_proxy_that_decides_otherwise_is_told_from_a_shift(night: Night) -> None:
    log = night.decided(records(13), decision="strong")
    (look,) = night.looks(log, alarm="proxy")
    assert look["rang"]
    done = night.routectl("status", "--max-age", "9d")
    assert done.code == 3
    assert "the proxy does not do what was exported" in done.out
    assert "the traffic has shifted" not in done.out


def test_decisions_of_another_router_activation_or_threshold_are_not_compared(
    night: Night,
) -> None:
    other = night.decided(records(7), decision="strong", fingerprint=ONE_FINGERPRINT)
    earlier = night.decided(records(8), decision="strong", activation="a99")
    client = night.decided(records(9), decision="strong", reason="client_threshold")
    assert night.looks(other + earlier + client, alarm="proxy") == []


def test_a_rising_fallback_rate_is_an_alarm_of_its_own(night: Night) -> None:
    log = [
        record
        for day in range(7, 15)
        for record in night.decided(records(day), reason="timeout", decision="strong", score=None)
    ]
    looks = night.looks(log, alarm="fallback")
    assert looks[-1]["rang"]
    done = night.routectl("status", "--max-age", "9d")
    assert done.code == 3
    assert "the fallback" in done.out
    assert "does not do what was exported" not in done.out


@pytest.mark.parametrize("reason", ["shadow", "canary_out"])
def test_where_the_rule_is_kept_from_requests_its_own_answer_is_compared(
    night: Night, reason: str
) -> None:
    (look,) = night.looks(night.kept_from_the_rule(records(7), reason), alarm="proxy")
    assert (look["share"], look["rang"]) == (0.0, False)
    flipped = night.kept_from_the_rule(records(13), reason, flipped=True)
    *_, look = night.looks(flipped, alarm="proxy")
    assert (look["share"], look["rang"]) == (1.0, True)
    assert "the proxy does not do what was exported" in night.said("proxy")


def test_a_shadow_whose_scores_come_too_late_rings_for_its_fallback(night: Night) -> None:
    log = [
        record
        for day in range(7, 15)
        for record in (
            *night.kept_from_the_rule(records(day)[::2], "shadow", why="timeout"),
            *night.kept_from_the_rule(records(day)[1::2], "shadow", flipped=True),
        )
    ]
    looks = night.looks(log, alarm="fallback")
    assert [look["share"] for look in looks] == [0.5] * 8
    done = night.routectl("status", "--json", "--max-age", "9d")
    assert done.code == 3
    assert done.json[0]["drift"]["ringing"] == ["proxy", "fallback"]


def test_a_shadow_s_log_without_the_rule_s_answer_is_not_compared(night: Night) -> None:
    log = night.decided(records(7), reason="shadow", decision="strong")
    assert night.looks(log, alarm="proxy") == []
    assert "no logged decision of a whole day was by a score" in night.said("proxy")


def test_decisions_that_no_look_is_at_yet_are_said(night: Night) -> None:
    assert night.said("proxy") == "the log has no decision of the proxy by this calibration"
    part = night.kept_from_the_rule(records(14, until_hour=20), "shadow")
    late = night.kept_from_the_rule(records(14, until_hour=20)[:10], "shadow", why="timeout")
    night.imports(late + part[10:])
    for alarm in ("proxy", "fallback"):
        said = night.said(alarm)
        assert said.startswith("40 decisions so far, none of a whole day yet; 25.0 %")
        assert said.endswith("were not scored in time")  # one without a text is not among them
    (report,) = night.routectl("drift", "--json").json
    assert report["decisions"] == {"count": 40, "fallback": 0.25, "of_whole_days": 0}

    night.imports(night.kept_from_the_rule(records(9), "shadow"))
    assert "80 decisions so far, not looked at yet: `routectl status`" in night.said("proxy")


def test_looks_are_immutable(night: Night, database_url: str) -> None:
    from routectl.errors import StoreError

    night.looks(records(7))
    with (
        pytest.raises(StoreError),
        open_store(Location.parse(database_url)) as store,
        store.write() as connection,
    ):
        connection.execute(text("DELETE FROM drift_checks"))


def test_a_calibration_of_few_days_says_that_it_has_no_baseline(
    routectl: Routectl, tmp_path: Path
) -> None:
    log = [record for day in range(3) for record in records(day)]
    routectl("import", write_log(tmp_path / "log.jsonl", log))
    routectl("calibrate", "--strong-fraction", "0.3", "--tolerance", "1", "-r", "length")
    routectl("activate", "--force")
    done = routectl("drift")
    assert done.code == 0
    assert "fewer than 5 whole days" in done.out


def test_a_route_that_runs_nothing_or_one_model_has_no_drift(
    routectl: Routectl, tmp_path: Path
) -> None:
    assert routectl("drift").code == 1  # no database
    routectl("route", "set", "smart", *MODELS)
    assert "runs nothing yet" in routectl("drift").out
    routectl("activate", "--always-strong")
    assert "whatever the traffic is" in routectl("drift").out
