"""`routectl verify`."""

from __future__ import annotations

from pathlib import Path

import click

from routectl.cli import options
from routectl.cli.console import Console
from routectl.errors import CheckFailed, InputError


@click.command("verify")
@click.argument("file", type=click.Path(path_type=Path))
@options.database
@options.output
@click.pass_context
def command(context: click.Context, file: Path, db: str, console: Console) -> None:
    """Check the file of a calibration, as on another machine or in a pull request.

    That it is whole, that its policy can be carried out, that its router opens here at the stated
    fingerprint, and that the database, if there is one, has the same calibration. What cannot be
    asked here is said and is no failure. Exits with 3 when a check says no.

    \b
    Examples:
      routectl verify c12.json
      routectl verify c12.json --db /srv/routectl/routectl.db
    """
    from routectl.documents import read_document
    from routectl.export import read_calibration_document
    from routectl.workflow.calibrating.verifying import verify

    location = options.parse_database(db)
    is_named = context.get_parameter_source("db") is not click.core.ParameterSource.DEFAULT
    there_is_one = is_named or location.path is None or location.path.exists()
    try:
        read = read_calibration_document(read_document(file))
    except OSError as error:
        raise InputError(f"{file} cannot be read: {error.strerror}") from None
    except InputError as error:
        raise InputError(f"{file} cannot be checked: {error}") from None
    if there_is_one:
        console.database(location)
    checks = verify(read, location if there_is_one else None)
    if console.as_json:
        console.json({"file": file, "checks": checks})
    else:
        answers = {True: "yes", False: "no", None: "-"}
        console.table([(check.name, answers[check.passed], check.detail) for check in checks])
    failed = [check.name for check in checks if check.passed is False]
    if failed:
        raise CheckFailed(f"{file} does not hold: {', '.join(failed)}")
