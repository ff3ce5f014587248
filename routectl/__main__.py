"""The entry point: kept so small that a Ctrl-C while the rest is imported is caught too."""


def main() -> None:
    """Run the command line and exit with its code."""
    try:
        import sys
        import threading
        import warnings

        if not sys.warnoptions:
            # A library's warning may quote a cell of a log, and is for its developers.
            warnings.simplefilter("ignore")

        from routectl.cli import interrupts

        interrupts.install()
        from routectl.cli.app import report_in_thread, run

        threading.excepthook = report_in_thread
        code = run(sys.argv[1:])
        interrupts.finish()
    except BaseException as error:
        from routectl.cli.interrupts import leave, raised

        if raised() or isinstance(error, KeyboardInterrupt):
            leave()
        raise
    sys.exit(code)


if __name__ == "__main__":
    main()
