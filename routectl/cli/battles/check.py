"""`routectl battles check`."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from routectl.cli import options
from routectl.cli.battles import options as battle_options
from routectl.cli.console import Console, percent

if TYPE_CHECKING:
    from routectl.workflow.battles.checks import BattleCheck, TrafficSimilarity


@click.command("check")
@options.population
@click.option(
    "--traffic/--no-traffic",
    "with_traffic",
    default=True,
    help="Compare the battles with the traffic, if there is any; it embeds both. Default: do.",
)
@click.option(
    "--few",
    "few_battles",
    type=click.IntRange(min=1),
    default=30,
    show_default=True,
    metavar="N",
    help="Name models with fewer battles, because their ratings are rough.",
)
@click.option(
    "--sample",
    "most_prompts",
    type=click.IntRange(min=0),
    default=2000,
    show_default=True,
    metavar="N",
    help="Prompts of the traffic to compare, drawn at random; 0 compares all.",
)
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of the draw of prompts.")
@battle_options.embedder
@options.database
@options.output
@click.pass_context
def command(
    ctx: click.Context,
    where: tuple[str, ...],
    since: str | None,
    until: str | None,
    with_traffic: bool,
    few_battles: int,
    most_prompts: int,
    seed: int,
    embedder: str | None,
    db: str,
    console: Console,
) -> None:
    """Check whether a router can learn from the battles, and whether they look like the traffic.

    Exits with 3 if it cannot: one model or one prompt only, or models that cannot be rated against
    each other. All else is a remark.

    \b
    Examples:
      routectl battles check --no-traffic
      routectl battles check --where model_group=smart --since 30d --json
    """
    from routectl.workflow.battles.checks import check_battles

    location = options.parse_database(db)
    check = check_battles(
        location,
        options.parse_population(where, since, until),
        with_traffic=with_traffic,
        few_battles=few_battles,
        most_prompts=most_prompts,
        embedder=embedder,
        seed=seed,
        reporter=console,
    )
    console.database(location)
    if console.as_json:
        console.json({"failed": check.failed, **asdict(check)})
    else:
        _print_check(console, check)
    if check.failed:
        ctx.exit(3)


def _print_check(console: Console, check: BattleCheck) -> None:
    sound = check.soundness
    console.table(
        [
            (*(f"{n:,}" for n in (m.battles, m.prompts, m.won, m.tied, m.lost)), m.model)
            for m in sound.models
        ],
        headers=["battles", "prompts", "won", "tied", "lost", "model"],
    )
    console.line()
    rows = [
        ("battles", f"{sound.battles:,} of {len(sound.models)} models"),
        ("prompts", f"{sound.prompts:,}"),
        ("ties", f"{sound.ties:,} ({percent(sound.ties / sound.battles)})"),
        ("duplicates", f"{sound.duplicates:,}"),
        ("conflicting labels", f"{sound.conflicts:,} of {sound.comparisons:,} comparisons"),
    ]
    if check.traffic is not None:
        rows += _traffic_rows(check.traffic)
    rows += [("no" if f.fails else "note", f"{f.sentence}") for f in sound.findings]
    rows.append(("check", "failed" if check.failed else "passed"))
    console.table(rows)


def _traffic_rows(traffic: TrafficSimilarity) -> list[tuple[str, str]]:
    mean, drawn = traffic.similarity, ""
    if traffic.prompts < traffic.prompts_in_all:
        drawn = f", drawn of {traffic.prompts_in_all:,} with seed {traffic.seed}"
    rows = [
        (
            "traffic to battles",
            f"{mean.mean:.3f} ({mean.low:.3f} to {mean.high:.3f}, {percent(mean.confidence, 0)} "
            f"interval): mean over requests of the largest cosine to a battle's prompt; "
            f"{traffic.prompts:,} prompts{drawn}",
        )
    ]
    base = traffic.baseline
    if base is not None:
        rows.append(
            (
                "traffic to itself",
                f"{base.to_traffic:.3f} from half of the traffic to {base.others:,} prompts of the "
                f"other half; {base.to_battles:.3f} to as many of the battles "
                f"(seed {traffic.seed})",
            )
        )
    return rows
