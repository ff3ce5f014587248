"""Options of the commands that have models answer and a judge compare, and their confirmation."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from decimal import ROUND_UP, Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any, TypeVar, cast

import click

from routectl.cli import options
from routectl.cli.console import Console, percent, say
from routectl.cli.numbers import MOST
from routectl.errors import UsageError
from routectl.route import quoted

if TYPE_CHECKING:
    from routectl.workflow.judging import Judging, JudgingReport, Plan
    from routectl.workflow.routes.in_use import RouteInUse

Command = TypeVar("Command", bound=Callable[..., Any])


def _money(_ctx: click.Context, _param: click.Parameter, value: str | None) -> Decimal | None:
    if value is None:
        return None
    try:
        amount = Decimal(value)
    except InvalidOperation:
        amount = Decimal("NaN")
    if not amount.is_finite() or not 0 <= amount <= MOST:
        raise click.BadParameter(f"it must be an amount of US dollars up to {MOST:,}")
    return amount


_OPTIONS = (
    options.route,
    click.option(
        "--strong-model",
        metavar="MODEL",
        help="As the endpoint names it; without it, the route's strong model.",
    ),
    click.option(
        "--weak-model", metavar="MODEL", help="Likewise, without it the route's weak one."
    ),
    click.option(
        "--judge", required=True, metavar="MODEL", help="Model that compares the answers."
    ),
    click.option(
        "--endpoint",
        required=True,
        metavar="URL",
        help="OpenAI-compatible address of both models; /chat/completions follows it, so it mostly "
        "ends in /v1.",
    ),
    click.option(
        "--judge-endpoint", metavar="URL", help="The judge's address, if it is another one."
    ),
    click.option(
        "--seed",
        type=int,
        default=0,
        show_default=True,
        help="Seed of the draw; also sent with each call.",
    ),
    options.price,
    click.option(
        "--max-cost",
        metavar="USD",
        callback=_money,
        help="Spend no more than this in all. Every call's worst case must fit before it is sent.",
    ),
    click.option(
        "--concurrency",
        type=click.IntRange(1, 64),
        default=4,
        show_default=True,
        metavar="N",
        help="Parallel calls.",
    ),
    click.option(
        "--max-tokens",
        type=click.IntRange(min=1),
        default=1024,
        show_default=True,
        metavar="N",
        help="Tokens of the longest answer.",
    ),
    click.option(
        "--verdict-tokens",
        type=click.IntRange(min=8),
        default=512,
        show_default=True,
        metavar="N",
        help="Tokens of the judge's longest reply; a judge that thinks first needs more.",
    ),
)


@dataclass(frozen=True, slots=True)
class JudgingOptions:
    """What the command line says of a judging; a route completes it."""

    route: str | None
    strong_model: str | None
    weak_model: str | None
    settings: Mapping[str, Any]
    """The other fields of a `Judging`."""

    @property
    def needs_route(self) -> bool:
        """Whether a route is named, or its models are wanted."""
        return self.route is not None or self.strong_model is None or self.weak_model is None

    def judging(self, route: RouteInUse | None) -> Judging:
        """The judging of the models that were named, else of the route's, at its prices.

        Raises:
            UsageError: a model is neither named nor declared.
        """
        from routectl.records import ModelPair
        from routectl.workflow.judging import Judging

        pair = None if route is None else route.pair
        strong = self.strong_model or (None if pair is None else pair.strong)
        weak = self.weak_model or (None if pair is None else pair.weak)
        if strong is None or weak is None:
            name = "NAME" if route is None else quoted(route.name)
            raise UsageError(
                "name the two models with --strong-model and --weak-model, or declare them once: "
                f"routectl route set {name} --strong MODEL --weak MODEL"
            )
        settings = dict(self.settings)
        if route is not None:
            settings["prices"] = route.prices(settings["prices"])
        return Judging(pair=ModelPair(strong, weak), **settings)


def judging(command: Command) -> Command:
    """Add the options of a judging; the command gets a `JudgingOptions` as `asked`."""

    @functools.wraps(command)
    def run(
        *args: Any,
        route: str | None,
        strong_model: str | None,
        weak_model: str | None,
        judge: str,
        endpoint: str,
        judge_endpoint: str | None,
        seed: int,
        price_texts: tuple[str, ...],
        max_cost: Decimal | None,
        concurrency: int,
        max_tokens: int,
        verdict_tokens: int,
        **kwargs: Any,
    ) -> Any:
        from routectl.prices import parse_prices

        url = endpoint.rstrip("/")
        settings = {
            "judge": judge,
            "url": url,
            "judge_url": (judge_endpoint or url).rstrip("/"),
            "max_tokens": max_tokens,
            "verdict_tokens": verdict_tokens,
            "seed": seed,
            "concurrency": concurrency,
            "max_cost": max_cost,
            "prices": parse_prices(price_texts),
        }
        asked = JudgingOptions(route, strong_model, weak_model, settings)
        return command(*args, asked=asked, **kwargs)

    decorated = cast(Command, run)
    for option in reversed(_OPTIONS):
        decorated = option(decorated)
    return decorated


yes = click.option("--yes", is_flag=True, help="Send the prompts, without being asked.")


def confirm(plan: Plan, setup: Judging, console: Console, *, yes: bool) -> None:
    """Say what will be sent where and for how much, and go on only with a yes.

    Raises:
        UsageError: there is none.
    """
    if not (yes and console.quiet):
        _say_plan(plan, setup)
        for warning in plan.warnings:
            console.note(warning)
    if not yes and not (sys.stdin.isatty() and click.confirm("Send them?", err=True)):
        raise UsageError("nothing was sent: add --yes to send the prompts to the hosts above")


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
        f"{dollars(plan.estimate.typical)}; {dollars(plan.estimate.upper)} if answers take "
        f"{plan.max_tokens:,} tokens, verdicts {plan.verdict_tokens:,}, and each verdict two "
        "askings (input tokens: a quarter of the characters)",
    )
    if plan.spent:
        say("Spent:", f"{dollars(plan.spent)} by the runs before this one")
    limit = "none" if plan.max_cost is None else f"{dollars(plan.max_cost)} in all"
    say("Limit:", f"{limit} (--max-cost)")


def rows_of_the_work(report: JudgingReport) -> Iterator[tuple[str, str]]:
    """Table rows: prompts left out or cut off, the cost, and lost calls."""
    tally = report.tally
    left_out = {
        "no verdict in two askings": tally.unparsable,
        "an empty answer": tally.no_answer,
        "a refused request": tally.refused,
    }
    if any(left_out.values()):
        words = ", ".join(f"{count:,} for {why}" for why, count in left_out.items() if count)
        yield "left out", words
    if tally.cut:
        yield "cut off", f"{tally.cut:,} prompts with an answer of --max-tokens"
    yield "cost", f"{dollars(report.cost)} for {report.calls:,} calls"
    if report.lost:
        yield "lost", f"{report.lost:,} calls of stopped runs, counted as if paid in full"


def judging_json(report: JudgingReport) -> dict[str, object]:
    """A report for programs."""
    from dataclasses import asdict

    return {
        **asdict(report),
        "currency": "USD",
        "cost": float(report.cost),
        "cost_by_model": {model: float(cost) for model, cost in report.cost_by_model.items()},
    }


def note_the_limit(setup: Judging, console: Console) -> None:
    """Say that the budget did not last."""
    console.note(
        f"--max-cost {setup.max_cost} does not hold the next call's worst case; run it again with "
        "a larger one to go on"
    )


def count_and_share(count: int, total: int) -> str:
    """A count with its share of a total."""
    return f"{count:,} ({percent(count / total)})"


def dollars(amount: Decimal) -> str:
    """Rounded up to the cent; below 0.1 dollars, to two significant digits."""
    digits = max(2, 1 - amount.adjusted()) if amount else 2
    return f"{amount.quantize(Decimal(1).scaleb(-digits), ROUND_UP):,} USD"
