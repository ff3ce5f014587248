"""Plain text: one prompt per line. Facts of the format: docs/formats.md."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from routectl.extraction import extract, holds_turns
from routectl.records import Exclusion
from routectl.request import TrafficRequest
from routectl.traffic.fields import decoded
from routectl.traffic.making import structure_of
from routectl.traffic.rows import Format, Head, Row, RowError, line_rows

NAME = "text"

_STRUCTURED = re.compile(
    # The header of a table, and the beginnings of XML, HTML and JSON, whole or not.
    rb"(?:sep=.\s*\Z|[a-z_][\w./-]*([,;\t|][a-z_][\w./ \[\]-]*)+\Z|<\?xml|<!doctype|<html|[\[{]+\Z"
    rb'|[\[{\s]*\{\s*"|-----BEGIN |#!/)',
    re.IGNORECASE,
)

_LOG_LINE = re.compile(
    rb"\W*(?:"
    rb"\d{4}[-/]\d\d[-/]\d\d[T ,]+\d\d:\d\d"  # a time
    rb"|[A-Z][a-z]{2} +\d{1,2} \d\d:\d\d:\d\d "  # syslog
    rb"|\d{1,3}(?:\.\d{1,3}){3} \S+ \S+ \[\d\d/[A-Z][a-z]{2}/\d{4}:"  # an access log
    rb"|(?:TRACE|DEBUG|INFO|NOTICE|WARN|WARNING|ERROR|CRITICAL|FATAL)\b[\]:|]*\s"
    rb"|(?:ts|time|level|lvl)=\S+ \w+="  # logfmt
    rb"|[IWEF]\d{4} \d\d:\d\d:\d\d\.\d+ "  # glog, as Kubernetes has it
    rb")"
)

_SETTING = re.compile(rb"\s*(?:- +)?[A-Za-z_][\w-]*:(?:\s|\Z)")
"""A line of YAML: a key, a colon and what it holds."""

_LEAST_TABLE = 3


def _is_text(head: Head) -> bool:
    if _STRUCTURED.match(head.rows[0].strip()) or all(map(_is_list_of_texts, head.rows)):
        return False
    logged = sum(_LOG_LINE.match(row) is not None for row in head.rows)
    if 2 * logged >= len(head.rows) and logged > 0:
        return False
    if len(head.rows) > 1 and all(_SETTING.match(row) for row in head.rows):
        return False
    other = sum(not _is_utf8(row) for row in head.rows) + len(head.objects)
    return 2 * other < len(head.rows) and not _is_regular(head.rows)


def _is_list_of_texts(row: bytes) -> bool:
    stripped = row.strip()
    if not stripped.startswith(b'["') or not stripped.endswith(b'"]'):
        return False
    values = decoded(stripped.decode("utf-8", "replace"))
    return isinstance(values, list) and all(isinstance(value, str) for value in values)


def _is_regular(rows: Sequence[bytes]) -> bool:
    """Tell a table without a header that we know: the same number of one sign on nearly all lines.

    Two tabs, semicolons or bars on each say so, one of them if it is many lines; of signs that
    prose has, such as colons and commas, it takes more.
    """
    for sign, least in ((b"\t", 1), (b"|", 1), (b";", 1), (b":", 4), (b",", 4)):
        counted = Counter(row.count(sign) for row in rows)
        number, lines = counted.most_common(1)[0]
        if number >= least and len(rows) >= _LEAST_TABLE and lines >= 0.9 * len(rows):
            return True
        if number >= 2 and least == 1 and lines == len(rows) and len(rows) > 1:
            return True
    return False


def _is_utf8(row: bytes) -> bool:
    try:
        row.decode()
    except UnicodeDecodeError:
        return False
    return True


def _request(row: Row) -> TrafficRequest:
    try:
        line = row.raw.removesuffix(b"\r").decode()
    except UnicodeDecodeError:
        raise RowError("not UTF-8") from None
    # A line that is a body or turns is one of another log; any other literal may be asked about.
    value = structure_of(line)
    prompt = extract(value if holds_turns(value) else line)
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
