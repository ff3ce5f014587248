"""`routectl import`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from routectl.cli import options
from routectl.cli.console import Console, when

if TYPE_CHECKING:
    from routectl.workflow.importing import ImportResult


def _complete_format(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[str]:
    from routectl.traffic import FORMATS

    return [name for name in FORMATS if name.startswith(incomplete)]


@click.command("import")
@click.argument("files", nargs=-1, metavar="[FILE...]", type=click.Path(path_type=str))
@click.option(
    "--format",
    "format",
    metavar="NAME",
    shell_complete=_complete_format,
    help="Log format; detected from the content if absent.",
)
@click.option(
    "--map",
    "mapping",
    multiple=True,
    metavar="FIELD=PATH",
    help="Where a row has a field, as a JMESPath expression, such as prompt=body.messages; may be "
    "given several times. Reads rows of any format; with --format, what it does not map is read "
    "as that format.",
)
@click.option(
    "--litellm-db",
    metavar="URL",
    help="Read the spend logs of a LiteLLM proxy from its PostgreSQL database, in place of FILEs; "
    "what was read before is not read again.",
)
@options.population
@click.option(
    "--sample",
    "sample_size",
    type=click.IntRange(min=1),
    metavar="N",
    help="Keep N conversations (requests, where the log knows no conversations), the same ones "
    "every time; their weights stand for all requests.",
)
@click.option(
    "--rejects",
    "rejects_path",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Write the lines that cannot be read to this file, as they are.",
)
@click.option(
    "--source",
    "source_name",
    metavar="NAME",
    help="Name of standard input, so that requests without ids keep their identity.",
)
@options.force
@options.database
@options.output
def command(
    files: tuple[str, ...],
    format: str | None,
    where: tuple[str, ...],
    since: str | None,
    until: str | None,
    sample_size: int | None,
    rejects_path: Path | None,
    source_name: str | None,
    mapping: tuple[str, ...],
    litellm_db: str | None,
    force: bool,
    db: str,
    console: Console,
) -> None:
    """Read request logs into the database.

    FILE may be gzipped, a directory or a quoted pattern; - is standard input. Importing a file
    twice changes nothing, so a growing log can be imported again and again. The format is told
    from content; docs/formats.md has all of them.

    \b
    Examples:
      routectl import litellm.jsonl
      routectl import 'logs/2026-10-*.jsonl.gz' --sample 5000 --where model_group=smart
      kubectl logs deploy/proxy | routectl import - --format litellm --source proxy
      routectl import calls.jsonl --map prompt=request.messages --map time=sent_at
      routectl import --litellm-db "$DATABASE_URL"
    """
    from routectl.workflow.importing import import_traffic

    location = options.parse_database(db)
    result = import_traffic(
        location,
        files,
        format=format,
        population=options.parse_population(where, since, until),
        sample_size=sample_size,
        rejects=options.rejects_output(rejects_path, location, force=force),
        source_name=source_name,
        reporter=console,
        mapping=mapping,
        litellm_db=litellm_db,
    )
    console.database(location)
    _warn(console, result, rejects_path)
    if console.as_json:
        console.json(_json(result))
    else:
        _print(console, result)


def _print(console: Console, result: ImportResult) -> None:
    from routectl.extraction import EXTRACTION_VERSION

    counts, written = result.counts, result.written
    rows: list[tuple[str, str]] = [
        ("read", f"{counts.rows:,} rows as {', '.join(sorted(set(result.formats)))}"),
        ("seen", f"{counts.seen:,} requests"),
    ]
    if counts.kept != counts.seen:
        rows.append(("kept", f"{counts.kept:,} of them, by --sample"))
    rows.append(("added", f"{written.added:,} requests"))
    if written.updated:
        rows.append(("updated", f"{written.updated:,} requests that were there"))
    if written.reread:
        rows.append(
            (
                "",
                f"{written.reread:,} of them read anew, by extraction version {EXTRACTION_VERSION}",
            )
        )
    if written.completed:
        rows.append(("", f"{written.completed:,} of them got the prompt that they had lacked"))
    if written.unchanged:
        rows.append(("unchanged", f"{written.unchanged:,} requests that were there"))
    if written.attempts:
        rows.append(("merged", f"{written.attempts:,} more attempts at the same requests"))
    if counts.filtered:
        rows.append(("filtered out", f"{counts.filtered:,} requests"))
    rows += [("left out", f"{n:,} rows: {why}") for why, n in counts.skipped.most_common()]
    rows += [
        ("without prompt", f"{n:,} requests: {reason.replace('_', ' ')}")
        for reason, n in counts.excluded.most_common()
    ]
    rows += [
        ("not by policy", f"{n:,} requests of a route: {reason.replace('_', ' ')}")
        for reason, n in counts.not_decided.most_common()
    ]
    rows += [("unreadable", f"{n:,} values: {what}") for what, n in counts.unread.most_common()]
    if counts.undated:
        rows.append(("without time", f"{counts.undated:,} requests"))
    if result.passed_over:
        rows.append(("passed over", f"{result.passed_over:,} files"))
    if counts.rejected:
        rows.append(("rejected", f"{counts.rejected:,} rows"))
    if result.first_time is not None:
        rows.append(("from", when(result.first_time)))
        rows.append(("to", when(result.last_time)))
    for route, since in sorted(result.routed_since.items()):
        rows.append(("route", f"{route}: decided by the proxy since {when(since)}"))
    console.table(rows)
    if not counts.seen:
        console.line(_nothing_inside(result))
    elif not written.changed:
        console.line("Nothing changed: all of it was there already.")


def _nothing_inside(result: ImportResult) -> str:
    counts = result.counts
    undated = f"; {counts.undated:,} of them have no time" if counts.undated else ""
    return f"Nothing was stored: all {counts.filtered:,} requests were filtered out{undated}."


def _warn(console: Console, result: ImportResult, rejects_path: Path | None) -> None:
    for reject in result.rejects:
        console.note(f"{reject.source} line {reject.line}: {reject.reason}")
    more = result.counts.rejected - len(result.rejects)
    if more > 0:
        console.note(f"and {more:,} more rows that could not be read")
    if result.counts.rejected and rejects_path is None:
        console.note("--rejects FILE keeps the rows that could not be read")


def _json(result: ImportResult) -> dict[str, object]:
    from routectl.workflow.importing import counts_json

    return {
        "sources": result.sources,
        "formats": result.formats,
        "sample_id": result.sample_id,
        **counts_json(result.counts),
        "passed_over": result.passed_over,
        "added": result.written.added,
        "updated": result.written.updated,
        "reread": result.written.reread,
        "completed": result.written.completed,
        "unchanged": result.written.unchanged,
        "attempts": result.written.attempts,
        "first_time": result.first_time,
        "last_time": result.last_time,
        "routed_since": result.routed_since,
        "rejects": [
            {"source": r.source, "line": r.line, "reason": r.reason} for r in result.rejects
        ],
    }
