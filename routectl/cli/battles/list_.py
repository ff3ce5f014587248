"""`routectl battles list`."""

from __future__ import annotations

import click

from routectl.cli import options
from routectl.cli.console import Console, when


@click.command("list")
@options.database
@options.output
def command(db: str, console: Console) -> None:
    """Count the battles in the database by data set and by pair of models.

    \b
    Example:
      routectl battles list --json
    """
    from routectl.workflow.battles.run import list_battles

    location = options.parse_database(db)
    battles = list_battles(location)
    console.database(location)
    if console.as_json:
        console.json(battles)
        return
    if not battles.sources:
        console.line("No battles yet: `routectl battles import FILE` brings some.")
        return
    console.table(
        [
            (s.source, f"{s.battles:,}", f"{s.prompts:,}", f"{s.ties:,}", when(s.last_imported_at))
            for s in battles.sources
        ],
        headers=["source", "battles", "prompts", "ties", "imported"],
    )
    console.line()
    console.table(
        [
            (
                p.source,
                *(f"{n:,}" for n in (p.battles, p.model_a_won, p.ties, p.model_b_won)),
                f"{p.model_a} / {p.model_b}",
            )
            for p in battles.pairs
        ],
        headers=["source", "battles", "a won", "ties", "b won", "model a / model b"],
    )
