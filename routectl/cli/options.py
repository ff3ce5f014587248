"""Options that several commands share, each with one spelling and one meaning."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, TypeVar, cast

import click

from routectl.cli.console import Console
from routectl.errors import InputError, UsageError
from routectl.records import FILTER_FIELDS, Condition, Population, RouterSpec

if TYPE_CHECKING:
    from routectl.output import Output
    from routectl.routers import OpenRouter
    from routectl.store.engine import Location

Command = TypeVar("Command", bound=Callable[..., Any])

DEFAULT_DATABASE = "routectl.db"
_LEAST = 1e-9
"""Distance of an open share from 0 and from 1."""


def _stack(*options: Callable[[Command], Command]) -> Callable[[Command], Command]:
    def decorate(command: Command) -> Command:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


database = click.option(
    "--db",
    "db",
    envvar="ROUTECTL_DB",
    default=DEFAULT_DATABASE,
    show_default=True,
    metavar="PATH|URL",
    help="Database: a SQLite file or a SQLAlchemy URL. Also ROUTECTL_DB.",
)

_json_flag = click.option("--json", "as_json", is_flag=True, help="Print JSON for programs.")
_verbosity = _stack(
    click.option("-q", "--quiet", is_flag=True, help="No notes and no progress, only the result."),
    click.option("-v", "--verbose", is_flag=True, help="Say each step."),
)


def output(command: Command) -> Command:
    """Adds --json, --quiet and --verbose, and hands the command a console that follows them."""
    return _json_flag(_verbosity(_with_console(command)))


def _with_console(command: Command) -> Command:
    @functools.wraps(command)
    def run(*args: Any, as_json: bool, quiet: bool, verbose: bool, **kwargs: Any) -> Any:
        console = Console(as_json=as_json, quiet=quiet, verbose=verbose)
        return command(*args, console=console, **kwargs)

    return cast(Command, run)


def fraction(_ctx: click.Context, _param: click.Parameter, value: str) -> float:
    """Callback of an option that takes a share between 0 and 1."""
    try:
        number = float(value)
    except ValueError:
        raise click.BadParameter(f"{value!r} is no number: write 30 % as 0.3") from None
    if not 0.0 <= number <= 1.0:  # NaN is not, either
        raise click.BadParameter(f"{value} is not between 0 and 1: write 30 % as 0.3")
    return number


def open_fraction(context: click.Context, parameter: click.Parameter, value: str) -> float:
    """Callback of an option that takes a share above 0 and below 1.

    What is nearer to either than a billionth is no share that anything can be told by.
    """
    number = fraction(context, parameter, value)
    if not _LEAST <= number <= 1 - _LEAST:
        raise click.BadParameter(f"{value} is not above 0 and below 1: write 30 % as 0.3")
    return number


def optional_open_fraction(
    context: click.Context, parameter: click.Parameter, value: str | None
) -> float | None:
    """The same of an option that may not be given."""
    return None if value is None else open_fraction(context, parameter, value)


def optional_fraction(
    context: click.Context, parameter: click.Parameter, value: str | None
) -> float | None:
    """Callback of an option that takes a share between 0 and 1, or is not given."""
    return None if value is None else fraction(context, parameter, value)


confidence = click.option(
    "--confidence",
    default="0.95",
    show_default=True,
    callback=open_fraction,
    metavar="SHARE",
    help="Confidence of the intervals.",
)

draws = click.option(
    "--draws",
    type=click.IntRange(min=1, max=1_000_000),
    default=1000,
    show_default=True,
    metavar="N",
    help="Draws of the bootstrap.",
)

price = click.option(
    "--price",
    "price_texts",
    multiple=True,
    metavar="MODEL=IN/OUT",
    help="US dollars per million input and output tokens, in place of the route's own price and of "
    "the list's. May repeat.",
)

force = click.option(
    "--force",
    is_flag=True,
    help="Replace a file that is there, whatever it holds; never a database or an input.",
)

note = click.option("--note", help="Why, for whoever reads the history.")


segment = click.option(
    "--segment",
    metavar="NAME",
    help="The team, key alias or model group of these requests, where the policy has segments.",
)

NEVER = "never"

expires = click.option(
    "--expires",
    metavar="TIME",
    help="When somebody has to look at it again: 30d (h, d, w) from now on, or a date; UTC without "
    "a zone. Nothing ends by itself then. 'never' takes an expiry back.",
)


def _complete_field(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[str]:
    return [f"{field}=" for field in FILTER_FIELDS if field.startswith(incomplete)]


def _complete_router(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[str]:
    from routectl.routers import names

    return [name for name in (*names(), "all") if name.startswith(incomplete)]


route = click.option(
    "--route", metavar="NAME", help="Route that it is for; without it, the only one there is."
)

where = click.option(
    "--where",
    "where",
    multiple=True,
    metavar="FIELD=VALUE",
    shell_complete=_complete_field,
    help="Only requests with this value; != for all others. May repeat: values of one field "
    f"are alternatives. Fields: {', '.join(FILTER_FIELDS)}.",
)

window = _stack(
    click.option(
        "--since",
        metavar="TIME",
        help="Only requests from this time on: 2026-10-01, 2026-10-01T09:30+02:00, or 7d for the "
        "last seven days (m, h, d, w). Without a zone it is UTC.",
    ),
    click.option("--until", metavar="TIME", help="Only requests before this time."),
)

population = _stack(where, window)

scored_as = click.option(
    "--as",
    "scored_as",
    multiple=True,
    metavar="NEW=KNOWN",
    help="Score the pair's model NEW, which the router does not know, as KNOWN. May repeat.",
)

router = click.option(
    "-r",
    "--router",
    "router_names",
    multiple=True,
    metavar="NAME[=DIR]",
    shell_complete=_complete_router,
    help="Router to use, with a checkpoint folder of your own, or the name of one that ships, if "
    "it is not the default one. May repeat; 'all' is every router that is installed. Without it "
    "the route's, if it declares one, else mf.",
)

DEFAULT_ROUTERS = ("mf",)
"""Where neither the command nor a route names one."""

routers = _stack(
    router,
    click.option(
        "--strong-model", metavar="MODEL", help="Strong model of the pair, as the router knows it."
    ),
    click.option(
        "--weak-model", metavar="MODEL", help="Weak model of the pair, as the router knows it."
    ),
    scored_as,
)


def parse_database(text: str) -> Location:
    """What --db names."""
    from routectl.workflow.databases import locate

    return locate(text)


def standard_input(what: str) -> IO[bytes]:
    """Standard input; raises InputError where whoever started us has closed it.

    Args:
        what: is read there, for the sentence.
    """
    if sys.stdin is None:
        raise InputError(f"standard input is closed: give {what} with < FILE")
    return sys.stdin.buffer


def checked_output(
    path: Path | None,
    option: str,
    location: Location,
    is_ours: Callable[[bytes], bool],
    *,
    force: bool,
    private: bool = False,
) -> Output | None:
    """The file that an option names, checked before any work; None where it names none.

    Args:
        is_ours: tells from a file's content whether all of it was written by the same command.
        private: it may hold prompts, so only its owner can read it.

    Raises:
        UsageError, InputError: as `Output.check`.
    """
    from routectl.output import PRIVATE, PUBLIC, Output

    if path is None:
        return None
    output = Output(
        path=path,
        option=option,
        database=location.path,
        is_ours=is_ours,
        force=force,
        mode=PRIVATE if private else PUBLIC,
    )
    output.check()
    return output


def rejects_output(path: Path | None, location: Location, *, force: bool) -> Output | None:
    """What --rejects names."""
    from routectl.output import Output

    if path is None:
        return None
    return Output(
        path=path,
        option="--rejects",
        database=location.path,
        force=force,
        keeps_part=True,
        if_it_fails="; what was imported is kept",
    )


def parse_population(where: tuple[str, ...], since: str | None, until: str | None) -> Population:
    """What --where, --since and --until name."""
    from routectl.traffic import parse_condition, parse_time

    now = datetime.now(UTC)
    parsed = Population(
        where=tuple(parse_condition(text) for text in where),
        since=None if since is None else parse_time(since, now=now),
        until=None if until is None else parse_time(until, now=now),
    )
    if parsed.since is not None and parsed.until is not None and parsed.since >= parsed.until:
        raise UsageError(f"--since {since} is not before --until {until}: no request lies between")
    return parsed


def parse_expires(text: str | None) -> datetime | None:
    """What --expires names; None where it is not given, and for 'never'."""
    from routectl.traffic import parse_deadline

    if text is None or text.strip().lower() == NEVER:
        return None
    try:
        return parse_deadline(text, now=datetime.now(UTC))
    except UsageError as error:
        raise UsageError(f"--expires {error}") from None


def parse_columns(where: tuple[str, ...]) -> tuple[Condition, ...]:
    """What --where names when it is about the columns of a table."""
    from routectl.traffic import parse_condition

    return tuple(parse_condition(text, fields=None) for text in where)


def parse_router(text: str) -> RouterSpec:
    """NAME, or NAME=DIR, where DIR may be the name of a checkpoint that ships."""
    from routectl.checkpoint import named_checkpoint

    name, equals, folder = text.partition("=")
    if equals and not folder:
        raise UsageError(f"--router {text} names no folder after the =")
    return RouterSpec(name, named_checkpoint(folder) if folder else None)


def parse_mapping(texts: tuple[str, ...]) -> dict[str, str]:
    """What --as names: new model -> known model."""
    mapping: dict[str, str] = {}
    for text in texts:
        new, _, old = (part.strip() for part in text.partition("="))
        if not new or not old:
            raise UsageError(f"--as {text} is not NEW=KNOWN, such as gpt-5=gpt-4-1106-preview")
        if mapping.setdefault(new, old) != old:
            raise UsageError(f"--as maps {new} twice, to {mapping[new]} and to {old}")
    return mapping


def open_routers(
    texts: tuple[str, ...],
    strong_model: str | None,
    weak_model: str | None,
    scored_as: tuple[str, ...] = (),
) -> list[OpenRouter]:
    """The routers that --router names, each once however it is spelled, with the model pair.

    Where it names none, the default one. A baseline among them knows no models, and is opened
    without the pair; where none of them knows any, the pair is refused.
    """
    from routectl.routers import open_router

    mapping = parse_mapping(scored_as)
    plain = _open_plain(texts or DEFAULT_ROUTERS)
    if strong_model is None and weak_model is None and not mapping:
        return plain
    if not any(router.description.models for router in plain):
        raise UsageError(
            f"{', '.join(router.identity.name for router in plain)}: no models are known there, so "
            "leave out --strong-model, --weak-model and --as"
        )
    return [
        open_router(
            router.identity.name,
            checkpoint=router.description.checkpoint,
            strong_model=strong_model,
            weak_model=weak_model,
            mapping=mapping,
        )
        if router.description.models
        else router
        for router in plain
    ]


def unnamed_routers(texts: tuple[str, ...], opened: list[OpenRouter]) -> set[str]:
    """Fingerprints of the `opened` routers that --router means only by 'all'."""
    if "all" not in texts:
        return set()
    by_name = _open_plain(tuple(text for text in texts if text != "all"))
    named = {(router.spec.name, router.spec.checkpoint) for router in by_name}
    return {
        router.identity.fingerprint
        for router in opened
        if (router.spec.name, router.spec.checkpoint) not in named
    }


def _open_plain(texts: tuple[str, ...]) -> list[OpenRouter]:
    """The routers that --router names, each once, for the pairs that they have by themselves."""
    from routectl.routers import names, open_spec

    opened: list[OpenRouter] = []
    for text in texts:
        specs = [RouterSpec(name) for name in names()] if text == "all" else [parse_router(text)]
        for router in map(open_spec, specs):
            if all(router.spec != other.spec for other in opened):
                opened.append(router)
    return opened


routes_file = click.option(
    "--routes",
    "routes_file",
    type=click.Path(path_type=Path),
    envvar="ROUTECTL_ROUTES",
    required=True,
    metavar="FILE|DIR",
    help="What `routectl export --format routes` wrote, or the folder that --format bundle wrote. "
    "Also ROUTECTL_ROUTES.",
)
