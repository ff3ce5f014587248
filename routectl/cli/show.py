"""`routectl show`."""

from __future__ import annotations

from pathlib import Path

import click

from routectl.cli import ids, options
from routectl.cli.console import Console


@click.command("show")
@click.argument("calibration_id", type=ids.CALIBRATION, metavar="ID")
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Write the calibration to this file, without prompts, as `routectl verify` checks it.",
)
@options.force
@options.database
@options.output
def command(
    calibration_id: int, output: Path | None, force: bool, db: str, console: Console
) -> None:
    """Show a calibration again, as it was printed.

    Nothing is computed anew: what is shown is the record. `routectl history` lists calibrations.
    With --output it becomes a file, which can be reviewed and kept with a deployment's code.

    \b
    Examples:
      routectl show c4
      routectl show c4 --json
      routectl show c4 --output c4.json
    """
    from routectl.cli.calibration_table import print_again, to_json
    from routectl.cli.console import plain
    from routectl.export import calibration_document, is_calibration_document
    from routectl.workflow.calibrating.recorded import show_calibration

    location = options.parse_database(db)
    target = options.checked_output(
        output, "--output", location, is_calibration_document, force=force
    )
    console.database(location)
    result = show_calibration(location, calibration_id)
    if target is not None:
        target.write(calibration_document(plain(to_json(result))).encode())
        console.note(f"wrote {output}")
        return
    if console.as_json:
        console.json(to_json(result))
    else:
        print_again(console, result)
