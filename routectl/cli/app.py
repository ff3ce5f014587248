"""The command group, and the one place where errors become sentences and exit codes."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Sequence

import click

from routectl import __version__
from routectl.cli.console import say
from routectl.cli.groups import LazyGroup
from routectl.errors import RoutectlError

COMMANDS = (
    "init",
    "import",
    "score",
    "calibrate",
    "activate",
    "rollback",
    "history",
    "export",
    "evaluate",
    "evaluations",
    "routers",
    "train",
    "battles",
    "label",
    "db",
    "completion",
)
"""In the order in which a newcomer needs them. Each is a module of this package."""


@click.group(
    cls=LazyGroup,
    package="routectl.cli",
    names=COMMANDS,
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
    """Run a command line; returns the exit code."""
    try:
        code = routectl.main(list(arguments), prog_name="routectl", standalone_mode=False)
        # An output that nobody reads any more is found out here, not at interpreter exit.
        if sys.stdout is not None:  # closed from the start, as by `>&-`
            sys.stdout.flush()
    except RoutectlError as error:
        _say(str(error))
        return error.exit_code
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message(), err=True)
        return error.exit_code
    except click.ClickException as error:
        _say(f"{error.format_message()}{_hint(error)}")
        return error.exit_code
    except click.Abort:
        _say("Interrupted; what was finished is kept")
        return 1
    except BrokenPipeError:
        # Whoever read our output has gone, as `| head` does; there is nothing to say to them.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OSError as error:
        where = f" ({error.filename})" if error.filename else ""
        _say(f"the system refused to read or write{where}: {error.strerror}")
        return 1
    except Exception as error:
        return _report_a_bug(error)
    return code if isinstance(code, int) else 0


def _say(sentence: str) -> None:
    stop = "" if sentence.endswith((".", "!", "?", ")")) else "."
    say("Error:", f"{sentence}{stop}", colour="red")


def _hint(error: click.ClickException) -> str:
    if isinstance(error, click.UsageError) and error.ctx is not None:
        return f" (see `{error.ctx.command_path} --help`)"
    return ""


def _report_a_bug(error: Exception) -> int:
    if os.environ.get("ROUTECTL_TRACEBACK"):
        traceback.print_exception(error)
    # The message of an error that was not foreseen may hold a prompt, so only its place is told.
    place = traceback.extract_tb(error.__traceback__)[-1]
    _say(
        f"routectl failed in a way it should not ({type(error).__name__} at "
        f"{os.path.basename(place.filename)}:{place.lineno}); "  # noqa: PTH119
        "ROUTECTL_TRACEBACK=1 shows where, please report it"
    )
    return 1
