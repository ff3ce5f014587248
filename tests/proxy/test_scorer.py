"""What one router scores together in a proxy."""

from __future__ import annotations

from collections.abc import Sequence
from threading import Event

import numpy as np
from numpy.typing import NDArray

from routectl.proxy.scorer import AT_ONCE, Scorer
from routectl.records import RouterIdentity
from routectl.routers import open_router

LONG = "word " * 600
"""As long as a router reads, or nearly."""


class Slow:
    """The router `length`, which waits to be let go, and keeps what it was given together."""

    def __init__(self) -> None:
        opened = open_router("length")
        self.identity: RouterIdentity = opened.identity
        self._length = opened.load()
        self.may_go = Event()
        self.may_go.set()
        self.entered = Event()
        self.batches: list[list[str]] = []

    def strong_win_rates(self, prompts: Sequence[str]) -> NDArray[np.float64]:
        self.entered.set()
        self.may_go.wait()
        self.batches.append(list(prompts))
        return self._length.strong_win_rates(prompts)

    def longer_than_read(self, prompts: Sequence[str]) -> NDArray[np.bool_]:
        return self._length.longer_than_read(prompts)


def batches_of(prompts: Sequence[str], cancelled: Sequence[int] = ()) -> list[list[str]]:
    """What is scored together of prompts that all come while another one is scored."""
    router = Slow()
    scorer = Scorer("length", router)
    router.batches.clear()
    router.entered.clear()
    router.may_go.clear()
    first = scorer.submit("first")
    assert router.entered.wait(60)
    futures = [scorer.submit(prompt) for prompt in prompts]
    for number in cancelled:
        assert futures[number].cancel()
    router.may_go.set()
    kept = [future for n, future in enumerate(futures) if n not in cancelled]
    scores = [future.result(60) for future in (first, *kept)]
    scorer.close()
    texts = ["first", *(text for n, text in enumerate(prompts) if n not in cancelled)]
    assert scores == open_router("length").load().strong_win_rates(texts).tolist()
    assert router.batches[0] == ["first"]
    return router.batches[1:]


def test_short_prompts_are_scored_together_up_to_a_number() -> None:
    prompts = [f"why {number}?" for number in range(AT_ONCE + 3)]
    assert batches_of(prompts) == [prompts[:AT_ONCE], prompts[AT_ONCE:]]


def test_a_batch_holds_no_more_text_than_one_long_prompt_so_that_none_waits_for_all() -> None:
    prompts = [f"{number} {LONG}" for number in range(4)]
    assert batches_of(prompts) == [[prompt] for prompt in prompts]
    mixed = ["a", prompts[0], "b", prompts[1], "c"]
    assert batches_of(mixed) == [["a", prompts[0], "b"], [prompts[1], "c"]]


def test_one_that_nobody_waits_for_takes_no_room() -> None:
    prompts = ["a", f"0 {LONG}", "b", f"1 {LONG}", "c"]
    assert batches_of(prompts, cancelled=[1]) == [["a", "b", prompts[3], "c"]]
    assert batches_of(["a", "b"], cancelled=[0]) == [["b"]]


def test_one_that_would_be_too_late_is_told_so_at_once_and_takes_nobodys_time() -> None:
    router = Slow()
    scorer = Scorer("length", router)
    router.batches.clear()
    router.entered.clear()
    router.may_go.clear()
    scorer.submit("first")
    assert router.entered.wait(60)
    late, waits = scorer.submit("late", within=0.0), scorer.submit("waits", within=600.0)
    router.may_go.set()
    assert isinstance(late.exception(60), TimeoutError)
    assert waits.result(60) == open_router("length").load().strong_win_rates(["waits"])[0]
    scorer.close()
    assert router.batches == [["first"], ["waits"]]


def test_closing_it_scores_what_it_has() -> None:
    router = Slow()
    scorer = Scorer("length", router)
    router.may_go.clear()
    futures = [scorer.submit(f"{number} {LONG}") for number in range(3)]
    scorer.close()
    router.may_go.set()
    assert len([future.result(60) for future in futures]) == 3
