"""How actual savings are shown."""

from __future__ import annotations

from typing import TYPE_CHECKING

from routectl.cli.console import Console, dollars, minute, percent
from routectl.cli.policy_text import filters_text
from routectl.cli.saving_table import month_rows, unbooked_text
from routectl.prices import CURRENCY

if TYPE_CHECKING:
    from routectl.workflow.watching.saving import Bill, Savings

APART = 0.1
"""How far booked cost may be from the route's prices, as a part of them, before it is said."""


def print_savings(console: Console, result: Savings) -> None:
    """The saving first, then the bills and the counts of requests."""
    console.line(headline(result))
    console.line()
    console.table(bill_rows(result), headers=BILL_HEADERS)
    console.line()
    console.table(counts(result))
    for sentence in cautions(result):
        console.note(sentence)


def to_json(result: Savings) -> dict[str, object]:
    """Savings for programs. Requests count for as many as they stand for."""
    return {
        "route": result.route,
        "population": result.population.to_json(),
        "first": result.first,
        "last": result.last,
        "currency": CURRENCY,
        "saved": result.saved,
        "saved_a_month": result.saved_a_month,
        "days": None if result.month is None else result.month.days_seen,
        "month": result.month and result.month.to_json(),
        "requests": result.requests,
        "decided": result.decided,
        "undecided": result.undecided,
        "cache_hits": result.cache_hits,
        "failed": result.failed,
        "fallbacks": result.fallbacks,
        "overridden": result.overridden,
        "not_by_policy": result.not_by_policy,
        "other_models": result.other_models,
        "compared": result.compared,
        "unbooked": result.unbooked,
        "booked": result.booked,
        "priced": result.priced,
        "projected": result.projected,
        "always_strong": result.always_strong,
        "always_weak": result.always_weak,
        "activations": result.activations,
        "warnings": [*result.notes, *cautions(result)],
    }


BILL_HEADERS = ("the compared requests", "strong", CURRENCY, "saved")


def bill_rows(result: Savings) -> list[tuple[str, ...]]:
    """A row of a table for each way to decide."""
    names = _bills(result)
    texts = dollars([bill.cost for _, bill in names])
    return [
        (name, percent(bill.strong_fraction), text, percent(_saved_share(result, bill)))
        for (name, bill), text in zip(names, texts, strict=True)
    ]


def headline(result: Savings) -> str:
    """What was saved, in a sentence."""
    if result.saved is None:
        text = f"Route {result.route}: what was saved is not known"
        if result.decided:
            return f"{text}."
        return f"{text}, because {_overridden(result)}."
    (amount,) = dollars([abs(result.saved)])
    word = "saved" if result.saved >= 0 else "lost"
    text = f"Route {result.route} {word} {amount} {CURRENCY} against always-strong"
    if result.saved_a_month is not None:
        (month,) = dollars([abs(result.saved_a_month)])
        text += f", {month} {CURRENCY} in 30 days at this rate"
    return f"{text}."


def _overridden(result: Savings) -> str:
    """How many of the requests with a decision something else decided."""
    return (
        f"{result.not_by_policy:,.0f} of the {result.decided + result.not_by_policy:,.0f} requests "
        "with a decision were not decided by the route's policy but by something else, such as "
        "LiteLLM's own router"
    )


def _bills(result: Savings) -> list[tuple[str, Bill]]:
    return [
        ("actual, as booked", result.booked),
        ("actual, at the route's prices", result.priced),
        ("projected by the calibration", result.projected),
        ("always strong", result.always_strong),
        ("always weak", result.always_weak),
    ]


def _saved_share(result: Savings, bill: Bill) -> float | None:
    most = result.always_strong.cost
    if bill.cost is None or not most or bill is result.always_strong:
        return None
    return 1 - bill.cost / most


def counts(result: Savings) -> list[tuple[str, str]]:
    """Which requests were compared, and which were not."""
    span = ""
    if result.first is not None and result.last is not None:
        span = f", {minute(result.first)} to {minute(result.last)} UTC"
    by = f", by {', '.join(result.activations)}" if result.activations else ""
    rows = [
        ("population", filters_text(result.population.to_json())),
        ("requests", f"{result.requests:,.0f}{span}"),
        ("with a decision", f"{result.decided:,.0f}{by}"),
        ("compared", f"{result.compared:,.0f} whose cost and tokens are known"),
        *month_rows(None if result.saved_a_month is None else result.month),
        ("without a decision", f"{result.undecided:,.0f}"),
        ("from the cache", f"{result.cache_hits:,.0f}, which no decision sent anywhere"),
        ("failed", f"{result.failed:,.0f}"),
        ("fallbacks", f"{result.fallbacks:,.0f} decided without a score"),
        (
            "overridden",
            f"{result.overridden - result.not_by_policy:,.0f} answered by another model than was "
            "decided",
        ),
    ]
    if result.not_by_policy:
        rows.append(("not by policy", f"{result.not_by_policy:,.0f} decided by something else"))
    if result.other_models:
        rows.append(("other models", f"{result.other_models:,.0f} answered by none of the route's"))
    return rows


def cautions(result: Savings) -> list[str]:
    """What a reader must know of the figures."""
    said = []
    if result.not_by_policy:
        said.append(
            f"{_overridden(result)}: no bill has them; see with `routectl status` whether that "
            "goes on, and with `routectl doctor` why"
        )
    if not result.decided:
        return said
    booked, priced = result.booked.cost, result.priced.cost
    if booked is not None and priced and abs(booked / priced - 1) > APART:
        said.append(
            f"the booked cost is {booked / priced:.2f} of what the same answers cost at the "
            "route's prices: see whether its prices are what you pay (`routectl route set "
            "--price`), or what the provider's prompt cache takes off"
        )
    if result.unbooked:
        said.append(unbooked_text(result.unbooked, "so the actual cost is at the route's prices"))
    elif booked is None:
        said.append("the log has no booked cost, so the actual cost is at the route's prices")
    if result.always_strong.cost is None:
        said.append(
            "there is no cost of always-strong and always-weak, for want of the route's models, "
            "their prices or the log's tokens: `routectl route set` declares models"
        )
    else:
        said.append(
            "always-strong and always-weak are of the tokens that were logged: another model may "
            "write more or less"
        )
    return said
