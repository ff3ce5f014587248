"""A known row inside something else: pages of an API, records of log collectors, callbacks."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from functools import partial

import orjson

from routectl.traffic.fields import mapping
from routectl.traffic.rows import Head, Row, json_rows, values_on
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
    source: Source, holds: Test, *, quickly: Callable[[bytes], object] = orjson.loads
) -> Iterator[Row]:
    """Yield the rows of a log of JSON objects, those in envelopes one by one.

    Args:
        holds: Whether an object is a row.
        quickly: Parses a line; what is no dict afterwards is taken for a row.
    """
    for row in json_rows(source, quickly=quickly, leniently=True):
        value = row.value
        if type(value) is not dict or holds(value):
            yield row
            continue
        part = -1
        for part, (item, around) in enumerate(inside(value, holds)):
            raw = _written(item) or row.raw
            yield Row(row.number, raw, item, source, None, row.part + part, around)
        if part < 0:
            yield row


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


def reader(holds: Test) -> Callable[[Source], Iterator[Row]]:
    """Return what yields the rows of a log of such objects."""
    return partial(rows, holds=holds)
