"""A known row inside something else: pages of an API, records of log collectors, callbacks."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping

from msgspec import structs

from routectl.traffic.drivers import undriven
from routectl.traffic.fields import mapping
from routectl.traffic.rows import Head, Row, parsed_rows, values_on
from routectl.traffic.source import Source

Test = Callable[[dict[str, object]], bool]

_KEYS = (
    # LiteLLM's own callbacks.
    "standard_logging_object",
    "standard_logging_payload",
    "kwargs",
    # Pages of an API, and downloads: a list of rows.
    *("data", "observations", "results", "items", "runs", "logs", "rows", "records", "entries"),
    *("value", "spans", "traces", "hits", "requests"),
    # Collectors: DataDog, Loki and Fluent Bit, Google Cloud Logging, journald, Elasticsearch,
    # CloudWatch (its export and its subscription), Kafka.
    *("message", "log", "line", "msg", "jsonPayload", "textPayload", "MESSAGE", "_source"),
    *(
        "logEvents",
        "events",
        "event",
        "payload",
        "attributes",
        "record",
        "content",
        "body",
        "fields",
    ),
)
"""Where envelopes hold what is in them, in the order of asking."""

_DEEPEST = 4


def rows(
    source: Source, holds: Test, *, quickly: Callable[[bytes], object] | None = None
) -> Iterator[Row]:
    """Yield the rows of a log of JSON objects, those in envelopes one by one.

    Args:
        holds: Whether an object is a row.
        quickly: Parses a line that is a row, or raises ValueError where it leaves that to others.
    """
    for number, raw, time in undriven(source.rows()):
        if quickly is not None:
            try:
                yield Row(number, raw, quickly(raw), source)
                continue
            except ValueError:
                pass
        if raw.strip():
            unwrapped = _unwrapped(number, raw, source, holds)
            yield from unwrapped if not time else (_written_at(time, row) for row in unwrapped)


def _unwrapped(number: int, raw: bytes, source: Source, holds: Test) -> Iterator[Row]:
    for row in parsed_rows(number, raw, source):
        value = row.value
        if not isinstance(value, dict) or holds(value):
            yield row
            continue
        part = -1
        for part, (item, around) in enumerate(inside(value, holds)):
            written = _written(item) or row.raw
            yield Row(number, written, item, source, None, row.part + part, around)
        if part < 0:
            yield row


def _written_at(time: str, row: Row) -> Row:
    """Return a row with the time of its log driver, which counts where the row has no other."""
    return structs.replace(row, around={"time": time, **row.around})


def inside(
    value: Mapping[str, object], holds: Test, depth: int = _DEEPEST
) -> Iterator[tuple[object, Mapping[str, object]]]:
    """Yield the rows in an envelope, each with the envelope; nothing where there is none.

    Of a list with a row in it, all else is yielded, too, so that it is counted.
    """
    for key in _KEYS:
        held = value.get(key)
        if isinstance(held, str):
            held = _parsed(held)
        if not isinstance(held, (dict, list)):
            continue
        items = held if isinstance(held, list) else [held]
        if any(isinstance(item, dict) and holds(item) for item in items):
            for item in items:
                yield item, value
            return
        if depth > 1:
            empty = True
            for item in items:
                for item_inside, around in inside(mapping(item), holds, depth - 1):
                    empty = False
                    yield item_inside, {**value, **around}
            if not empty:
                return


def mostly_inside(head: Head, holds: Test) -> bool:
    """Tell whether most of the objects of a head are envelopes with such rows."""
    return head.mostly(lambda value: next(inside(value, holds), None) is not None)


def _parsed(text: str) -> object:
    if "{" not in text[:400]:
        return None
    values = [value for _, value, _ in values_on(text.encode("utf-8", "surrogatepass"))]
    return values[0] if len(values) == 1 else values


def _written(item: object) -> bytes | None:
    try:
        return json.dumps(item).encode()
    except (RecursionError, ValueError):
        return None
