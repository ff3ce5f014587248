"""`routectl battles import`."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from routectl.cli import options
from routectl.cli.battles import options as battle_options
from routectl.cli.console import Console


@click.command("import")
@click.argument("files", nargs=-1, required=True, type=battle_options.FILE, metavar="FILE...")
@click.option(
    "--source", "source_name", metavar="NAME", help="Name of the data set; else the file's name."
)
@click.option(
    "--rejects",
    "rejects_path",
    type=battle_options.FILE,
    metavar="FILE",
    help="Write the rows that cannot be read to this file, as they are.",
)
@options.force
@options.database
@options.output
def command(
    files: tuple[Path, ...],
    source_name: str | None,
    rejects_path: Path | None,
    force: bool,
    db: str,
    console: Console,
) -> None:
    """Read battles into the database: which of two models answered a prompt better.

    FILE has Chatbot Arena's columns, prompt/model_a/model_b/winner, or AlpacaEval's; CSV, JSON or
    JSON lines, plain or gzipped. Importing a file twice changes nothing. Battles are no traffic:
    no calibration counts them.

    \b
    Examples:
      routectl battles import votes.jsonl
      routectl battles import alpaca_eval.csv.gz --rejects unread.csv
    """
    from routectl.workflow.battles.run import import_battles

    location = options.parse_database(db)
    result = import_battles(
        location,
        files,
        source_name=source_name,
        rejects=options.rejects_output(rejects_path, location, force=force),
        reporter=console,
    )
    console.database(location)
    for reject in result.rejects:
        console.note(f"{reject.source} line {reject.line}: {reject.reason}")
    if result.rejected > len(result.rejects):
        more = result.rejected - len(result.rejects)
        console.note(f"and {more:,} more rows that could not be read")
    if result.rejected and rejects_path is None:
        console.note("--rejects FILE keeps the rows that could not be read")
    if console.as_json:
        rejects = [{"source": r.source, "line": r.line, "reason": r.reason} for r in result.rejects]
        console.json({**asdict(result), "rejects": rejects})
        return
    rows = [("read", f"{result.rows:,} rows of {', '.join(result.sources)}")]
    rows.append(("added", f"{result.added:,} battles"))
    if result.unchanged:
        rows.append(("unchanged", f"{result.unchanged:,} battles that were there"))
    if result.skipped:
        rows.append(("left out", f"{result.skipped:,} rows without a prompt or a verdict"))
    if result.rejected:
        rows.append(("rejected", f"{result.rejected:,} rows"))
    console.table(rows)
    if not result.added:
        console.line("Nothing changed: all of it was there already.")
