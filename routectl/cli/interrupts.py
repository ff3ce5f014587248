"""What Ctrl-C and SIGTERM do: the first ends the command in good order, the second ends it at once.

Python runs a signal's handler between any two bytecodes of the main thread. An exception that is
raised there may come up in a weak reference's callback or a `__del__`, where Python prints it and
goes on, in a library that catches everything, or just after `threading` took a lock, which then
stays taken. So `Interrupted` is raised where our own code runs, for which the handler waits half a
second. Where it was lost all the same it is raised again: an exception that no caller is still to
see is freed. Nothing here needs more than `signal`, so that it is in place soon.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from types import FrameType
from typing import NoReturn

PATIENCE_SECONDS = 0.5
"""How long the code of a library may run on before it is interrupted, too."""

AGAIN_SECONDS = 0.01

TWICE_SECONDS = 0.2
"""Signals that come this soon after the first are the same one: `timeout` sends it to the process
and to its group."""

_SENTENCE = "\nError: Interrupted; what was finished is kept.\n"
_SHOW_CURSOR = "\x1b[?25h"


class Interrupted(KeyboardInterrupt):
    """Raised once for the first signal, and again for as long as it gets lost on its way."""

    def __del__(self) -> None:
        _look_again()


_received: float | None = None
"""When the first signal came."""
_raised = False
_over = False
"""Whether the command has ended: nothing is raised any more."""


def install() -> None:
    """Handle the signals from now on, but for those that whoever started us has us ignore."""
    for number in (signal.SIGINT, signal.SIGTERM):
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _on_signal)
    signal.signal(signal.SIGALRM, _deliver)
    sys.unraisablehook = _on_unraisable


def raised() -> bool:
    """Whether the command ends by an interrupt, also where a library has raised another error."""
    return _raised


def finish() -> None:
    """Ignore the signals: what was asked for is done, and nothing must say otherwise."""
    global _over
    _over = True
    signal.setitimer(signal.ITIMER_REAL, 0)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)


def leave() -> NoReturn:
    """End the process as interrupted.

    Python's own teardown is left out: it would wait for threads, and let objects that the interrupt
    left half made complain.
    """
    global _over
    _over = True
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except (OSError, ValueError):
        pass  # nobody reads it
    _end()


def _end() -> NoReturn:
    try:
        if sys.stderr is not None:
            # Past its buffer, which the main thread may be writing to.
            shown = _SHOW_CURSOR if sys.stderr.isatty() else ""
            os.write(sys.stderr.fileno(), f"{shown}{_SENTENCE}".encode())
    except (OSError, ValueError):
        pass
    os._exit(1)


def _on_signal(number: int, frame: FrameType | None) -> None:
    global _received
    if _received is None:
        _received = time.monotonic()
        _deliver(number, frame)
    elif time.monotonic() - _received > TWICE_SECONDS:
        _end()


def _deliver(_number: int, frame: FrameType | None) -> None:
    """Raise in our own code, or in what has run on for too long; else look again soon."""
    global _raised
    if _over or _received is None:
        return
    if _is_ours(frame) or time.monotonic() - _received > PATIENCE_SECONDS:
        _raised = True
        raise Interrupted
    _look_again()


def _is_ours(frame: FrameType | None) -> bool:
    name = "" if frame is None else str(frame.f_globals.get("__name__"))
    return name.startswith("routectl.") and name != __name__


def _look_again() -> None:
    if not _over:
        signal.setitimer(signal.ITIMER_REAL, AGAIN_SECONDS)


def _on_unraisable(what: sys.UnraisableHookArgs) -> None:
    """Say nothing of what an interrupt that came up in the wrong place has left behind."""
    if _received is None and not _over:
        sys.__unraisablehook__(what)
