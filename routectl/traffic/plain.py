"""Plain text: one prompt per line. Facts of the format: docs/formats.md."""

from __future__ import annotations

import re

from routectl.extraction import extract
from routectl.records import Exclusion
from routectl.request import TrafficRequest
from routectl.traffic.rows import Format, Head, Row, RowError, line_rows

NAME = "text"

_STRUCTURED = re.compile(
    # The header of a table, and the beginnings of XML, HTML and JSON, whole or not.
    rb'[a-z_][\w./-]*([,;\t][a-z_][\w./-]*)+\Z|<\?xml|<!doctype|<html|[\[{]+\Z|[\[{\s]*\{\s*"',
    re.IGNORECASE,
)


def _is_text(head: Head) -> bool:
    if _STRUCTURED.match(head.rows[0].strip()):
        return False
    other = sum(not _is_utf8(row) for row in head.rows) + len(head.objects)
    return 2 * other < len(head.rows)


def _is_utf8(row: bytes) -> bool:
    try:
        row.decode()
    except UnicodeDecodeError:
        return False
    return True


def _request(row: Row) -> TrafficRequest:
    try:
        prompt = extract(row.raw.removesuffix(b"\r").decode())
    except UnicodeDecodeError:
        raise RowError("not UTF-8") from None
    return TrafficRequest(
        source_kind=NAME,
        source_id=row.content_id(),
        text=prompt,
        exclusion=Exclusion.NO_TEXT if prompt is None else None,
    )


FORMAT = Format(
    name=NAME,
    describe="plain text, one prompt per line",
    recognises=_is_text,
    rows=line_rows,
    request=_request,
)
