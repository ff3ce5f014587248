"""`routectl show`."""

from __future__ import annotations

import click

from routectl.cli import ids, options
from routectl.cli.console import Console


@click.command("show")
@click.argument("calibration_id", type=ids.CALIBRATION, metavar="ID")
@options.database
@options.output
def command(calibration_id: int, db: str, console: Console) -> None:
    """Show a calibration again, as it was printed.

    Nothing is computed anew: what is shown is the record. `routectl history` lists calibrations.

    \b
    Examples:
      routectl show c4
      routectl show c4 --json
    """
    from routectl.cli.calibration_table import print_again, to_json
    from routectl.workflow.recorded import show_calibration

    location = options.parse_database(db)
    console.database(location)
    result = show_calibration(location, calibration_id)
    if console.as_json:
        console.json(to_json(result))
    else:
        print_again(console, result)
