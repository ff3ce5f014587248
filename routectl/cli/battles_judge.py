"""`routectl battles judge`."""

from __future__ import annotations

import sys
from decimal import ROUND_UP, Decimal, InvalidOperation
from pathlib import Path
from typing import TYPE_CHECKING

import click

from routectl.cli import options
from routectl.cli.console import Console, percent, say

if TYPE_CHECKING:
    from routectl.workflow.judging import Judging, JudgingReport, Plan

FILE = click.Path(dir_okay=False, path_type=Path)


def _money(_ctx: click.Context, _param: click.Parameter, value: str | None) -> Decimal | None:
    if value is None:
        return None
    try:
        amount = Decimal(value)
    except InvalidOperation:
        amount = Decimal("NaN")
    if not amount.is_finite() or amount < 0:
        raise click.BadParameter(f"{value!r} is no amount of US dollars")
    return amount


@click.command("judge")
@click.argument("files", nargs=-1, type=FILE, metavar="[PROMPTS]...")
@click.option("--strong-model", required=True, metavar="MODEL", help="As the endpoint names it.")
@click.option("--weak-model", required=True, metavar="MODEL", help="The same.")
@click.option("--judge", "judge_model", required=True, metavar="MODEL", help="Who compares.")
@click.option(
    "--endpoint",
    required=True,
    metavar="URL",
    help="OpenAI-compatible address of both models; /chat/completions follows it, so it mostly "
    "ends in /v1.",
)
@click.option("--judge-endpoint", metavar="URL", help="The judge's address, if it is another one.")
@click.option("-o", "--output", required=True, type=FILE, help="New file of battles, JSON lines.")
@click.option(
    "--from-traffic",
    is_flag=True,
    help="Take the prompts of the traffic in the database, each distinct one once.",
)
@options.population
@click.option(
    "--sample",
    type=click.IntRange(min=1),
    metavar="N",
    help="Only so many prompts, drawn at random; a larger N later keeps those of a smaller one.",
)
@click.option(
    "--seed", type=int, default=0, show_default=True, help="Of the draw; also sent with each call."
)
@options.price
@click.option(
    "--max-cost",
    metavar="USD",
    callback=_money,
    help="Spend no more than this in all. Every call's worst case must fit before it is sent.",
)
@click.option("--yes", is_flag=True, help="Send the prompts, without being asked.")
@click.option(
    "--concurrency",
    type=click.IntRange(1, 64),
    default=4,
    show_default=True,
    metavar="N",
    help="Calls under way at once.",
)
@click.option(
    "--max-tokens",
    type=click.IntRange(min=1),
    default=1024,
    show_default=True,
    metavar="N",
    help="Tokens of the longest answer.",
)
@click.option(
    "--verdict-tokens",
    type=click.IntRange(min=8),
    default=512,
    show_default=True,
    metavar="N",
    help="Tokens of the judge's longest reply; a judge that thinks first needs more.",
)
@options.database
@options.output
@click.pass_context
def judge(
    ctx: click.Context,
    files: tuple[Path, ...],
    strong_model: str,
    weak_model: str,
    judge_model: str,
    endpoint: str,
    judge_endpoint: str | None,
    output: Path,
    from_traffic: bool,
    where: tuple[str, ...],
    since: str | None,
    until: str | None,
    sample: int | None,
    seed: int,
    price_texts: tuple[str, ...],
    max_cost: Decimal | None,
    yes: bool,
    concurrency: int,
    max_tokens: int,
    verdict_tokens: int,
    db: str,
    console: Console,
) -> None:
    """Have two models answer prompts and a third one judge, to learn from the verdicts.

    PROMPTS are tables with a column prompt (CSV, JSON, JSON lines, plain or gzipped), or .txt with
    a prompt a line. The judge sees each two answers in both orders; where its verdicts differ it is
    a tie. Prompts leave this machine: what goes where at which price is said first, and nothing is
    sent without --yes. Keys come from ROUTECTL_JUDGE_KEY, and ROUTECTL_MODELS_KEY if the judge has
    an address of its own.

    A run that was stopped goes on when it is run again. Exits with 3 if --max-cost did not last;
    the battles so far are written, and a larger one goes on.

    \b
    Examples:
      routectl battles judge prompts.jsonl --strong-model gpt-4o --weak-model gpt-4o-mini \\
        --judge gpt-4.1 --endpoint https://api.openai.com/v1 --max-cost 5 --output judged.jsonl
      routectl battles judge --from-traffic --since 7d --sample 300 --strong-model big \\
        --weak-model small --judge big --endpoint http://localhost:4000/v1 \\
        --price big=2.5/10 --price small=0.15/0.6 --output judged.jsonl --yes
    """
    from routectl.errors import UsageError
    from routectl.prices import parse_prices
    from routectl.records import ModelPair
    from routectl.workflow import judging

    if from_traffic == bool(files):
        raise UsageError("name files of prompts, or --from-traffic: one of the two")
    if (where or since or until) and not from_traffic:
        raise UsageError(
            "--where, --since and --until choose among the traffic: add --from-traffic"
        )
    url = endpoint.rstrip("/")
    setup = judging.Judging(
        pair=ModelPair(strong_model, weak_model),
        judge=judge_model,
        url=url,
        judge_url=(judge_endpoint or url).rstrip("/"),
        max_tokens=max_tokens,
        verdict_tokens=verdict_tokens,
        seed=seed,
        concurrency=concurrency,
        max_cost=max_cost,
        prices=parse_prices(price_texts),
    )
    judging.require_free(output)
    if from_traffic:
        location = options.parse_database(db)
        population = options.parse_population(where, since, until)
        prompts = judging.population_prompts(location, population, sample, seed)
        console.database(location)
    else:
        prompts = judging.file_prompts(files, sample, seed)
    plan = judging.plan_judging(prompts, setup, judging.work_path(output))
    if not (yes and console.quiet):
        _say_plan(plan, setup)
        for warning in plan.warnings:
            console.note(warning)
    if not yes and not (sys.stdin.isatty() and click.confirm("Send them?", err=True)):
        raise UsageError("nothing was sent: add --yes to send the prompts to the hosts above")
    report = judging.judge_to_file(prompts, setup, output, console)
    if console.as_json:
        console.json(_as_json(report))
    else:
        _print_report(console, report)
    if not report.complete:
        console.note(
            f"--max-cost {max_cost} does not hold the next call's worst case; run it again with a "
            "larger one to go on"
        )
        ctx.exit(3)


def _say_plan(plan: Plan, setup: Judging) -> None:
    say("Prompts:", f"{plan.prompts:,}, which leave this machine for {' and '.join(plan.hosts)}")
    kept = f"; {plan.kept:,} more are kept from an earlier run" if plan.kept else ""
    say(
        "Calls:",
        f"{plan.answers + plan.verdicts:,}: {plan.answers:,} answers of {setup.pair.strong} and "
        f"{setup.pair.weak}, {plan.verdicts:,} verdicts of {setup.judge} in both orders{kept}",
    )
    for price in dict.fromkeys(map(str, plan.prices)):
        say("Price:", price)
    say(
        "Estimate:",
        f"{_dollars(plan.estimate.typical)}; {_dollars(plan.estimate.upper)} if answers take "
        f"{plan.max_tokens:,} tokens, verdicts {plan.verdict_tokens:,}, and each verdict two "
        "askings (input tokens: a quarter of the characters)",
    )
    if plan.spent:
        say("Spent:", f"{_dollars(plan.spent)} by the runs before this one")
    limit = "none" if plan.max_cost is None else f"{_dollars(plan.max_cost)} in all"
    say("Limit:", f"{limit} (--max-cost)")


def _print_report(console: Console, report: JudgingReport) -> None:
    tally = report.tally
    rows = []
    if report.output is not None:
        rows.append(("battles", f"{report.output}: {tally.judged:,} of {report.prompts:,} prompts"))
    rows.append(("models", f"{report.pair} (strong / weak)"))
    rows.append(("judge", f"{report.judge}, instructions {report.judge_prompt}"))
    if tally.judged:
        rows += [
            ("strong won", _share(tally.strong_won, tally.judged)),
            ("weak won", _share(tally.weak_won, tally.judged)),
            (
                "ties",
                f"{_share(tally.ties, tally.judged)}: {tally.disagreed:,} because the orders "
                f"differ, {tally.equal_answers:,} because the answers are equal",
            ),
        ]
    decided = tally.first_place + tally.second_place
    if decided:
        rows.append(
            ("first place", f"{_share(tally.first_place, decided)} of verdicts for a model")
        )
    left_out = {
        "no verdict in two askings": tally.unparsable,
        "an empty answer": tally.no_answer,
        "a refused request": tally.refused,
    }
    if any(left_out.values()):
        words = ", ".join(f"{count:,} for {why}" for why, count in left_out.items() if count)
        rows.append(("left out", words))
    if tally.cut:
        rows.append(("cut off", f"{tally.cut:,} prompts with an answer of --max-tokens"))
    rows.append(("cost", f"{_dollars(report.cost)} for {report.calls:,} calls"))
    if report.lost:
        rows.append(("lost", f"{report.lost:,} calls of stopped runs, counted as if paid in full"))
    rows.append(("complete", "yes" if report.complete else "no"))
    console.table(rows)


def _as_json(report: JudgingReport) -> dict[str, object]:
    from dataclasses import asdict

    return {
        **asdict(report),
        "currency": "USD",
        "cost": float(report.cost),
        "cost_by_model": {model: float(cost) for model, cost in report.cost_by_model.items()},
    }


def _share(count: int, of: int) -> str:
    return f"{count:,} ({percent(count / of)})"


def _dollars(amount: Decimal) -> str:
    """To the cent, or two digits of what is less than one; never less than it is."""
    digits = max(2, 1 - amount.adjusted()) if amount else 2
    return f"{amount.quantize(Decimal(1).scaleb(-digits), ROUND_UP):,} USD"
