"""`routectl battles export`."""

from __future__ import annotations

from pathlib import Path

import click

from routectl.cli import options
from routectl.cli.battles import options as battle_options
from routectl.cli.console import Console


@click.command("export")
@click.argument("file", type=battle_options.FILE, metavar="FILE")
@options.force
@options.database
@options.output
def command(file: Path, force: bool, db: str, console: Console) -> None:
    """Write the battles to FILE as JSON lines, to train on; gzipped if its name ends in .gz.

    \b
    Example:
      routectl battles export gathered.jsonl.gz
      routectl train mf --battles gathered.jsonl.gz --output my-checkpoint
    """
    from routectl.output import Output
    from routectl.workflow.battles.run import export_battles

    location = options.parse_database(db)
    output = Output(path=file, option="FILE", database=location.path, force=force)
    done = export_battles(location, output)
    console.database(location)
    if done.purged:
        console.note(f"{done.purged:,} battles were left out: the text of their prompt was purged")
    if console.as_json:
        console.json(done)
    else:
        console.line(f"{done.path} holds {done.battles:,} battles.")
