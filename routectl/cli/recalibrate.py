"""`routectl recalibrate`."""

from __future__ import annotations

import click

from routectl.cli import options
from routectl.cli.console import Console
from routectl.errors import CheckFailed
from routectl.records import IdKind


@click.command("recalibrate")
@options.route
@options.window
@click.option("--yes", is_flag=True, help="Activate what comes out.")
@options.expires
@options.note
@options.database
@options.output
def command(
    route: str | None,
    since: str | None,
    until: str | None,
    yes: bool,
    expires: str | None,
    note: str | None,
    db: str,
    console: Console,
) -> None:
    """Calibrate anew what a route runs: the same target, router and filters on fresh traffic.

    Without --since the window is as long as that of what runs, up to now; where that had no
    beginning, all requests. What would change is shown. Without --yes nothing is activated, and
    what `activate` would want --force for never is: then what runs goes on, and the exit code is 3.

    \b
    Examples:
      routectl recalibrate
      routectl recalibrate --route smart --since 28d --yes --expires 90d
    """
    from routectl.cli import activation_table, calibration_table, diff_table
    from routectl.errors import UsageError
    from routectl.workflow.activating.recalibrating import Wanted, recalibrate

    if expires is not None and not yes:
        raise UsageError("--expires is of an activation, and without --yes there is none")
    location = options.parse_database(db)
    wanted = Wanted(
        route=route,
        window=options.parse_population((), since, until),
        activate=yes,
        note=note,
        expires_at=options.parse_expires(expires),
    )
    console.database(location)
    result = recalibrate(location, wanted, console)
    ref, active = (
        IdKind.CALIBRATION.ref(result.calibration.id),
        IdKind.ACTIVATION.ref(result.active),
    )
    if console.as_json:
        console.json(
            {
                "calibration": calibration_table.to_json(result.calibration),
                "diff": diff_table.to_json(result.difference),
                "doubts": result.doubts,
                "activation": result.activated and activation_table.to_json(result.activated),
            }
        )
    else:
        for line in calibration_table.short_lines(result.calibration):
            console.line(line)
        console.line()
        diff_table.print_difference(console, result.difference)
        if result.activated is not None:
            console.line()
            console.line(activation_table.to_sentence(result.activated))
        elif not result.doubts:
            console.line()
            console.line(f"{active} goes on running. `routectl activate {ref}` runs {ref}.")
    if result.doubts:
        raise CheckFailed(
            f"{ref} is recorded and not activated, and {active} goes on running, because "
            f"{', and '.join(result.doubts)}: `routectl activate {ref} --force` activates it all "
            "the same"
        )
