"""What the proxy's log says of the requests of a table, one after the other."""

from __future__ import annotations

from routectl.request import DecidedBy, by_rule, decided_by
from routectl.store.requests import RequestTable

COLUMNS = (
    "proxy_route",
    "proxy_activation",
    "proxy_decision",
    "proxy_reason",
    "proxy_would_be",
    "proxy_would_be_reason",
)
"""That a table is read with for this."""


def deciders(rows: RequestTable) -> list[DecidedBy]:
    """Who decided each request."""
    names = ("route", "activation", "decision", "reason", "would_be_reason")
    columns = [rows.values[f"proxy_{name}"] for name in names]
    return [decided_by(**dict(zip(names, row, strict=True))) for row in zip(*columns, strict=True)]


def rule_answers(rows: RequestTable) -> list[tuple[str | None, str | None]]:
    """Decision and reason of the rule in each request, also in a shadow or outside a canary."""
    names = ("decision", "reason", "would_be", "would_be_reason")
    columns = [rows.values[f"proxy_{name}"] for name in names]
    return [by_rule(*row) for row in zip(*columns, strict=True)]
