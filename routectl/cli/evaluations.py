"""`routectl evaluations`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from routectl.cli import options
from routectl.cli.console import Console, percent, when

if TYPE_CHECKING:
    from routectl.workflow.evaluating import Compared, StoredEvaluation


@click.group("evaluations")
def command() -> None:
    """Look at what was evaluated, and compare two routers prompt by prompt.

    \b
    Example:
      routectl evaluations list
    """


@command.command("list")
@click.option("--benchmark", metavar="NAME", help="Only of this benchmark.")
@click.option("-r", "--router", metavar="NAME", help="Only of this router.")
@click.option(
    "--limit", type=click.IntRange(min=1), default=20, show_default=True, help="Newest entries."
)
@options.database
@options.output
def list_(benchmark: str | None, router: str | None, limit: int, db: str, console: Console) -> None:
    """List evaluations, newest first.

    \b
    Examples:
      routectl evaluations list
      routectl evaluations list --benchmark mmlu -r mf --json
    """
    from routectl.workflow.evaluating import list_evaluations

    location = options.parse_database(db)
    console.database(location)
    found = list_evaluations(location, benchmark=benchmark, router=router, limit=limit)
    if console.as_json:
        console.json(found)
    elif not found:
        console.line("none yet")
    else:
        console.table(
            [
                (
                    str(one.id),
                    when(one.created_at),
                    one.benchmark,
                    f"{one.rows:,}",
                    one.router,
                    one.fingerprint[:12],
                    _figure(one, "APGR"),
                    one.note or "",
                )
                for one in found
            ],
            headers=("id", "time", "benchmark", "rows", "router", "fingerprint", "APGR", "note"),
        )


@command.command("show")
@click.argument("evaluation", type=int, metavar="ID")
@options.database
@options.output
def show(evaluation: int, db: str, console: Console) -> None:
    """Show one evaluation.

    \b
    Examples:
      routectl evaluations show 3
      routectl evaluations show 3 --json
    """
    from routectl.workflow.evaluating import show_evaluation

    location = options.parse_database(db)
    console.database(location)
    found = show_evaluation(location, evaluation)
    if console.as_json:
        console.json(found)
        return
    console.table(
        [
            ("evaluation", f"{found.id}, {when(found.created_at)}, by {found.actor}"),
            *([("note", found.note)] if found.note else []),
            ("benchmark", f"{found.benchmark} ({found.kind}): {found.rows:,} rows"),
            ("rows digest", found.data_digest[:12]),
            ("model pair", f"{found.strong_model} / {found.weak_model} (strong / weak)"),
            ("router", f"{found.router}, fingerprint {found.fingerprint[:12]}"),
            (
                "mean quality",
                f"{found.strong_quality:.4g} strong, {found.weak_quality:.4g} weak",
            ),
            *((name, _figure(found, name)) for name in found.figures),
            (
                "intervals",
                f"{percent(found.confidence, 0)}, paired bootstrap, {found.draws:,} draws, "
                f"seed {found.seed}",
            ),
            ("routectl", found.package_version),
        ]
    )


@command.command("compare")
@click.argument("first", type=int, metavar="ID")
@click.argument("second", type=int, metavar="ID")
@options.draws
@click.option("--seed", type=int, default=0, show_default=True, help="Of the bootstrap.")
@options.confidence
@options.database
@options.output
def compare(
    first: int, second: int, draws: int, seed: int, confidence: float, db: str, console: Console
) -> None:
    """Say whether the router of one evaluation is better than that of another.

    Both must have been judged on the same rows. The intervals are of the difference, on the same
    draws of these rows, so the luck of the draw that both share does not count.

    \b
    Examples:
      routectl evaluations compare 3 4
    """
    from routectl.workflow.evaluating import compare_evaluations

    location = options.parse_database(db)
    console.database(location)
    found = compare_evaluations(
        location, first, second, draws=draws, seed=seed, confidence=confidence
    )
    if console.as_json:
        console.json(
            {
                "first": found.first,
                "second": found.second,
                "differences": {n: c.to_json() for n, c in found.differences.items()},
                "draws": found.draws,
                "seed": found.seed,
                "confidence": found.confidence,
            }
        )
    else:
        _print_compared(console, found)


def _figure(found: StoredEvaluation, name: str) -> str:
    """A stored figure as `routectl evaluate` printed it; a dash where there was no gap."""
    from routectl.cli.figures import cpt_text, number_text
    from routectl.workflow.evaluating import stored_estimate

    stored = found.figures.get(name)
    if stored is None:
        return "-"
    estimate = stored_estimate(stored)
    return cpt_text(estimate) if name.startswith("CPT") else number_text(estimate)


def _print_compared(console: Console, found: Compared) -> None:
    from routectl.cli.figures import comparison_cells

    first, second = found.first, found.second
    names = [f"{one.router} (evaluation {one.id})" for one in (first, second)]
    apgr = found.differences.get("APGR")
    answer = "no gap to recover, so only AUC can be compared"
    if apgr is not None:
        answer = comparison_cells(apgr)[0]
    console.line(f"Is {names[0]} better than {names[1]} on {first.benchmark}: {answer}")
    console.line()
    console.table(
        [(name, *comparison_cells(difference)) for name, difference in found.differences.items()],
        headers=("figure", "better", "difference"),
    )
    console.line()
    console.line(
        f"{first.rows:,} rows, {percent(found.confidence, 0)} intervals, paired bootstrap, "
        f"{found.draws:,} draws, seed {found.seed}"
    )
