"""`routectl samples list`."""

from __future__ import annotations

import click

from routectl.cli import options
from routectl.cli.console import Console, when


@click.command("list")
@options.database
@options.output
def command(db: str, console: Console) -> None:
    """List the samples, newest first: what each import read, and what is left of it.

    \b
    Example:
      routectl samples list --json
    """
    from routectl.workflow.traffic.samples import list_samples

    location = options.parse_database(db)
    samples = list_samples(location)
    console.database(location)
    if console.as_json:
        console.json(samples)
        return
    if not samples:
        console.line("No samples yet: `routectl import FILE` brings some.")
        return
    console.table(
        [
            (
                f"s{sample.id}",
                when(sample.created_at),
                f"{sample.seen:,}",
                f"{sample.kept:,}",
                "removed" if sample.removed_at is not None else f"{sample.requests:,}",
                sample.source,
            )
            for sample in samples
        ],
        headers=["sample", "imported", "seen", "kept", "stored", "files"],
    )
