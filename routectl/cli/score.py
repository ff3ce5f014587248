"""`routectl score`."""

from __future__ import annotations

import click

from routectl.cli import options
from routectl.cli.console import Console, pair_text


@click.command("score")
@options.routers
@options.population
@options.database
@options.output
def command(
    router_names: tuple[str, ...],
    strong_model: str | None,
    weak_model: str | None,
    scored_as: tuple[str, ...],
    where: tuple[str, ...],
    since: str | None,
    until: str | None,
    db: str,
    console: Console,
) -> None:
    """Score the prompts that a router has not scored yet.

    Without -r, with the routers that the routes run, else with those that they declare. A run that
    is stopped keeps what it scored; the next one goes on from there.

    \b
    Examples:
      routectl score
      routectl score -r mf -r length --since 7d
    """
    from routectl.workflow.scoring import score
    from routectl.workflow.scoring.routers_of_routes import routers_of_routes

    location = options.parse_database(db)
    population = options.parse_population(where, since, until)
    routers = []
    if not router_names:
        default = options.parse_router(options.DEFAULT_ROUTERS[0])
        routers = routers_of_routes(location, default, console)
        router_names = tuple(
            f"{r.spec.name}={r.spec.checkpoint}" if r.spec.checkpoint else r.spec.name
            for r in routers
        )
    if not routers or strong_model or weak_model or scored_as:
        routers = options.open_routers(router_names, strong_model, weak_model, scored_as)
    console.database(location)
    results = score(location, routers, population, console)
    if console.as_json:
        console.json(
            [
                {
                    "router": r.router.name,
                    "fingerprint": r.router.fingerprint,
                    "model_pair": r.router.model_pair,
                    "scored_as": r.router.scored_as,
                    "scored": r.scored,
                    "longer_than_read": r.longer_than_read,
                    "seconds": r.seconds,
                }
                for r in results
            ]
        )
        return
    console.table(
        [
            (
                r.router.name,
                r.router.fingerprint[:12],
                f"{r.scored:,}",
                f"{r.longer_than_read:,}",
                f"{r.seconds:.1f} s",
            )
            for r in results
        ],
        headers=["router", "fingerprint", "prompts scored", "longer than read", "time"],
    )
    for r in results:
        if r.router.model_pair is not None:
            console.line(f"{r.router.name} decides between {pair_text(r.router)}.")
