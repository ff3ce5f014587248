"""`routectl export`."""

from __future__ import annotations

from pathlib import Path

import click

from routectl.cli import options
from routectl.cli.console import Console


@click.command("export")
@options.route
@click.option(
    "--calibration",
    "calibration_id",
    type=click.IntRange(min=1),
    metavar="ID",
    help="A calibration, whether it is active or not.",
)
@click.option(
    "--format",
    "format",
    type=click.Choice(["string", "env", "json", "yaml", "routes"]),
    default="string",
    show_default=True,
    help="The bare config string, a document that says where it is from, or routes.json.",
)
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Write to this file, whole or not at all.",
)
@options.force
@options.database
@options.output
def command(
    route: str | None,
    calibration_id: int | None,
    format: str,
    output: Path | None,
    force: bool,
    db: str,
    console: Console,
) -> None:
    """Print what the proxy takes: router-NAME-THRESHOLD.

    Of the calibration that the route runs; when none is active, of its newest.

    \b
    Examples:
      routectl export
      export MODEL=$(routectl export --route smart)
      routectl export --format yaml --output routing.yaml
      routectl export --format routes --output routes.json
    """
    from routectl.errors import UsageError
    from routectl.export import document, is_exported, is_routes_document, routes_document
    from routectl.output import PUBLIC, Output
    from routectl.workflow.exporting import active_routes, to_export

    if format == "routes" and calibration_id is not None:
        raise UsageError("--format routes holds what is active, so leave --calibration out")
    if console.as_json and format not in ("string", "json"):
        raise UsageError(f"--json and --format {format} contradict each other")
    if route is not None and calibration_id is not None:
        raise UsageError("name one of --route and --calibration")
    location = options.parse_database(db)
    target = None
    if output is not None:
        target = Output(
            path=output,
            option="--output",
            database=location.path,
            is_ours=is_routes_document if format == "routes" else is_exported,
            force=force,
            mode=PUBLIC,
        )
        target.check()
    console.database(location)
    if format == "routes":
        text = routes_document(active_routes(location, route))
    else:
        exported = to_export(location, calibration_id=calibration_id, route=route, reporter=console)
        if console.as_json:
            format = "json"
        if format == "string":
            text = f"{exported.policy.config_string()}\n"
        else:
            text = document(exported, format)
    if target is None:
        console.document(text)
    else:
        target.write(text.encode())
        console.note(f"wrote {output}")
