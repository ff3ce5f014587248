"""The registry of log formats, and reading a log as one of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from routectl.errors import InputError, UsageError
from routectl.records import Reject
from routectl.request import TrafficRequest
from routectl.traffic import (
    anthropic,
    json_strings,
    langfuse,
    litellm,
    openai,
    openai_batch,
    plain,
    spendlogs,
    table,
)
from routectl.traffic.counts import ImportCounts
from routectl.traffic.rows import Format, Head, RowError
from routectl.traffic.source import Source

_FORMATS: dict[str, Format] = {
    # Sniffed in this order: what says most about itself first.
    format.name: format
    for format in (
        litellm.FORMAT,
        spendlogs.FORMAT,
        langfuse.FORMAT,
        openai_batch.FORMAT,
        anthropic.FORMAT,
        openai.FORMAT,
        json_strings.FORMAT,
        table.FORMAT,
        plain.FORMAT,
    )
}

FORMATS: tuple[str, ...] = tuple(_FORMATS)
"""The names that `--format` takes."""


def sniff(head: Sequence[bytes], *, name: str = "the log", fallback: str | None = None) -> str:
    """Return the name of the format of a log that begins with these rows.

    Args:
        head: The first rows that are not blank, at least one, as `Source.head` gives them.
        name: What the user calls the log, for the message.
        fallback: What to take a log for that no format recognises, such as the format of the
            log before it: one file of many that was half written.

    Raises:
        InputError: No format recognises it, and there is no fallback.
    """
    parsed = Head(head)
    for format in _FORMATS.values():
        if format.recognises(parsed):
            return format.name
    if fallback is not None:
        return fallback
    known = "; ".join(f"{format.name} ({format.describe})" for format in _FORMATS.values())
    raise InputError(
        f"{name} is of no known format: {known}. If it is one of them, name it with --format."
    )


def read(
    source: Source,
    *,
    format: str | None = None,
    on_reject: Callable[[Reject], None],
    counts: ImportCounts,
    alone: bool = True,
) -> Iterator[TrafficRequest]:
    """Return the requests of a log, in its order, read as they are asked for.

    Args:
        source: The log, of which nothing has been read but the head.
        format: One of `FORMATS`; sniffed where None.
        on_reject: Told of each row that cannot be read, as it is met.
        counts: `rows`, `rejected` and `skipped` are updated.
        alone: Whether a log of which no row can be read is an error. Where it is one of many, its
            rows are rejects as all others.

    Raises:
        UsageError: There is no such format; at once.
        InputError: The format cannot be told, at once; or the log is damaged, after the rows
            before the damage; or it is alone and none of its rows could be read, at its end.
    """
    name = format if format is not None else sniff(source.head(), name=source.name)
    if name not in _FORMATS:
        raise UsageError(f"There is no log format '{name}'; the formats are {', '.join(FORMATS)}.")
    return _read(source, _FORMATS[name], on_reject, counts, alone)


def _read(
    source: Source,
    format: Format,
    on_reject: Callable[[Reject], None],
    counts: ImportCounts,
    alone: bool,
) -> Iterator[TrafficRequest]:
    first_reject: Reject | None = None
    readable = False
    request = format.request
    for row in format.rows(source):
        counts.rows += 1
        try:
            if row.fault is not None:
                raise RowError(row.fault)
            found = request(row)
        except RowError as error:
            counts.rejected += 1
            reject = Reject(source.name, row.number, str(error), bytes(row.raw))
            first_reject = first_reject or reject
            on_reject(reject)
            continue
        readable = True
        if isinstance(found, TrafficRequest):
            yield found
        else:
            counts.skipped[found.reason] += 1
    if alone and first_reject is not None and not readable:
        raise InputError(
            f"No row of {source.name} could be read as {format.name} ({format.describe}); the "
            f"first, number {first_reject.line}, is {first_reject.reason}. If it is of another "
            f"format, name it with --format."
        )
