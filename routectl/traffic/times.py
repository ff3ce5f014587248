"""Times as logs spell them -> instants in UTC."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from routectl.request import FIRST_TIME, LAST_TIME

EARLIEST = 1e8
"""Numbers below are no seconds since 1970: they would lie before March 1973. Spreadsheets write
days since 1900, which stay below 100,000."""
_LATEST = LAST_TIME

_ZERO_ZONE = re.compile(r"\s*(?:\+00:?00)?\s*\(?(?:UTC|GMT|Z|Coordinated Universal Time)\)?$", re.I)
_COMPACT = re.compile(r"(?:19|20)\d{12}")
_YEAR_FIRST = re.compile(r"(\d{4})[-/.](\d{1,2})[-/.](\d{1,2})(?=\D|$)")
_NUMERIC_DATE = re.compile(r"(\d{1,2})([/.])(\d{1,2})\2(\d{4})(?=\D|$),?(.*)", re.DOTALL)
_RFC_2822 = re.compile(r"(?:[A-Za-z]{3,9},\s*)?\d{1,2}[ -][A-Za-z]{3}[ -]\d{2,4} ")
_CLOCK = re.compile(
    r"\s*(\d{1,2}):(\d{2})(?::(\d{2})(?:[.,](\d+))?)?\s*([AaPp]\.?[Mm]\.?)?\s*([+-]\d{2}:?\d{2})?"
)
_NAMED_MONTH = (
    "%d/%b/%Y:%H:%M:%S %z",  # access logs of Apache and nginx
    "%a %b %d %H:%M:%S %Y",  # asctime
    "%a %b %d %Y %H:%M:%S GMT%z",  # JavaScript's Date
    "%b %d, %Y @ %H:%M:%S.%f",  # Kibana
    "%b %d, %Y @ %H:%M:%S",
    "%b %d, %Y, %I:%M:%S %p",
    "%b %d, %Y %I:%M:%S %p",
    "%b %d, %Y, %H:%M:%S",
    "%b %d, %Y %H:%M:%S",
)


def instant(value: object) -> datetime | None:
    """Return a log's time in UTC, or None where it is absent, ambiguous or makes no sense.

    A call's time lies between 1970 and 2200.

    Takes seconds, milliseconds, microseconds or nanoseconds since 1970 (told apart by size), as a
    number or as text; ISO 8601 and its relatives with blanks or slashes; RFC 2822; an access log's
    and Kibana's; day and month as numbers where only one reading is possible (above 12, with
    points, or with AM or PM, which only the month-first order has); MongoDB's `$date`, and
    seconds with nanos. UTC where it names no zone.
    """
    if type(value) is float and EARLIEST <= value < _LATEST:
        return datetime.fromtimestamp(value, UTC)
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return _epoch(value)
    time = None
    if isinstance(value, str):
        time = _written(value)
    elif isinstance(value, Mapping):
        time = _object(value)
    return time if time is not None and FIRST_TIME <= time.timestamp() < LAST_TIME else None


def iso_time(written: str) -> datetime | None:
    """Return an ISO 8601 date or time in UTC (a date is its midnight); None if it is none."""
    try:
        time = datetime.fromisoformat(written.strip())
        return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _epoch(value: float) -> datetime | None:
    try:
        seconds = float(value)
    except OverflowError:
        return None
    for per_second in (1, 1e3, 1e6, 1e9):
        if EARLIEST <= seconds / per_second < _LATEST:
            return datetime.fromtimestamp(seconds / per_second, UTC)
    return None


def _object(value: Mapping[str, object]) -> datetime | None:
    if "$date" in value:
        inside = value["$date"]
        if isinstance(inside, Mapping):
            inside = inside.get("$numberLong")
        return instant(inside) if not isinstance(inside, Mapping) else None
    seconds, nanos = value.get("seconds"), value.get("nanos", 0)
    try:
        return _epoch(float(seconds) + float(nanos) / 1e9)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return None


def _written(value: str) -> datetime | None:
    text = value.strip().strip("\"'[]").strip()
    if not 6 <= len(text) <= 80:
        return None
    if (time := iso_time(text)) is not None:
        return time
    if _COMPACT.fullmatch(text):
        return _by_pattern(text, "%Y%m%d%H%M%S")
    try:
        return _epoch(float(text))
    except ValueError:
        pass
    if (time := iso_time(_ZERO_ZONE.sub("+00:00", text))) is not None:
        return time
    if (date := _YEAR_FIRST.match(text)) is not None:
        rest = _ZERO_ZONE.sub("", text[date.end() :])
        return _on_day(int(date[1]), int(date[2]), int(date[3]), rest.removeprefix("T"))
    if (date := _NUMERIC_DATE.match(text)) is not None:
        return _numeric(date)
    if _RFC_2822.match(text):
        return _rfc_2822(text)
    plain = re.sub(r"\s*\([^()]*\)$", "", text)
    times = (_by_pattern(plain, pattern) for pattern in _NAMED_MONTH)
    return next((time for time in times if time is not None), None)


def _numeric(date: re.Match[str]) -> datetime | None:
    first, second, year = int(date[1]), int(date[3]), int(date[4])
    rest = _ZERO_ZONE.sub("", date[5])
    if date[2] == "." or first > 12:
        return _on_day(year, second, first, rest)
    if second > 12 or re.search(r"\d\s*[AaPp]\.?[Mm]\b", rest):
        return _on_day(year, first, second, rest)
    # Day or month: equal either way, or nobody can tell.
    return _on_day(year, first, second, rest) if first == second else None


def _on_day(year: int, month: int, day: int, clock: str) -> datetime | None:
    parts = _CLOCK.fullmatch(clock)
    if parts is None:
        return iso_time(f"{year:04}-{month:02}-{day:02}") if not clock.strip(" ,") else None
    hour = int(parts[1])
    if parts[5]:
        if not 1 <= hour <= 12:
            return None
        hour = hour % 12 + (12 if parts[5][0] in "Pp" else 0)
    fraction = f".{parts[4][:6]:0<6}" if parts[4] else ""
    return iso_time(
        f"{year:04}-{month:02}-{day:02}T{hour:02}:{parts[2]}:{parts[3] or '00'}{fraction}"
        f"{parts[6] or ''}"
    )


def _rfc_2822(text: str) -> datetime | None:
    try:
        time = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return time.replace(tzinfo=UTC) if time.tzinfo is None else _in_utc(time)


def _by_pattern(text: str, pattern: str) -> datetime | None:
    try:
        time = datetime.strptime(text, pattern)  # noqa: DTZ007 - the zone follows
    except ValueError:
        return None
    return time.replace(tzinfo=UTC) if time.tzinfo is None else _in_utc(time)


def _in_utc(time: datetime) -> datetime | None:
    try:
        return time.astimezone(UTC)
    except OverflowError:
        return None
