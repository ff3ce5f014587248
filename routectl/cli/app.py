"""The command group, and the one place where errors become sentences and exit codes."""

from __future__ import annotations

import os
import re
import sys
import threading
import traceback
from collections.abc import Iterator, Sequence

import click

from routectl import __version__
from routectl.cli import interrupts
from routectl.cli.console import say, say_lines
from routectl.cli.groups import LazyGroup
from routectl.errors import RoutectlError

SECTIONS = {
    "Every day": {
        "route": "Declare what is routed: models, prices, which requests.",
        "import": "Read request logs into the database.",
        "calibrate": "Choose the threshold for a share of strong calls.",
        "diff": "Say what of last week two thresholds decide otherwise.",
        "plan": "Show what each strong fraction costs and is worth.",
        "recalibrate": "Ask again of fresh traffic what a route runs.",
        "activate": "Make a calibration what a route runs from now on.",
        "rollback": "Bring back what a route ran before.",
        "status": "Say whether what runs still holds; exit code 3 where not.",
        "history": "Show what was calibrated, what ran, what was declared.",
        "export": "Print the config string that the proxy takes.",
        "report": "Write a page on what runs and what it saves.",
        "traffic": "Say what requests the database holds.",
        "savings": "Say what routing has saved, by the proxy's log.",
        "explain": "Say why a request went where it went.",
        "serve": "Decide requests over HTTP, and pass them on.",
        "decide": "Say of prompts on standard input which model each gets.",
    },
    "A closer look": {
        "drift": "Show whether the traffic still is as it was calibrated.",
        "show": "Show a calibration again, as it was printed.",
        "verify": "Check the file of a calibration on another machine.",
        "score": "Score the prompts that a router has not scored yet.",
        "label": "Say whether a router is better than random on your traffic.",
        "evaluate": "Say how good routers are on judged prompts.",
        "evaluations": "List, show and compare evaluations.",
        "routers": "Look at the routers that can score.",
    },
    "Training and research": {
        "train": "Train a router's checkpoint from preference data.",
        "battles": "Keep, check and make preference records.",
    },
    "Setting up": {
        "init": "Make an empty database.",
        "doctor": "Check each link from the log to the proxy.",
        "samples": "List what imports brought, and take it out again.",
        "db": "Look at the database and change its schema.",
        "completion": "Print the completion script of a shell.",
    },
}
"""Commands by what they are for, in the order in which a newcomer needs them. Each is a module of
this package. Its line is here, so that the first screen loads none of them."""


@click.group(
    cls=LazyGroup,
    package="routectl.cli",
    sections=SECTIONS,
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.version_option(__version__, prog_name="routectl")
def routectl() -> None:
    """Choose the cost threshold of an LLM router from your own traffic, and take it back.

    \b
    routectl import litellm.jsonl
    routectl calibrate --strong-fraction 0.3
    routectl activate
    routectl export

    Exit codes: 0 done, 1 error, 2 usage, 3 a check said no.
    """


def run(arguments: Sequence[str]) -> int:
    """Run a command line; returns the exit code. Raises what ends it after a signal."""
    _open_closed_streams()
    try:
        code = routectl.main(list(arguments), prog_name="routectl", standalone_mode=False)
        # An output that nobody reads any more is found out here, not at interpreter exit.
        sys.stdout.flush()
    except (KeyboardInterrupt, SystemExit, GeneratorExit):
        raise
    except BaseException as error:  # a panic in a library's Rust is no Exception
        if interrupts.raised():
            raise  # an Abort of Click's, or what a library turned the interrupt into
        return _exit_code(error, arguments)
    return code if isinstance(code, int) else 0


def _open_closed_streams() -> None:
    """Where whoever started us has closed our output (`>&-`), write it to nowhere.

    Else the next file that is opened would take its place, and a database would be written into.
    """
    if sys.stdin is None or sys.stdout is None or sys.stderr is None:
        while os.open(os.devnull, os.O_RDWR) < 2:  # the lowest number that is free
            pass
        sys.stdout = sys.stdout or open(1, "w")  # noqa: SIM115 - as long as the process
        sys.stderr = sys.stderr or open(2, "w")  # noqa: SIM115


def _exit_code(error: BaseException, arguments: Sequence[str]) -> int:
    """The exit code of an error, after it was said in a sentence."""
    match error:
        case RoutectlError():
            _say(str(error))
            return error.exit_code
        case click.exceptions.NoArgsIsHelpError():
            say_lines(error.format_message().splitlines())
            return error.exit_code
        case click.ClickException():
            from routectl.cli.sentences import usage_sentence

            if isinstance(error, click.UsageError) and error.ctx is None:
                error.ctx = _context_of(arguments)
            _say(f"{_without_secrets(usage_sentence(error))}{_hint(error)}")
            return error.exit_code
        case click.Abort():
            _say("Interrupted; what was finished is kept")
        case BrokenPipeError():
            # Whoever read our output has gone, as `| head` does; there is nothing to say to them.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        case OSError():
            where = f" ({error.filename})" if error.filename else ""
            _say(f"the system refused to read or write{where}: {error.strerror}")
        case _:
            _report_a_bug(error)
    return 1


def _say(sentence: str) -> None:
    stop = "" if sentence.endswith((".", "!", "?", ")")) else "."
    say("Error:", f"{sentence}{stop}", colour="red")


def _hint(error: click.ClickException) -> str:
    if isinstance(error, click.UsageError) and error.ctx is not None:
        return f" (see `{error.ctx.command_path} --help`)"
    return ""


def _without_secrets(message: str) -> str:
    """A message of Click's, which quotes arguments: without users, passwords and options of URLs.

    A database's URL may have been written where another argument belongs.
    """
    return re.sub(r"(?<=://)[^\s'\"]*", lambda url: _HIDDEN_IN_URL.sub("***", url[0]), message)


_HIDDEN_IN_URL = re.compile(r"^.*@|\?.*$")


def report_in_thread(arguments: threading.ExceptHookArgs) -> None:
    """What Python does of an error that a thread ends by, without the error's message."""
    if arguments.exc_value is not None:
        _report_a_bug(arguments.exc_value)


def _context_of(arguments: Sequence[str]) -> click.Context:
    """The command that the arguments name: Click's parser does not say whose options it read."""
    context = click.Context(routectl, info_name="routectl")
    for argument in arguments:
        group = context.command
        command = group.get_command(context, argument) if isinstance(group, click.Group) else None
        if command is None:
            break
        context = click.Context(command, info_name=argument, parent=context)
    return context


def _report_a_bug(error: BaseException) -> None:
    # The message of an error that was not foreseen may hold a prompt, so only its place is told.
    if os.environ.get("ROUTECTL_TRACEBACK"):
        say_lines(_calls(error))
    place = traceback.extract_tb(error.__traceback__)[-1]
    _say(
        f"routectl failed in a way it should not ({type(error).__name__} at "
        f"{os.path.basename(place.filename)}:{place.lineno}); "  # noqa: PTH119
        "ROUTECTL_TRACEBACK=1 shows where, please report it"
    )


def _calls(error: BaseException) -> Iterator[str]:
    """The calls that led to an error, and its cause's before it, without what either says."""
    cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if cause is not None:
        yield from _calls(cause)
    for line in traceback.format_tb(error.__traceback__):
        yield from line.splitlines()
    yield type(error).__qualname__
