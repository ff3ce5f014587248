"""Plain text: one prompt per line. Facts of the format: docs/formats.md."""

from __future__ import annotations

import re
from collections.abc import Sequence

from routectl.extraction import extract
from routectl.records import Exclusion, TrafficRequest
from routectl.traffic.rows import Format, Row, RowError, json_objects, line_rows

NAME = "text"

_STRUCTURED = re.compile(
    # The header of a table, and the beginnings of XML, HTML and JSON that spans lines.
    rb"[a-z_][\w./-]*([,;\t][a-z_][\w./-]*)+\Z|<\?xml|<!doctype|<html|[\[{]+\Z",
    re.IGNORECASE,
)


def _is_text(head: Sequence[bytes]) -> bool:
    try:
        b"\n".join(head).decode()
    except UnicodeDecodeError:
        return False
    return not _STRUCTURED.match(head[0].strip()) and 2 * len(json_objects(head)) < len(head)


def _request(row: Row) -> TrafficRequest:
    try:
        prompt = extract(row.raw.decode())
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
