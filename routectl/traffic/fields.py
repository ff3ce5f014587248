"""Values of log fields, cleaned: every reader takes what it finds through these."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from functools import lru_cache
from typing import Any

import orjson

from routectl import callers, field_text
from routectl.request import MOST_DOLLARS, MOST_TOKENS

text = field_text.text


@lru_cache(maxsize=2**14)
def _known_name(value: str) -> str | None:
    return text(value)


def name(value: object) -> str | None:
    """Return what `text` does, quickly where many rows have the same: teams, models, tags."""
    if value is None:
        return None  # as most fields of most rows are
    # Only short ones are remembered, so that memory stays small.
    if type(value) is str and len(value) <= field_text.LONGEST:
        return _known_name(value)
    return text(value)


def names(value: object) -> tuple[str, ...]:
    """Return the distinct names of a list, in its order; quickly of a tuple of texts."""
    if type(value) is tuple:
        return _known_names(value)
    return _distinct(value) if isinstance(value, list) else ()


def _distinct(values: Iterable[object]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(filter(None, map(name, values))))


@lru_cache(maxsize=2**10)
def _known_names(values: tuple[str, ...]) -> tuple[str, ...]:
    return _distinct(values)


def number(value: object) -> float | None:
    """Return a finite number, which may have been written as text: with commas between
    thousands, as US dollars, or as MongoDB writes it."""
    if type(value) is float and math.isfinite(value):
        return value
    if isinstance(value, dict):
        value = next((value[key] for key in _MONGO_NUMBERS if key in value), None)
    if value is None or isinstance(value, bool) or not isinstance(value, (float, int, str)):
        return None
    try:
        written = float(value)
    except OverflowError:
        return None
    except ValueError:
        written = _spelled(str(value))
    return written if math.isfinite(written) else None


_MONGO_NUMBERS = ("$numberInt", "$numberLong", "$numberDouble", "$numberDecimal")
_DOLLARS = re.compile(r"^(?:US)?\$|^USD\b|(?:US)?\$$|\bUSD$")
_THOUSANDS = re.compile(r"[+-]?\d{1,3}(?:,\d{3})+(?:\.\d*)?(?:[eE][+-]?\d+)?")


def _spelled(value: str) -> float:
    """Return a number with a dollar sign or commas between thousands; NaN for anything else."""
    plain = value.strip()
    sign = -1 if plain.startswith("-") else 1
    plain = _DOLLARS.sub("", plain.removeprefix("-").strip(), count=1).strip()
    if _THOUSANDS.fullmatch(plain):
        plain = plain.replace(",", "")
    try:
        return sign * float(plain)
    except ValueError:
        return math.nan


def count(value: object) -> int | None:
    """Return a whole number that is not negative, such as of tokens, and no more than a call's."""
    if type(value) is int:
        return value if 0 <= value <= MOST_TOKENS else None
    written = number(value)
    return int(written) if written is not None and 0 <= written <= MOST_TOKENS else None


def dollars(value: object) -> float | None:
    """Return an amount of money that a call can have cost."""
    written = number(value)
    return written if written is not None and abs(written) <= MOST_DOLLARS else None


def flag(value: object) -> bool | None:
    """Return a truth value; LiteLLM writes `null`, `true`, or the texts "None" and "True"."""
    if isinstance(value, bool):
        return value
    return {"true": True, "false": False}.get(value.lower()) if isinstance(value, str) else None


def mapping(value: object) -> dict[str, object]:
    """Return a JSON object; an empty one in place of anything else."""
    return value if isinstance(value, dict) else {}


def decoded(value: object) -> object:
    """Return the JSON value that a text holds, or the value itself if it is no text or no JSON."""
    if not isinstance(value, str):
        return value
    with suppress(ValueError):
        return orjson.loads(value)
    with suppress(ValueError, RecursionError):
        return json.loads(value)
    return value


class Named:
    """Fields of some objects by plain name: case, underscores, hyphens and blanks do not count.

    Where several objects have one, the first that fills it does.
    """

    def __init__(self, *records: Mapping[str, Any]) -> None:
        self._values: dict[str, Any] = {}
        for record in reversed(records):
            for key, value in record.items():
                if value is not None and value != "":
                    self._values[plain_name(key)] = value

    def get(self, *names: str) -> Any:
        """Return the first of these fields, named in small letters and digits, that is filled."""
        for name in names:
            if name in self._values:
                return self._values[name]
        return None


@lru_cache(maxsize=2**14)
def plain_name(key: str) -> str:
    """Return a key in small letters and digits alone, without the zone that Azure adds."""
    return _NO_LETTER.sub("", key.removesuffix(" [UTC]").lower())


_NO_LETTER = re.compile(r"[^a-z0-9]+")


def user_and_session(written: str | None) -> tuple[str | None, str | None]:
    """Return the end user and the session of a client's user id, as names."""
    user, session = callers.user_and_session(written)
    return (written, None) if user is written else (text(user), text(session))
