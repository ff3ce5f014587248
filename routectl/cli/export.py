"""`routectl export`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from routectl.cli import ids, options
from routectl.cli.console import Console

if TYPE_CHECKING:
    from routectl.store.engine import Location

_FOLDERS = ("bundle", "routellm")


@click.command("export")
@options.route
@click.option(
    "--calibration",
    "calibration_id",
    type=ids.CALIBRATION,
    metavar="ID",
    help="A calibration, whether it is active or not.",
)
@click.option(
    "--format",
    "format",
    type=click.Choice(["string", "env", "json", "yaml", "routes", "litellm", "bundle", "routellm"]),
    default="string",
    show_default=True,
    help="The bare config string, a document that says where it is from, routes.json, what "
    "LiteLLM's configuration includes, or a folder: routes.json with its routers' files, or what "
    "RouteLLM's own server loads.",
)
@click.option(
    "--complete",
    is_flag=True,
    help="With --format litellm: a whole configuration, to try it. Deployments have their "
    "addresses and keys from ROUTECTL_UPSTREAM_MODEL and ROUTECTL_UPSTREAM_KEY_MODEL.",
)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    metavar="PATH",
    help="Write to this file, or new folder, whole or not at all.",
)
@options.force
@options.database
@options.output
def command(
    route: str | None,
    calibration_id: int | None,
    format: str,
    complete: bool,
    output: Path | None,
    force: bool,
    db: str,
    console: Console,
) -> None:
    """Print what the proxy takes: router-NAME-THRESHOLD.

    Of what the route runs, and of nothing else; --calibration names one that is not active.
    A config string says no mode: for a policy in shadow or a canary take another format.

    \b
    Examples:
      routectl export
      export MODEL=$(routectl export --route smart)
      routectl export --format yaml --output routing.yaml
      routectl export --format routes --output routes.json
      routectl export --format litellm --output smart.yaml
      routectl export --format bundle --output /srv/routectl/a12
      routectl export --calibration c4
    """
    from routectl.errors import UsageError
    from routectl.export import (
        CALLBACK,
        document,
        is_exported,
        is_litellm_fragment,
        is_routes_document,
        litellm_config,
        litellm_fragment,
        routes_document,
    )
    from routectl.workflow.exporting.run import active_routes, to_export

    if format in ("routes", "litellm", *_FOLDERS) and calibration_id is not None:
        raise UsageError(f"--format {format} holds what is active, so leave --calibration out")
    if complete and format != "litellm":
        raise UsageError("--complete is for --format litellm")
    if console.as_json and format not in ("string", "json"):
        raise UsageError(f"--json and --format {format} contradict each other")
    if route is not None and calibration_id is not None:
        raise UsageError("name one of --route and --calibration")
    location = options.parse_database(db)
    if format in _FOLDERS:
        _folder(console, location, route, format, output, force)
        return
    recognisers = {"routes": is_routes_document, "litellm": is_litellm_fragment}
    target = options.checked_output(
        output, "--output", location, recognisers.get(format, is_exported), force=force
    )
    console.database(location)
    if format == "routes":
        text = routes_document(active_routes(location, route))
    elif format == "litellm":
        write_config = litellm_config if complete else litellm_fragment
        text = write_config(active_routes(location, route))
        if not complete:
            console.note(f"the proxy's own configuration must have, too: {CALLBACK}")
    else:
        exported = to_export(location, calibration_id=calibration_id, route=route)
        if console.as_json:
            format = "json"
        if format == "string":
            text = f"{exported.policy.live_config_string()}\n"
        else:
            text = document(exported, format)
    if target is None:
        console.document(text)
    else:
        target.write(text.encode())
        console.note(f"wrote {output}")


def _folder(
    console: Console,
    location: Location,
    route: str | None,
    format: str,
    output: Path | None,
    force: bool,
) -> None:
    """Write a format that is a folder."""
    from routectl.errors import UsageError
    from routectl.workflow.exporting.bundling import check_export_folder, write_bundle
    from routectl.workflow.exporting.routellm import write_for_routellm
    from routectl.workflow.exporting.run import active_routes

    if output is None:
        raise UsageError(f"--format {format} writes a folder: name it with --output")
    if force:
        raise UsageError("a folder is never replaced, so leave --force out")
    check_export_folder(output)
    console.database(location)
    routes = active_routes(location, route)
    if format == "bundle":
        written = write_bundle(routes, output)
        console.note(
            f"wrote {output}: {written.bytes / 2**20:.1f} MiB, {len(written.routers)} "
            f"{'router' if len(written.routers) == 1 else 'routers'}"
        )
        return
    if len(routes) > 1:
        raise UsageError(f"RouteLLM serves one route: name one of {', '.join(routes)} with --route")
    (active,) = routes.values()
    done = write_for_routellm(active, output)
    console.note(f"wrote {output}; with `routectl serve` for its embeddings, start {done.command}")
    console.line(done.model)
