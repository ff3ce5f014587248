"""A month costs the same in `calibrate`, `diff` and `savings`: each weekday at its own mean."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import MODELS, Routectl, payload, write_log

DAY = 86_400.0
MONDAY = 1_789_948_800.0
"""2026-09-21, 00:00 UTC."""
DIFF = ("diff", "c1", "c2", "--since", "2026-09-01")
BIG, SMALL = (2 * 10 + 8 * 20) / 1e6, (0.25 * 10 + 1 * 20) / 1e6
"""US dollars of a request."""


@pytest.fixture
def ten_days(routectl: Routectl, tmp_path: Path) -> None:
    """From a Monday on, 100 requests a day, 20 at the weekend; a quarter went to the strong one."""
    log = []
    for day in range(10):
        requests = 20 if day % 7 in (5, 6) else 100
        for rank in range(requests):
            side, model = ("strong", "big") if rank % 4 == 0 else ("weak", "small")
            decision = {"route": "smart", "decision": side, "model": model, "activation": "a1"}
            log.append(
                payload(
                    len(log),
                    "why? " * (1 + rank % 20),
                    model=model,
                    startTime=MONDAY + (day + rank / requests) * DAY,
                    prompt_tokens=10,
                    completion_tokens=20,
                    response_cost=BIG if side == "strong" else SMALL,
                    metadata={"spend_logs_metadata": {"routectl": decision}},
                )
            )
    routectl("route", "set", "smart", *MODELS, "--router", "length")
    assert routectl("import", write_log(tmp_path / "log", log)).code == 0


@pytest.mark.usefixtures("ten_days")
def test_ten_days_with_one_weekend_tell_the_month_to_every_command_which_says_how(
    routectl: Routectl,
) -> None:
    a_month = 30 / 7 * (5 * 100 + 2 * 20)
    by_span = 840 / 10 * 30
    assert by_span / a_month > 1.08
    (half,) = routectl("calibrate", "--strong-fraction", "0.5", "--json").json
    (fifth,) = routectl("calibrate", "--strong-fraction", "0.2", "--json").json
    calibrated = half["costs"]["month"]
    assert calibrated["requests"] == pytest.approx(a_month, rel=0.01)
    assert calibrated["always_strong"] == pytest.approx(a_month * BIG, rel=0.01)

    diff = routectl(*DIFF, "--json").json
    saved = routectl("savings", "--json").json

    for answer in (diff, saved):
        assert answer["month"] == {name: calibrated[name] for name in answer["month"]}
    assert diff["cost_a_month_before"] == pytest.approx(calibrated["this_threshold"])
    assert diff["cost_a_month_after"] == pytest.approx(fifth["costs"]["month"]["this_threshold"])
    assert saved["saved_a_month"] == pytest.approx(0.75 * a_month * (BIG - SMALL), rel=0.01)

    words = "month 30 days, each weekday at its own mean of the 10.0 days of the log"
    for command in (("show", "c1"), DIFF, ("savings",)):
        assert words in " ".join(routectl(*command).out.split())
    shorter = routectl("diff", "c1", "c2", "--since", "2026-09-28").out
    assert "at the mean rate of the 3.0 days" in " ".join(shorter.split())
