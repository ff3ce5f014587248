"""`routectl report`."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import click

from routectl.cli import options
from routectl.cli.console import Console


@click.command("report")
@click.option("--route", metavar="NAME", help="Only of this route.")
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    required=True,
    metavar="FILE",
    help="The HTML file to write, whole or not at all. An earlier report is replaced.",
)
@click.option(
    "--show-prompts",
    is_flag=True,
    help="With some prompts on either side of the threshold: whoever has the file can read them.",
)
@options.force
@options.database
@options.output
def command(
    route: str | None, output: Path, show_prompts: bool, force: bool, db: str, console: Console
) -> None:
    """Write one HTML file on what runs and what it saves, for whoever answers for the bill.

    Everything is in the file: it asks nothing of the network, and can be sent, archived and
    printed. It says what is recorded, and scores nothing.

    \b
    Examples:
      routectl report --output report.html
      routectl report --route smart --output smart.html
    """
    from routectl.cli.report_page import page
    from routectl.report.page import is_page, render
    from routectl.workflow.watching.reporting import reported_routes

    location = options.parse_database(db)
    target = options.checked_output(
        output, "--output", location, is_page, force=force, private=show_prompts
    )
    assert target is not None  # it is required
    console.database(location)
    reported = reported_routes(location, console, route=route, prompts=show_prompts)
    target.write(render(page(reported, datetime.now(UTC))))
    names = [one.name for one in reported]
    if console.as_json:
        console.json({"output": output, "routes": names, "prompts": show_prompts})
    else:
        console.line(f"Wrote {output}: route{'' if len(names) == 1 else 's'} {', '.join(names)}.")
