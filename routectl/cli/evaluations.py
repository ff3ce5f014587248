"""`routectl evaluations`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from routectl.cli import ids, options
from routectl.cli.console import Console, percent, when
from routectl.records import IdKind

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
    evaluations = list_evaluations(location, benchmark=benchmark, router=router, limit=limit)
    if console.as_json:
        console.json(evaluations)
    elif not evaluations:
        console.line("none yet")
    else:
        console.table(
            [
                (
                    IdKind.EVALUATION.ref(evaluation.id),
                    when(evaluation.created_at),
                    evaluation.benchmark,
                    f"{evaluation.rows:,}",
                    evaluation.router,
                    evaluation.fingerprint[:12],
                    _figure(evaluation, "APGR"),
                    evaluation.note or "",
                )
                for evaluation in evaluations
            ],
            headers=("id", "time", "benchmark", "rows", "router", "fingerprint", "APGR", "note"),
        )


@command.command("show")
@click.argument("evaluation", type=ids.EVALUATION, metavar="ID")
@options.database
@options.output
def show(evaluation: int, db: str, console: Console) -> None:
    """Show one evaluation.

    \b
    Examples:
      routectl evaluations show e3
      routectl evaluations show e3 --json
    """
    from routectl.workflow.evaluating import show_evaluation

    location = options.parse_database(db)
    console.database(location)
    stored = show_evaluation(location, evaluation)
    if console.as_json:
        console.json(stored)
        return
    console.table(
        [
            (
                "evaluation",
                f"{IdKind.EVALUATION.ref(stored.id)}, {when(stored.created_at)}, by {stored.actor}",
            ),
            *([("note", stored.note)] if stored.note else []),
            ("benchmark", f"{stored.benchmark} ({stored.kind}): {stored.rows:,} rows"),
            ("rows digest", stored.data_digest[:12]),
            ("model pair", f"{stored.strong_model} / {stored.weak_model} (strong / weak)"),
            ("router", f"{stored.router}, fingerprint {stored.fingerprint[:12]}"),
            (
                "mean quality",
                f"{stored.strong_quality:.4g} strong, {stored.weak_quality:.4g} weak",
            ),
            *((name, _figure(stored, name)) for name in stored.figures),
            (
                "intervals",
                f"{percent(stored.confidence, 0)}, paired bootstrap, {stored.draws:,} draws, "
                f"seed {stored.seed}",
            ),
            ("routectl", stored.package_version),
        ]
    )


@command.command("compare")
@click.argument("first", type=ids.EVALUATION, metavar="ID")
@click.argument("second", type=ids.EVALUATION, metavar="ID")
@options.draws
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of the bootstrap.")
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
      routectl evaluations compare e3 e4
    """
    from routectl.workflow.evaluating import compare_evaluations

    location = options.parse_database(db)
    console.database(location)
    compared = compare_evaluations(
        location, first, second, draws=draws, seed=seed, confidence=confidence
    )
    if console.as_json:
        console.json(
            {
                "first": compared.first,
                "second": compared.second,
                "differences": {n: c.to_json() for n, c in compared.differences.items()},
                "draws": compared.draws,
                "seed": compared.seed,
                "confidence": compared.confidence,
            }
        )
    else:
        _print_compared(console, compared)


def _figure(evaluation: StoredEvaluation, name: str) -> str:
    """A stored figure as `routectl evaluate` printed it; a dash where there was no gap."""
    from routectl.cli.figures import cpt_text, number_text
    from routectl.workflow.evaluating import stored_estimate

    figure = evaluation.figures.get(name)
    if figure is None:
        return "-"
    estimate = stored_estimate(figure)
    return cpt_text(estimate) if name.startswith("CPT") else number_text(estimate)


def _print_compared(console: Console, compared: Compared) -> None:
    from routectl.cli.figures import comparison_cells

    first, second = compared.first, compared.second
    names = [f"{one.router} ({IdKind.EVALUATION.ref(one.id)})" for one in (first, second)]
    apgr = compared.differences.get("APGR")
    answer = "no gap to recover, so only AUC can be compared"
    if apgr is not None:
        answer = comparison_cells(apgr)[0]
    console.line(f"Is {names[0]} better than {names[1]} on {first.benchmark}: {answer}")
    console.line()
    console.table(
        [
            (name, *comparison_cells(difference))
            for name, difference in compared.differences.items()
        ],
        headers=("figure", "better", "difference"),
    )
    console.line()
    console.line(
        f"{first.rows:,} rows, {percent(compared.confidence, 0)} intervals, paired bootstrap, "
        f"{compared.draws:,} draws, seed {compared.seed}"
    )
