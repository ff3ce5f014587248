"""What the training commands share: the options, the progress bars and the printed report."""

from __future__ import annotations

import functools
import math
import textwrap
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import click

from routectl.cli import options
from routectl.cli.console import Console, percent, width
from routectl.records import RouterSpec

if TYPE_CHECKING:
    from routectl.training import TrainingReport
    from routectl.workflow.reporter import Advance

FILE = click.Path(dir_okay=False, path_type=Path)


class ManyFiles(click.Command):
    """Lets an option that may repeat take several values in a row: --gold a.csv b.csv."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        many = {
            name
            for parameter in self.params
            if isinstance(parameter, click.Option) and parameter.multiple
            for name in parameter.opts
        }
        spelled: list[str] = []
        option: str | None = None
        for position, argument in enumerate(args):
            if argument.startswith("-"):
                option = argument if argument in many else None
            elif option is not None and position > 0 and args[position - 1] != option:
                spelled.append(option)
            spelled.append(argument)
        return super().parse_args(ctx, spelled)


_data = (
    click.option(
        "--battles",
        multiple=True,
        type=FILE,
        metavar="FILE...",
        help="Preference records: Chatbot Arena's columns, prompt/model_a/model_b/winner, or "
        "AlpacaEval's. CSV, JSON or JSON lines, plain or gzipped.",
    ),
    click.option(
        "--gold",
        multiple=True,
        type=FILE,
        metavar="FILE...",
        help="Correctness tables: a prompt and a column (or a scores object) per model.",
    ),
    click.option(
        "--where",
        "where",
        multiple=True,
        metavar="COLUMN=VALUE",
        help="Learn only from rows with this value; != for all others. May repeat.",
    ),
    click.option(
        "-o", "--output", required=True, type=click.Path(path_type=Path), help="New folder."
    ),
)

_learning = (
    click.option("--strong-model", metavar="MODEL", help="Default pair's strong model."),
    click.option("--weak-model", metavar="MODEL", help="Default pair's weak model."),
    click.option(
        "--benchmark",
        "benchmarks",
        multiple=True,
        type=FILE,
        metavar="FILE...",
        help="Files of prompts to be judged on: what resembles one is not learned from.",
    ),
    click.option("--licence", help="What the model card says the checkpoint may be used under."),
    click.option("--seed", type=int, default=0, show_default=True, help="Same seed, same weights."),
)

_weighed = (
    click.option(
        "--weight",
        "weight",
        multiple=True,
        metavar="FILE=NUMBER",
        help="What each row of a file of --battles or --gold counts, where the others' count 1: "
        "own labels may count more than a large public set. May repeat.",
    ),
)

embedder = click.option(
    "--embedder",
    metavar="NAME|PATH|hidden:NAME[+NAME]|bert:NAME|openai:URL#MODEL",
    help="A sentence-transformers model, the hidden states of a language model (and such a model "
    "joined to them), the token vectors of a bert checkpoint, or a model behind an "
    "OpenAI-compatible endpoint; else the built-in one.",
)


def data_options(command: Callable[..., None]) -> Callable[..., None]:
    """Adds the options that say what to learn from and where to, as a `TrainingRequest`."""
    return _request(command, _data)


def training_options(command: Callable[..., None]) -> Callable[..., None]:
    """Adds all options that every fitted router's training has, as a `TrainingRequest`."""
    return _request(command, (*_data, *_learning))


def weighed_training_options(command: Callable[..., None]) -> Callable[..., None]:
    """The same with --weight, for routers whose fit weighs its comparisons."""
    return _request(command, (*_data, *_weighed, *_learning))


def _request(command: Callable[..., None], added: tuple[Any, ...]) -> Callable[..., None]:
    @functools.wraps(command)
    def run(
        battles: tuple[Path, ...],
        gold: tuple[Path, ...],
        where: tuple[str, ...],
        output: Path,
        strong_model: str | None = None,
        weak_model: str | None = None,
        benchmarks: tuple[Path, ...] = (),
        licence: str | None = None,
        seed: int = 0,
        weight: tuple[str, ...] = (),
        **rest: Any,
    ) -> None:
        from routectl.errors import UsageError
        from routectl.training import TrainingRequest

        if not battles and not gold:
            raise UsageError("there is nothing to learn from: give --battles FILE or --gold FILE")
        request = TrainingRequest(
            output=output,
            battles=battles,
            gold=gold,
            weights=_weights(weight, (*battles, *gold)),
            conditions=options.parse_columns(where),
            benchmarks=benchmarks,
            strong_model=strong_model,
            weak_model=weak_model,
            licence=licence,
            seed=seed,
        )
        command(request=request, **rest)

    decorated: Callable[..., None] = options.output(run)
    for option in reversed(added):
        decorated = option(decorated)
    return decorated


def _weights(texts: Sequence[str], files: Sequence[Path]) -> dict[Path, float]:
    """The weights that --weight FILE=NUMBER names.

    Raises:
        UsageError: one is no such text, no number above 0, of a file that is not learned from, or
            the second of its file.
    """
    from routectl.errors import UsageError

    weights: dict[Path, float] = {}
    for text in texts:
        name, _, number = text.rpartition("=")
        try:
            weight = float(number)
        except ValueError:
            weight = math.nan
        if not (name and 0 < weight < math.inf):
            raise UsageError(
                f"--weight {text!r} must be FILE=NUMBER with a number above 0, as own.csv=10"
            )
        if Path(name) not in files:
            raise UsageError(
                f"--weight {text!r} is of a file that neither --battles nor --gold names; write it "
                "as it is written there"
            )
        if Path(name) in weights:
            raise UsageError(f"--weight names {name} twice; give each file one weight")
        weights[Path(name)] = weight
    return weights


def say_where_prompts_go(console: Console, embedder: str | None) -> None:
    """Note the host that a remote embedder sends the training data's prompts to."""
    from routectl.training import remote_host

    host = None if embedder is None else remote_host(embedder)
    if host is not None:
        console.warn(f"the prompts of the training data are sent to {host}")


def scoring_routers(console: Console, names: Sequence[str]) -> list[RouterSpec]:
    """The routers that an option names to score the training data, as teachers and members do.

    The host that one sends its prompts to is noted.
    """
    from routectl.routers import open_spec

    specs = [options.parse_router(name) for name in names]
    for name, spec in zip(names, specs, strict=True):
        host = open_spec(spec).description.sends_prompts_to
        if host is not None:
            console.warn(f"{name} sends the prompts of the training data to {host}")
    return specs


class Phases:
    """A progress bar for each phase in turn."""

    _LABELS = MappingProxyType(
        {
            "read": "reading",
            "embed": "embedding",
            "encode": "encoding",
            "score": "scoring",
            "train": "training",
            "measure": "measuring",
        }
    )

    def __init__(self, console: Console) -> None:
        self._console = console
        self._stack = ExitStack()
        self._phase = ""
        self._done = 0
        self._advance: Advance | None = None

    def __call__(self, phase: str, done: int, total: int) -> None:
        if phase != self._phase or self._advance is None:
            self._stack.close()
            bar = self._console.progress(self._LABELS.get(phase, phase), total)
            self._phase, self._done, self._advance = phase, 0, self._stack.enter_context(bar)
        self._advance(done - self._done)
        self._done = done

    def __enter__(self) -> Phases:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()


def print_report(console: Console, report: TrainingReport) -> None:
    """What a training learned from, what it left out, and how good it is."""
    for note in report.notes:
        console.note(note)
    if console.as_json:
        console.json(asdict(report) | {"against_length": report.against_length})
        return
    rows = [
        ("checkpoint", str(report.path)),
        ("fingerprint", report.fingerprint),
        ("default pair", f"{report.default_pair} (strong / weak)" if report.default_pair else "-"),
        ("models", f"{len(report.models)}"),
        ("learned from", f"{report.battles:,} battles, {report.gold:,} gold rows"),
        ("comparisons", f"{report.comparisons:,}, of which {report.ties:,} ties"),
        ("prompts", f"{report.prompts:,}, of which {report.held_out_prompts:,} held out"),
    ]
    if report.similar_prompts:
        rows.append(("left out", f"{report.similar_prompts:,} prompts that resemble a benchmark"))
    if report.held_out_loss is not None:
        if report.curve is not None:
            rows.append(("epochs", f"{report.epochs}, kept {report.curve.best_epoch}"))
        rows.append(
            (
                "held-out loss",
                f"{report.held_out_loss:.4f} nats; without the text {report.baseline_loss:.4f}",
            )
        )
    metrics = report.metrics
    if "apgr" in metrics:
        low, high = metrics["apgr_low"], metrics["apgr_high"]
        rows.append(
            (
                "held-out APGR",
                f"{metrics['apgr']:.3f} ({percent(0.95, 0)} interval {low:.3f} to {high:.3f}, "
                f"{metrics['apgr_prompts']:,.0f} prompts); random 0.500",
            )
        )
    rows.append(("time", f"{report.seconds:,.0f} s"))
    console.table(rows)
    console.line()
    for line in textwrap.wrap(verdict_sentence(report), width()):
        console.line(line)


def verdict_sentence(report: TrainingReport) -> str:
    """Whether the router is better than the length of the prompts, on held-out ones."""
    if report.router == "length":
        return "Verdict: this is the length baseline itself, which other routers have to beat."
    verdict, metrics = report.against_length, report.metrics
    if verdict == "not measured":
        return (
            "Verdict: not measured against the length of the prompts, because on the held-out "
            "prompts the two models of the pair did not meet, or the strong one is not shown to be "
            "better there."
        )
    words = {
        "better": "better than the length of the prompts",
        "worse": "worse than the length of the prompts",
        "can't tell": "not told apart from the length of the prompts",
    }[verdict]
    return (
        f"Verdict: {words} on {metrics['apgr_prompts']:,.0f} held-out prompts (APGR "
        f"{metrics['length_difference']:+.3f} against it, {percent(0.95, 0)} interval "
        f"{metrics['length_low']:+.3f} to {metrics['length_high']:+.3f})."
    )
