"""How many tokens and dollars judging takes, before it is done: stated rules of thumb.

A *typical* call is estimated, the *worst case* of a call is a bound that a budget can rely on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from routectl.judging.verdicts import Message, judge_messages
from routectl.prices import TYPICAL_ANSWER, ModelPrice, about_tokens

TYPICAL_VERDICT = 80
"""Tokens of a judge's reply: three sentences and a line."""
TEMPLATE_TOKENS = 256
"""Allowed for what an endpoint puts round the messages of a call: its model's chat template, with
the date or a system prompt of its own."""


def most_tokens(messages: Sequence[Message]) -> int:
    """A bound on the input tokens of a call: a token of text is at least one byte of UTF-8."""
    return TEMPLATE_TOKENS + sum(len(m["content"].encode()) for m in messages)


@dataclass(frozen=True, slots=True)
class Calls:
    """The calls that are still to be made."""

    strong: Sequence[int]
    """Length in characters of each prompt that the strong model is to answer."""
    weak: Sequence[int]
    verdicts: Sequence[int]
    """Length of a prompt for each verdict, so mostly twice."""

    def __len__(self) -> int:
        return len(self.strong) + len(self.weak) + len(self.verdicts)


@dataclass(frozen=True, slots=True)
class Estimate:
    """About what calls cost."""

    typical: Decimal
    """US dollars, if answers have `TYPICAL_ANSWER` tokens and verdicts `TYPICAL_VERDICT`."""
    upper: Decimal
    """US dollars, if everything is as long as it may be and every verdict has to be asked twice."""


def estimate(
    calls: Calls,
    strong: ModelPrice,
    weak: ModelPrice,
    judge: ModelPrice,
    *,
    max_tokens: int,
    verdict_tokens: int,
) -> Estimate:
    """What calls will cost: input tokens are a quarter of the characters.

    Args:
        max_tokens: the longest answer.
        verdict_tokens: the longest reply of the judge.
    """
    frame = about_tokens(sum(len(m["content"]) for m in judge_messages("", "", "")))

    def total(answer: int, verdict: int, times: int) -> Decimal:
        sides = ((strong, calls.strong), (weak, calls.weak))
        cost = sum(
            (_cost(price, sum(map(about_tokens, lengths)), len(lengths) * answer))
            for price, lengths in sides
        )
        verdicts = len(calls.verdicts) * times
        read = times * sum(map(about_tokens, calls.verdicts)) + verdicts * (frame + 2 * answer)
        # A second asking shows the judge its first reply.
        read += (times - 1) * len(calls.verdicts) * verdict
        return cost + _cost(judge, read, verdicts * verdict)

    typical = total(min(max_tokens, TYPICAL_ANSWER), min(verdict_tokens, TYPICAL_VERDICT), 1)
    return Estimate(typical, total(max_tokens, verdict_tokens, 2))


def _cost(price: ModelPrice, tokens_in: int, tokens_out: int) -> Decimal:
    """Of many calls together, so at the price of short ones."""
    return (price.input * tokens_in + price.output * tokens_out) / 1_000_000
