"""The entry point: kept so small that a Ctrl-C while the rest is imported is caught too."""

import signal
import sys


def main() -> None:
    """Run the command line and exit with its code."""
    try:
        from routectl.cli.app import run

        code = run(sys.argv[1:])
        # What was asked for is done: a Ctrl-C while Python tidies up must not say otherwise.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    except KeyboardInterrupt:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        print("\nError: Interrupted; what was finished is kept.", file=sys.stderr)  # noqa: T201
        code = 1
    # Where a Ctrl-C came while Python ran a string of code, as it does to make a dataclass, Python
    # remembers it as unhandled, and would end by the signal instead of by our code. Running another
    # such string makes it forget.
    exec("")
    sys.exit(code)


if __name__ == "__main__":
    main()
