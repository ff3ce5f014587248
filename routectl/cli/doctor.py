"""`routectl doctor`."""

from __future__ import annotations

from pathlib import Path

import click

from routectl.cli import options
from routectl.cli.console import Console


@click.command("doctor")
@click.option(
    "--routes",
    "routes_file",
    type=click.Path(path_type=Path),
    envvar="ROUTECTL_ROUTES",
    metavar="FILE|DIR",
    help="routes.json or the bundle that the proxy reads. Also ROUTECTL_ROUTES.",
)
@click.option(
    "--config",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Configuration of LiteLLM's proxy; what it includes is read, too.",
)
@click.option(
    "--proxy",
    metavar="URL",
    help="Address of the proxy, which is asked whether it lives; no prompt is sent.",
)
@options.database
@options.output
def command(
    routes_file: Path | None, config: Path | None, proxy: str | None, db: str, console: Console
) -> None:
    """Check each link from the log to the proxy, and name the setting to change.

    The log has prompts, times and conversations; the schema is the newest; what runs is what was
    published, and decided the newest requests; routes.json opens here with the fingerprint that was
    calibrated; LiteLLM's configuration names our callback, the routes and their deployments, with
    budgets on routes; the proxy answers. Ends with 3 where a check failed. Nothing is changed.

    \b
    Examples:
      routectl doctor
      routectl doctor --routes routes.json --config config.yaml --proxy http://127.0.0.1:4000
    """
    from routectl.errors import CheckFailed
    from routectl.workflow.exporting.doctoring import FAILED, Asked, examine

    location = options.parse_database(db)
    console.database(location)
    checks = examine(location, Asked(routes_file=routes_file, config=config, proxy=proxy))
    failed = [check for check in checks if check.result == FAILED]
    if console.as_json:
        console.json({"checks": checks, "failed": len(failed), "warnings": []})
    else:
        console.table(
            [
                (
                    check.name,
                    check.result,
                    check.what if check.setting is None else f"{check.what}: {check.setting}",
                )
                for check in checks
            ],
            headers=["check", "result", "what"],
        )
    if failed:
        raise CheckFailed(
            f"{len(failed)} of {len(checks)} checks failed: "
            + ", ".join(dict.fromkeys(check.name for check in failed))
        )
