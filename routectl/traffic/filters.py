"""The one syntax for times and the one for filters, and what a population holds."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta

from routectl.errors import UsageError
from routectl.records import FILTER_FIELDS, Condition, Population
from routectl.request import TrafficRequest
from routectl.traffic.times import iso_time

_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_SPAN = re.compile(r"(\d{1,9})([mhdw])")
_CHOICES = {"cache_hit": ("true", "false"), "status": ("success", "failure")}


def parse_time(text: str, *, now: datetime) -> datetime:
    """Return the instant that `text` names, in UTC.

    Args:
        text: An ISO 8601 date (its midnight) or date and time, UTC where it names no zone; or a
            span before `now`: a whole number and `m`, `h`, `d` or `w`, such as "90m" or "7d".
        now: What a span counts back from; aware.

    Raises:
        UsageError: `text` is neither, or lies outside the years 1 to 9999.
    """
    span = _SPAN.fullmatch(text.strip())
    try:
        time = now - _length(span) if span else iso_time(text)
    except OverflowError:
        time = None
    if time is None:
        raise UsageError(
            f"'{text}' is no time: write a date (2025-01-31), a date and time "
            f"(2025-01-31T09:00+01:00; UTC without a zone), or a span before now (90m, 24h, 7d)."
        )
    return time


def _length(span: re.Match[str]) -> timedelta:
    """How long a span is; raises OverflowError."""
    return timedelta(**{_UNITS[span[2]]: int(span[1])})


def parse_deadline(text: str, *, now: datetime) -> datetime:
    """Return the instant ahead that `text` names, in UTC.

    Args:
        text: A date or time as in `parse_time`, or a span after `now`, such as "30d".
        now: What a span counts from; aware.

    Raises:
        UsageError: `text` is neither, is not ahead, or lies outside the years 1 to 9999.
    """
    span = _SPAN.fullmatch(text.strip())
    try:
        time = now + _length(span) if span else iso_time(text)
    except OverflowError:
        time = None
    if time is None:
        raise UsageError(
            f"'{text}' is no time ahead: write a date (2027-01-31), a date and time "
            "(2027-01-31T09:00+01:00; UTC without a zone), or a span from now on (24h, 30d, 8w)."
        )
    if time <= now:
        raise UsageError(f"'{text}' is over already: name a time that is still ahead.")
    return time


def parse_condition(text: str, fields: Sequence[str] | None = FILTER_FIELDS) -> Condition:
    """Return the condition that `field=value` or `field!=value` states.

    Args:
        fields: What can be named; None for the columns of a table that is not read yet.

    Raises:
        UsageError: It is neither form, or names an unknown field or an impossible value.
    """
    parts = re.fullmatch(r"\s*([^=!]*?)\s*(!?=)(.*)", text, re.DOTALL)
    if parts is None or not parts[1] or not parts[3].strip():
        raise UsageError(f"'{text}' is no filter: write field=value or field!=value.")
    field, operator, value = parts[1], parts[2], parts[3].strip()
    if fields is not None and field not in fields:
        raise UsageError(
            f"There is no field '{field}' to filter on; the fields are {', '.join(fields)}."
        )
    choices = _CHOICES.get(field) if fields is not None else None
    if choices is not None:
        value = value.lower()
        if value not in choices:
            raise UsageError(f"{field} is {' or '.join(choices)}, not '{value}'.")
    return Condition(field, "!=" if operator == "!=" else "=", value)


def matches(population: Population, request: TrafficRequest) -> bool:
    """Tell whether a request belongs to a population.

    All of this must hold:

    - `since` <= time < `until`, as far as they are set; without a time a request is outside.
    - For each field that `=` conditions name: one of them holds. A condition holds if the
      request's value equals it, exactly and with case; an absent value equals nothing.
    - Every `!=` condition: the request's value is absent or differs.

    `cache_hit` is compared as "true" or "false". `tag=x` holds if any tag is `x`, `tag!=x` if
    none is.
    """
    if population.since is not None and (request.time is None or request.time < population.since):
        return False
    if population.until is not None and (request.time is None or request.time >= population.until):
        return False
    if not population.where:
        return True
    wanted: defaultdict[str, set[str]] = defaultdict(set)
    for condition in population.where:
        if condition.operator == "=":
            wanted[condition.field].add(condition.value)
        elif condition.value in _values(request, condition.field):
            return False
    return all(not values.isdisjoint(_values(request, field)) for field, values in wanted.items())


def _values(request: TrafficRequest, field: str) -> tuple[str, ...]:
    if field == "tag":
        return request.tags
    value: str | bool | None = getattr(request, field)
    if value is None:
        return ()
    return (str(value).lower() if isinstance(value, bool) else value,)
