"""Rows of any log: which part of a row is what is said by JMESPath expressions (`--map`).

JMESPath is the path language of the AWS and Azure command lines: https://jmespath.org.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import chain
from typing import Any

from msgspec import structs

from routectl.errors import InputError, UsageError
from routectl.escaping import quoted_names
from routectl.request import TrafficRequest
from routectl.traffic.envelopes import rows as rows_in
from routectl.traffic.fields import decoded, mapping
from routectl.traffic.making import FACTS, request_of
from routectl.traffic.rows import Format, Head, Row, RowError, Skip, parse_json
from routectl.traffic.source import HEAD_BYTES, HEAD_ROWS, Source
from routectl.traffic.tables import table_rows

NAME = "map"

FIELDS = ("prompt", *FACTS)
"""What can be mapped."""

_TAKEN = {"id": "source_id"}
_KEYS_SHOWN = 20


class Paths:
    """Expressions for fields of a request, compiled; and which of them fitted any row so far."""

    def __init__(self, assignments: Sequence[str]) -> None:
        """Read `field=PATH` assignments.

        Raises:
            UsageError: One is no assignment, names no field, or is no JMESPath.
        """
        # Most imports map nothing.
        import jmespath
        from jmespath.exceptions import JMESPathError

        self._error = JMESPathError
        self._expressions: dict[str, Any] = {}
        self._texts: dict[str, str] = {}
        for assignment in assignments:
            field, equals, path = assignment.partition("=")
            field = field.strip()
            if not equals or not path.strip():
                raise UsageError(f"'{assignment}' maps nothing: write field=PATH.")
            if field not in FIELDS:
                raise UsageError(
                    f"There is no field '{field}' to map; the fields are {', '.join(FIELDS)}."
                )
            try:
                self._expressions[field] = jmespath.compile(path.strip())
            except JMESPathError as error:
                reason = str(error).splitlines()[0]
                raise UsageError(f"'{path}' is no JMESPath expression: {reason}.") from None
            self._texts[field] = path.strip()
        self._fitting: set[str] = set()

    def values(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """Return what the expressions find in a row; what they do not find is left out."""
        # Loggers keep JSON as text; a path goes into it all the same.
        row = {key: decoded(v) if _is_json(v) else v for key, v in row.items()}
        values = {}
        for field, expression in self._expressions.items():
            try:
                value = expression.search(row)
            except self._error as error:
                raise RowError(
                    f"the path of {field} does not fit: {type(error).__name__}"
                ) from None
            if value is not None:
                values[field] = value
                self._fitting.add(field)
        return values

    @property
    def maps_prompts(self) -> bool:
        """Whether the prompt is mapped."""
        return "prompt" in self._expressions

    def check(self, rows: Sequence[Row], name: str) -> None:
        """Raise InputError where a path fits none of the first rows of a log, nor any log before.

        A row that is stored without a fact would be there already when the path is right.
        """
        keys: dict[str, None] = {}
        for row in rows:
            with suppress(RowError):
                value = object_in(row)
                keys.update(dict.fromkeys(list(value)[:_KEYS_SHOWN]))
                self.values(value)
        for field, path in self._texts.items():
            if keys and field not in self._fitting:
                raise InputError(
                    f"No row of {name} has anything at the path '{path}' of {field}; the rows have "
                    f"the keys {quoted_names(keys, _KEYS_SHOWN)}."
                )


def object_in(row: Row) -> dict[str, Any]:
    """Return the object that a row is; raises RowError."""
    value = row.value
    if row.fault is None and not isinstance(value, dict):
        # Some readers parse only what they want of a row.
        value = parse_json(row.raw)
    if not isinstance(value, dict):
        raise RowError("not an object or a record of a table")
    return value


def _is_json(value: object) -> bool:
    return isinstance(value, str) and value.lstrip()[:1] in ("{", "[")


def mapped(paths: Paths, base: Format | None) -> Format:
    """Return the format whose rows are read by paths; what they do not map is read as `base` does.

    Raises:
        UsageError: There is no base, and the prompt is not mapped.
    """
    if base is None and not paths.maps_prompts:
        raise UsageError("--map needs prompt=PATH, or --format to say what all else is.")

    def rows(source: Source) -> Iterator[Row]:
        unchecked = container(source)
        first, size = [], 0
        for row in unchecked:
            first.append(row)
            size += len(row.raw)
            if len(first) == HEAD_ROWS or size > HEAD_BYTES:
                break
        paths.check(first, source.name)
        yield from chain(first, unchecked)

    def container(source: Source) -> Iterator[Row]:
        if base is not None:
            return base.rows(source)
        if Head(source.head()).objects:
            return rows_in(source, lambda value: True)
        return table_rows(source, as_written=True)

    def request(row: Row) -> TrafficRequest | Skip:
        values = paths.values(object_in(row))
        if base is None:
            return request_of(row, NAME, values.pop("prompt", None), **values)
        read = base.request(row)
        if isinstance(read, Skip):
            return read
        made = request_of(row, base.name, values.pop("prompt", None), **values)
        taken = {_TAKEN.get(field, field) for field in mapping(values)}
        if paths.maps_prompts:
            taken |= {"text", "exclusion"}
        return structs.replace(read, **{field: getattr(made, field) for field in taken})

    return Format(
        name=NAME if base is None else base.name,
        describe="rows that are read by the paths of --map",
        recognises=lambda head: True,
        rows=rows,
        request=request,
    )
