"""The registry of log formats, and reading a log as one of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from routectl.errors import InputError, UsageError
from routectl.escaping import quoted_names
from routectl.records import Exclusion, Reject
from routectl.request import TrafficRequest
from routectl.traffic import (
    anthropic,
    anthropic_batch,
    azure_apim,
    batch_output,
    bedrock,
    claude_code,
    decisions,
    gemini,
    helicone,
    json_strings,
    kong,
    langfuse,
    langsmith,
    litellm,
    lmsys,
    openai,
    openai_batch,
    openinference,
    openpipe,
    opentelemetry,
    openwebui,
    plain,
    portkey,
    prompts,
    sharegpt,
    spendlogs,
    table,
    vertex,
)
from routectl.traffic.counts import ImportCounts
from routectl.traffic.envelopes import mostly_inside
from routectl.traffic.paths import NAME as MAPPED
from routectl.traffic.paths import Paths, mapped
from routectl.traffic.rows import Format, Head, RowError
from routectl.traffic.source import Source
from routectl.traffic.tables import is_markdown

_NAMED: tuple[Format, ...] = (
    # Sniffed in this order: what says most about itself first.
    decisions.FORMAT,
    litellm.FORMAT,
    spendlogs.FORMAT,
    langfuse.FORMAT,
    langsmith.FORMAT,
    opentelemetry.FORMAT,
    openinference.FORMAT,
    bedrock.FORMAT,
    azure_apim.FORMAT,
    vertex.FORMAT,
    helicone.FORMAT,
    portkey.FORMAT,
    kong.FORMAT,
    openpipe.FORMAT,
    openwebui.FORMAT,
    claude_code.FORMAT,
    openai_batch.FORMAT,
    anthropic_batch.FORMAT,
    batch_output.FORMAT,
    gemini.FORMAT,
    sharegpt.FORMAT,
    lmsys.FORMAT,
    anthropic.FORMAT,
    openai.FORMAT,
)
_WEAK: tuple[Format, ...] = (
    # What is looked for last: an envelope of another format may look like it.
    prompts.FORMAT,
    json_strings.FORMAT,
    table.FORMAT,
    plain.FORMAT,
)
_FORMATS: dict[str, Format] = {format.name: format for format in (*_NAMED, *_WEAK)}

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
    format = _sniffed(parsed)
    if format is not None and format.refusal is not None:
        raise InputError(f"{name} cannot be read: {format.refusal}.")
    if format is not None:
        return format.name
    if fallback is not None:
        return fallback
    if is_markdown(parsed):
        raise InputError(f"{name} is a table in Markdown: export it as CSV or as JSON lines.")
    columns = table.columns_without_prompt(parsed)
    if columns is not None:
        raise InputError(
            f"{name} is a table without a column of prompts ({', '.join(table.PROMPTS)}); its "
            f"columns are {quoted_names(columns, 20)}. Name the one that holds them: "
            f"--map prompt=COLUMN."
        )
    keys = sorted({key for value in parsed.objects[:100] for key in value})
    shown = quoted_names(keys, 20)
    hint = f" Its objects have {shown}: --map prompt=PATH reads any." if keys else ""
    raise InputError(
        f"{name} is of no known format ({', '.join(FORMATS)}). If it is one of them, name it with "
        f"--format.{hint}"
    )


def _sniffed(head: Head) -> Format | None:
    for format in _NAMED:
        if format.recognises(head):
            return format
    for format in _NAMED:
        if format.holds is not None and mostly_inside(head, format.holds):
            return format
    return next((format for format in _WEAK if format.recognises(head)), None)


def advice_of(name: str, exclusion: Exclusion) -> str | None:
    """Return what to set in the product that wrote a log, so that prompts are in it."""
    format = _FORMATS.get(name)
    return None if format is None else format.advice.get(exclusion)


def read(
    source: Source,
    *,
    format: str | None = None,
    on_reject: Callable[[Reject], None],
    counts: ImportCounts,
    alone: bool = True,
    paths: Paths | None = None,
) -> Iterator[TrafficRequest]:
    """Return the requests of a log, in its order, read as they are asked for.

    Args:
        source: The log, of which nothing has been read but the head.
        format: One of `FORMATS`; sniffed where None.
        on_reject: Told of each row that cannot be read, as it is met.
        counts: `rows`, `rejected` and `skipped` are updated.
        alone: Whether a log of which no row can be read is an error. Where it is one of many, its
            rows are rejects as all others.
        paths: What `--map` says; what it maps is read so, and all else as `format` has it, if any.

    Raises:
        UsageError: There is no such format, or the paths need one; at once.
        InputError: The format cannot be told, at once; or a path fits none of the first rows,
            before any is read; or the log is damaged, after the rows before the damage; or it is
            alone and none of its rows could be read, at its end.
    """
    if paths is not None:
        base = None if format in (None, MAPPED) else _named(format)
        return _read(source, mapped(paths, base), on_reject, counts, alone)
    name = format if format is not None else sniff(source.head(), name=source.name)
    return _read(source, _named(name), on_reject, counts, alone)


def _named(name: str | None) -> Format:
    if name not in _FORMATS:
        raise UsageError(f"There is no log format '{name}'; the formats are {', '.join(FORMATS)}.")
    return _FORMATS[name]


def _read(
    source: Source,
    format: Format,
    on_reject: Callable[[Reject], None],
    counts: ImportCounts,
    alone: bool,
) -> Iterator[TrafficRequest]:
    first_reject: Reject | None = None
    readable = False
    source.unread = counts.unread
    request = format.request
    for row in format.rows(source):
        counts.rows += 1
        try:
            if row.fault is not None:
                raise RowError(row.fault)
            result = request(row)
        except RowError as error:
            counts.rejected += 1
            reject = Reject(source.name, row.number, str(error), bytes(row.raw))
            first_reject = first_reject or reject
            on_reject(reject)
            continue
        readable = True
        if isinstance(result, TrafficRequest):
            yield result
        else:
            counts.skipped[result.reason] += 1
    if alone and first_reject is not None and not readable:
        raise InputError(
            f"No row of {source.name} could be read as {format.name} ({format.describe}); the "
            f"first, number {first_reject.line}, is {first_reject.reason}. If it is of another "
            f"format, name it with --format."
        )
