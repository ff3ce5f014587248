"""Ctrl-C and SIGTERM end a command with one sentence, wherever the signal lands.

Each is a real process that sends itself the signal at a known place. What it runs stands for a
command, and counts as the code of a library, which is interrupted only when patience ends.
"""

from __future__ import annotations

import subprocess
import sys
import textwrap

import pytest

SENTENCE = "\nError: Interrupted; what was finished is kept.\n"

START = """
import atexit, ctypes, os, signal, sqlite3, sys, threading, time, types, weakref
from concurrent.futures import ThreadPoolExecutor

import routectl.cli.app as app
from routectl.__main__ import main
from routectl.cli import interrupts

# A shell that runs its jobs in the background has them ignore it.
signal.signal(signal.SIGINT, signal.default_int_handler)

def ctrl_c(*_):
    os.kill(os.getpid(), signal.SIGINT)

def terminate(*_):
    os.kill(os.getpid(), signal.SIGTERM)

def work_on():
    # Long enough to be interrupted, and no reason to wait where the signal was lost.
    time.sleep(60)
    print("the signal was lost")

class Thing:
    pass
"""

END = """
app.run = command
main()
"""


def ended(command: str, *, patience: float = 0.0) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of a process whose command is the function in this text."""
    set_up = f"interrupts.PATIENCE_SECONDS = {patience}\n"
    done = subprocess.run(
        [sys.executable, "-c", START + set_up + textwrap.dedent(command) + END],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,  # a command that hangs would hang the tests
    )
    return done.returncode, done.stdout, done.stderr


SWALLOWED = {
    "a weak reference's callback": """
        def command(arguments):
            thing = Thing()
            reference = weakref.ref(thing, ctrl_c)
            del thing
            work_on()
        """,
    "a finaliser": """
        Thing.__del__ = ctrl_c
        def command(arguments):
            Thing()
            work_on()
        """,
    "SIGTERM in a finaliser": """
        Thing.__del__ = terminate
        def command(arguments):
            Thing()
            work_on()
        """,
    "a callback from C": """
        def command(arguments):
            ctypes.CFUNCTYPE(None)(ctrl_c)()
            work_on()
        """,
    "code that catches everything": """
        def command(arguments):
            try:
                ctrl_c()
            except BaseException:
                pass
            work_on()
        """,
    "code that catches everything, again and again": """
        def command(arguments):
            ctrl_c()
            for _ in range(5):
                try:
                    time.sleep(60)
                except BaseException:
                    pass
            work_on()
        """,
}
ENDING = {
    "a command": """
        def command(arguments):
            ctrl_c()
            work_on()
        """,
    "SIGTERM in a command": """
        def command(arguments):
            terminate()
            work_on()
        """,
    "a library that makes another error of it": """
        def command(arguments):
            try:
                ctrl_c()
            except BaseException as error:
                raise ImportError("the C part failed to load") from error
        """,
    "a function that SQLite calls": """
        def command(arguments):
            connection = sqlite3.connect(":memory:")
            connection.create_function("f", 0, ctrl_c)
            connection.execute("SELECT f()")
            work_on()
        """,
    "a string of code, of which Python remembers that it was interrupted": """
        def command(arguments):
            exec("ctrl_c(); work_on()")
        """,
    "a thread of a pool": """
        def command(arguments):
            let_go = threading.Event()
            with ThreadPoolExecutor(2) as pool:
                try:
                    waiting = pool.submit(let_go.wait)
                    pool.submit(ctrl_c)
                    waiting.result()
                finally:
                    let_go.set()
        """,
    "a thread that nobody waits for any more": """
        def command(arguments):
            threading.Thread(target=time.sleep, args=(60,)).start()
            ctrl_c()
            work_on()
        """,
    "work that leaves finalisers that fail": """
        Thing.__del__ = lambda thing: thing.no_such
        def command(arguments):
            things = [Thing()]
            ctrl_c()
            work_on()
        """,
}


@pytest.mark.parametrize("place", SWALLOWED)
def test_a_signal_that_is_swallowed_is_not_lost_and_nothing_is_printed(place: str) -> None:
    assert ended(SWALLOWED[place]) == (1, "", SENTENCE)


@pytest.mark.parametrize("place", ENDING)
def test_a_signal_ends_the_command_with_one_sentence(place: str) -> None:
    assert ended(ENDING[place]) == (1, "", SENTENCE)


def test_a_library_is_not_interrupted_if_it_soon_returns() -> None:
    command = """
        ours = types.ModuleType("routectl.ours")
        exec("def go_on(sleep): sleep(60)", ours.__dict__)
        def command(arguments):
            ctrl_c()
            time.sleep(0.1)
            print("undisturbed")
            ours.go_on(time.sleep)
        """
    assert ended(command, patience=60) == (1, "undisturbed\n", SENTENCE)


@pytest.mark.parametrize("signal_of", ["ctrl_c", "terminate"])
def test_the_second_signal_ends_at_once_what_the_first_one_lets_finish(signal_of: str) -> None:
    command = f"""
        interrupts.TWICE_SECONDS = 0.01
        def command(arguments):
            try:
                ctrl_c()
                work_on()
            finally:
                time.sleep(0.02)
                {signal_of}()
                time.sleep(60)
                print("this was waited for")
        """
    assert ended(command) == (1, "", SENTENCE)


def test_a_signal_that_is_sent_twice_counts_once() -> None:
    """As `timeout` sends it: to the process, and to the group that the process is in."""
    command = """
        interrupts.TWICE_SECONDS = 60
        def command(arguments):
            try:
                terminate()
                work_on()
            finally:
                terminate()
                print("finished in good order")
        """
    assert ended(command) == (1, "finished in good order\n", SENTENCE)


def test_a_signal_after_the_work_is_done_changes_nothing() -> None:
    command = """
        def command(arguments):
            atexit.register(terminate)
            atexit.register(ctrl_c)
            return 3
        """
    assert ended(command) == (3, "", "")


def test_a_signal_just_before_the_work_is_done_changes_nothing_either() -> None:
    """The handler waits for our own code then, and none comes."""
    command = """
        Thing.__del__ = lambda thing, sleep=time.sleep: sleep(0.1)
        kept_until_python_is_nearly_gone = Thing()
        def command(arguments):
            ctrl_c()
            return 3
        """
    assert ended(command, patience=60) == (3, "", "")


def test_a_signal_that_we_were_told_to_ignore_is_ignored() -> None:
    """As by a shell that runs its jobs in the background."""
    command = """
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        def command(arguments):
            ctrl_c()
            print("undisturbed")
        """
    assert ended(command) == (0, "undisturbed\n", "")


def test_a_finaliser_that_fails_without_a_signal_is_told_as_ever() -> None:
    code, _, err = ended("""
        Thing.__del__ = lambda thing: thing.no_such
        def command(arguments):
            Thing()
        """)
    assert (code, "no_such" in err) == (0, True)
