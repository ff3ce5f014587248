"""Amounts of money as people read them, of whatever size and sign."""

from __future__ import annotations

import re
from pathlib import Path

from hypothesis import example, given
from hypothesis import strategies as st

from routectl.cli.console import dollar_range, dollars
from tests.conftest import Routectl, payload, write_log

AMOUNTS = st.floats(-1e12, 1e12)


@given(st.lists(st.none() | AMOUNTS, max_size=5))
@example([-0.005, 3.0, None])
@example([-1e-17, 1e-300])
def test_any_amounts_are_written_in_a_column_and_none_is_a_negative_zero(
    amounts: list[float | None],
) -> None:
    texts = dollars(amounts)
    assert [text == "-" for text in texts] == [amount is None for amount in amounts]
    for amount, text in zip(amounts, texts, strict=True):
        assert not re.fullmatch(r"-[0.]+", text)
        if amount is not None:
            assert abs(float(text.replace(",", "")) - amount) <= 0.005 + 1e-6 * abs(amount)


@given(AMOUNTS, AMOUNTS)
@example(-0.0, -0.001)
def test_the_ends_of_a_range_have_no_negative_zero(low: float, high: float) -> None:
    assert not re.search(r"-0\.00(?!\d)", dollar_range(low, high))


def test_a_plan_whose_strong_model_is_the_cheaper_one_shows_what_is_lost(
    routectl: Routectl, tmp_path: Path
) -> None:
    log = [payload(n, startTime=1.79e9 + 7200 * n, response_cost=None) for n in range(100)]
    prices = ("--price", "big=0.25/1", "--price", "small=2/8")
    routectl("route", "set", "smart", "--strong", "big", "--weak", "small", *prices)
    routectl("import", write_log(tmp_path / "log", log))
    result = routectl("plan", "-r", "length", "--step", "50")
    assert result.code == 0, result.err
    assert re.search(r"^ +0\.0 % .* -\d+\.\d+ ", result.out, re.MULTILINE)
