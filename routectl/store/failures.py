"""Errors of a database, or of the disk below it, as one sentence without any value."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import DBAPIError

from routectl.errors import StoreError

_LOCKED = "is locked by another process: try again when that has finished"
_DISK_FULL = "is on a full disk: free some space and run the command again"
_LOST = (
    "could not be reached any more; nothing was lost that had been stored: "
    "run the command again when the server is back"
)
_REFUSED = "refuses this user or password: check both in the database URL"
_UNREACHABLE = "cannot be reached: check the host and the port, and that the server runs"

_BY_STATE = {
    "55P03": _LOCKED,  # lock_not_available
    "40P01": _LOCKED,  # deadlock_detected
    "40001": _LOCKED,  # serialization_failure
    "42501": "does not let this user do that: grant it routectl's tables and sequences, or name "
    "another user",
    "25006": "is read-only for this user or on this server: name another one that may write",
    "53100": _DISK_FULL,
    "53300": "has no connection free: try again later",
    "57P01": _LOST,  # admin_shutdown
    "57P02": _LOST,  # crash_shutdown
}
"""By SQLSTATE: https://www.postgresql.org/docs/current/errcodes-appendix.html."""

_BY_SIGN = (
    # SQLite
    ("database is locked", _LOCKED),
    ("readonly database", "cannot be written: make the file and its folder writable"),
    ("unable to open", "cannot be opened: make the file and its folder readable and writable"),
    ("disk is full", _DISK_FULL),
    ("disk I/O error", "could not be read or written (disk error or full disk); nothing was lost "
     "that had been stored: run the command again when the disk is well"),
    ("malformed", "is damaged: restore a copy, or import the logs into a new database"),
    ("not a database", "is not a SQLite database, or is damaged: name the right file with --db"),
    # PostgreSQL, where the connection ended before there was a SQLSTATE
    ("password authentication failed", _REFUSED),
    ("no password supplied", _REFUSED),
    ("does not exist", "is not there: make the database and the user, or name others with --db"),
    ("too many clients", "has no connection free: try again later"),
    ("the database system is", "is starting or stopping: try again in a moment"),
    ("connection timeout", _UNREACHABLE),
    ("connection to server", _UNREACHABLE),
    ("failed to resolve", _UNREACHABLE),
    ("connection is closed", _LOST),
    ("connection is lost", _LOST),
    ("server closed the connection", _LOST),
    ("SSL SYSCALL", _LOST),
)  # fmt: skip


@contextmanager
def errors_as_sentences(where: object) -> Iterator[None]:
    """Turn what a driver raises into one sentence, without the statement or its values."""
    try:
        yield
    except DBAPIError as error:
        raise StoreError(_sentence(where, error.orig)) from None
    except sqlite3.Error as error:
        raise StoreError(_sentence(where, error)) from None
    except UnicodeEncodeError:
        raise StoreError(
            "what was given is not valid UTF-8 and cannot be stored: check the locale, and the "
            "bytes of --note, --route and the like"
        ) from None


def _sentence(where: object, error: BaseException | None) -> str:
    state = getattr(error, "sqlstate", None)
    if state in _BY_STATE:
        return f"{where} {_BY_STATE[state]}"
    reason = (str(error).strip().splitlines() or ["unknown error"])[0]
    if state is None:
        for sign, sentence in _BY_SIGN:
            if sign in reason:
                return f"{where} {sentence}"
    return f"{where}: the database said: {reason}"
