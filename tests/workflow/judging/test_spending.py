"""A budget that threads share is never passed, and is used as far as it goes."""

from __future__ import annotations

import random
import time
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from threading import Event

import pytest

from routectl.workflow.judging.budget import Budget, LimitReachedError


@pytest.mark.parametrize("seed", range(4))
def test_no_order_of_calls_passes_the_limit(seed: int) -> None:
    limit = Decimal(100)
    budget, stop, booked = Budget(limit, Decimal(7)), Event(), [Decimal(7)]
    draws = random.Random(seed)
    calls = [(Decimal(draws.randint(1, 30)), draws.random()) for _ in range(200)]

    def call(worst: Decimal, share: float) -> None:
        try:
            budget.set_aside(worst, stop)
        except LimitReachedError:
            return
        time.sleep(0.001 * share)
        cost = (worst * Decimal(share)).quantize(Decimal("0.01"))
        booked.append(cost)
        budget.settle(worst, cost)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda given: call(*given), calls))
    # Nearly all of it is used: what is left holds none of the dearest calls.
    assert limit - 30 < sum(booked) <= limit


def test_a_call_waits_for_one_that_may_leave_enough() -> None:
    budget, stop = Budget(Decimal(10), Decimal(0)), Event()
    budget.set_aside(Decimal(8), stop)
    with ThreadPoolExecutor(1) as pool:
        second = pool.submit(budget.set_aside, Decimal(8), stop)
        time.sleep(0.02)
        assert not second.done()
        budget.settle(Decimal(8), Decimal(1))
        assert second.result() is None


def test_who_waits_is_told_to_stop() -> None:
    budget, stop = Budget(Decimal(10), Decimal(0)), Event()
    budget.set_aside(Decimal(8), stop)
    with ThreadPoolExecutor(1) as pool:
        second = pool.submit(budget.set_aside, Decimal(8), stop)
        stop.set()
        budget.wake()
        with pytest.raises(LimitReachedError):
            second.result()


def test_without_a_limit_nothing_waits() -> None:
    Budget(None, Decimal(10**9)).set_aside(Decimal(10**9), Event())
