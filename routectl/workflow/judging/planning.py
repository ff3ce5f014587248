"""The plan of a judging: its calls and their cost, before anything is sent."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from urllib.parse import urlsplit

from routectl.endpoint import is_loopback
from routectl.judging.costs import Calls, Estimate, estimate
from routectl.prices import ModelPrice
from routectl.workflow.judging.setup import Judging
from routectl.workflow.judging.store_rows import read_work

ANSWERS, VERDICTS = ("strong", "weak"), ("forward", "backward")
"""The calls of a prompt; a verdict that is none is asked for once more, as `again_of`."""


def call_name(prompt: str, role: str) -> str:
    """The name under which a call's answer is kept."""
    return f"{hashlib.sha256(prompt.encode()).hexdigest()[:32]} {role}"


def again_of(role: str) -> str:
    """The second asking for a verdict."""
    return f"{role} again"


@dataclass(frozen=True, slots=True)
class Plan:
    """What will be sent to which hosts, and what that costs."""

    hosts: tuple[str, ...]
    prompts: int
    answers: int
    """Calls to the two models that are still to be made."""
    verdicts: int
    """Calls to the judge, without those that have to be made again."""
    kept: int
    """Answers of the models and the judge, to these prompts, that an earlier run kept."""
    prices: tuple[ModelPrice, ModelPrice, ModelPrice]
    """Of the strong model, the weak one and the judge."""
    estimate: Estimate
    """Of the calls that are still to be made."""
    spent: Decimal
    """US dollars, by earlier runs that this one continues."""
    max_tokens: int
    verdict_tokens: int
    max_cost: Decimal | None
    warnings: tuple[str, ...]
    """Sentences to read before agreeing."""


def plan_judging(prompts: Sequence[str], setup: Judging, work_path: Path) -> Plan:
    """Look at what is to be done; sends nothing, and writes nothing.

    Raises:
        UsageError: a model has no price.
        InputError: the work file cannot be read, or is of another judging.
    """
    prices = setup.known_prices()
    kept = read_work(work_path, setup.facts)
    missing = {
        role: [len(text) for text in prompts if call_name(text, role) not in kept.replies]
        for role in (*ANSWERS, *VERDICTS)
    }
    roles = (*ANSWERS, *VERDICTS, *map(again_of, VERDICTS))
    names = (call_name(text, role) for text in prompts for role in roles)
    calls = Calls(missing["strong"], missing["weak"], [*missing["forward"], *missing["backward"]])
    return Plan(
        setup.hosts,
        len(prompts),
        len(calls.strong) + len(calls.weak),
        len(calls.verdicts),
        sum(name in kept.replies for name in names),
        prices,
        estimate(calls, *prices, max_tokens=setup.max_tokens, verdict_tokens=setup.verdict_tokens),
        kept.total,
        setup.max_tokens,
        setup.verdict_tokens,
        setup.max_cost,
        tuple(_warnings(setup)),
    )


def _warnings(setup: Judging) -> Iterator[str]:
    if setup.judge in (setup.pair.strong, setup.pair.weak):
        yield f"{setup.judge} judges its own answers, and judges favour their own"
    for url in dict.fromkeys((setup.url, setup.judge_url)):
        parts = urlsplit(url)
        if parts.scheme == "http" and not is_loopback(parts.hostname or ""):
            yield f"prompts and key go to {parts.netloc} unencrypted: its address begins with http:"
