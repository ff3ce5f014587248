"""Errors of a database, or of the disk below it, as one sentence without any value."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import DBAPIError, MultipleResultsFound, NoResultFound

from routectl.errors import StoreError
from routectl.store.column_types import DamagedValueError

_LOCKED = "is locked by another process: try again when that has finished"
_DISK_FULL = "is on a full disk: free some space and run the command again"
_LOST = (
    "could not be reached any more; nothing was lost that had been stored: "
    "run the command again when the server is back"
)
_REFUSED = "refuses this user or password: check both in the database URL"
_UNREACHABLE = "cannot be reached: check the host and the port, and that the server runs"

_TIME_LIMIT = (
    "ended what was asked, by a time limit or an administrator; nothing was lost that had been "
    "stored: raise this user's statement_timeout, transaction_timeout and "
    "idle_in_transaction_session_timeout, and run the command again"
)
_SCHEMA_CHANGED = (
    "lacks a table or a column, because another command changed its schema meanwhile, or because "
    "it is damaged: `routectl db status` says its schema; run the command again when it is right"
)
_REFERENCE_GONE = (
    "no longer has what this command would refer to, because another one, such as `samples "
    "remove`, took it out meanwhile: run the command again"
)
_ABSENT = "is not there: make the database and the user, or name others with --db"

_BY_STATE = {
    "55P03": _LOCKED,  # lock_not_available
    "40P01": _LOCKED,  # deadlock_detected
    "40001": _LOCKED,  # serialization_failure
    "42501": "does not let this user do that: grant it routectl's tables and sequences, or name "
    "another user",
    "25006": "is read-only for this user or on this server: name another one that may write",
    "53100": _DISK_FULL,
    "53300": "has no connection free: try again later",
    "23503": _REFERENCE_GONE,  # foreign_key_violation
    "42P01": _SCHEMA_CHANGED,  # undefined_table
    "42703": _SCHEMA_CHANGED,  # undefined_column
    "25P03": _TIME_LIMIT,  # idle_in_transaction_session_timeout
    "25P04": _TIME_LIMIT,  # transaction_timeout
    "57014": _TIME_LIMIT,  # query_canceled
    "57P01": _LOST,  # admin_shutdown
    "57P02": _LOST,  # crash_shutdown
}
"""By SQLSTATE: https://www.postgresql.org/docs/current/errcodes-appendix.html."""

_DAMAGED = (
    "is damaged: keep the file, restore a copy of it and import the logs since then, or import all "
    "logs into a new database; what else can be got back is in docs/troubleshooting.md"
)
_NOT_A_DATABASE = "is not a SQLite database, or is damaged: name the right file with --db"
_DISK_ERROR = (
    "could not be read or written (disk error or full disk); nothing was lost that had been "
    "stored: run the command again when the disk is well"
)

_BY_CLASS = {
    "08": _LOST,  # connection exceptions
    "28": _REFUSED,
    "3D": _ABSENT,  # invalid_catalog_name
    "XX": _DAMAGED,  # internal errors: data_corrupted, index_corrupted
}
"""By the first two characters of a SQLSTATE, where it is not in `_BY_STATE`."""

_BY_NAME = {
    "SQLITE_BUSY": _LOCKED,
    "SQLITE_LOCKED": _LOCKED,
    "SQLITE_READONLY": "cannot be written: make the file and its folder writable",
    "SQLITE_CANTOPEN": "cannot be opened: make the file and its folder readable and writable",
    "SQLITE_FULL": _DISK_FULL,
    "SQLITE_IOERR": _DISK_ERROR,
    "SQLITE_CORRUPT": _DAMAGED,
    "SQLITE_NOTADB": _NOT_A_DATABASE,
    "SQLITE_FORMAT": _NOT_A_DATABASE,
    "SQLITE_TOOBIG": _DAMAGED,  # no value that routectl stores is so long
}
"""By the name of SQLite's primary result code: https://www.sqlite.org/rescode.html."""

_BY_EXTENDED_NAME = {"SQLITE_CONSTRAINT_FOREIGNKEY": _REFERENCE_GONE}
"""Where not all codes of a primary one are of the same kind."""

_MISSING = re.compile(r"no such (table|column): |table \w+ has no column named ")
"""How SQLite's message begins that names what is not there."""

_BY_SIGN = (
    # PostgreSQL, where the connection ended before there was a SQLSTATE
    ("password authentication failed", _REFUSED),
    ("no password supplied", _REFUSED),
    ("does not exist", _ABSENT),
    ("too many clients", "has no connection free: try again later"),
    ("the database system is", "is starting or stopping: try again in a moment"),
    ("invalid connection option", "is given an option in its URL that PostgreSQL does not know"),
    ("connection timeout", _UNREACHABLE),
    ("connection to server", _UNREACHABLE),
    ("failed to resolve", _UNREACHABLE),
    ("connection is closed", _LOST),
    ("connection is lost", _LOST),
    ("server closed the connection", _LOST),
    ("SSL SYSCALL", _LOST),
)

_UNDECODED = "Could not decode to UTF-8"
"""How the message of SQLite's driver begins that quotes the text which is no UTF-8."""


@contextmanager
def errors_as_sentences(where: object) -> Iterator[None]:
    """Turn what a driver raises into one sentence, without the statement or its values.

    A driver's own message is never passed on, because it may quote a value. What a sentence may
    quote is this: where the database is, an SQLSTATE or the name of SQLite's result code, and the
    name of a table of ours.
    """
    try:
        yield
    except DBAPIError as error:
        raise StoreError(_sentence(where, error.orig)) from None
    except sqlite3.Error as error:
        raise StoreError(_sentence(where, error)) from None
    # Every row that is asked for by the id which another row names is there, in a sound database.
    except (DamagedValueError, UnicodeDecodeError, NoResultFound, MultipleResultsFound):
        raise StoreError(damaged(where)) from None
    except UnicodeEncodeError:
        raise StoreError(
            "what was given is not valid UTF-8 and cannot be stored: check the locale, and the "
            "bytes of --note, --route and the like"
        ) from None


def damaged(where: object) -> str:
    """The sentence of what holds values that were never stored there."""
    return f"{where} {_DAMAGED}"


def _sentence(where: object, error: BaseException | None) -> str:
    name = getattr(error, "sqlite_errorname", None)
    state = getattr(error, "sqlstate", None)
    if name == "SQLITE_CONSTRAINT_TRIGGER" or state == "P0001":  # raise_exception
        return f"{where} keeps what was decided: {_immutable(error)} are immutable"
    if isinstance(error, sqlite3.Error):
        return f"{where} {_of_sqlite(error, name)}"
    if not (isinstance(state, str) and re.fullmatch("[0-9A-Z]{5}", state)):
        # The connection's failure, which no value can be part of.
        for sign, sentence in _BY_SIGN:
            if sign in str(error):
                return f"{where} {sentence}"
        return f"{where} cannot be used ({type(error).__name__}): check the database URL"
    by_state = _BY_STATE.get(state) or _BY_CLASS.get(state[:2])
    if by_state is not None:
        return f"{where} {by_state}"
    return f"{where} refuses what was asked (SQLSTATE {state}{_table(error)}): {_CHECK}"


def _of_sqlite(error: sqlite3.Error, name: str | None) -> str:
    if name is None:
        if str(error).startswith(_UNDECODED):
            return _DAMAGED
        return f"cannot be used ({type(error).__name__}): {_CHECK}"
    if name == "SQLITE_ERROR" and _MISSING.match(str(error)):
        return _SCHEMA_CHANGED
    # An extended code's name goes on after that of its primary code: SQLITE_IOERR_WRITE.
    primary = "_".join(name.split("_")[:2])
    by_name = _BY_EXTENDED_NAME.get(name) or _BY_NAME.get(primary)
    return by_name or f"refuses what was asked ({name}): {_CHECK}"


def _table(error: BaseException | None) -> str:
    table = getattr(getattr(error, "diag", None), "table_name", None)
    return f", table {table}" if _is_ours(table) else ""


def _immutable(error: BaseException | None) -> str:
    """The table of which a trigger of ours says so."""
    said = re.match(r"(\w+) are immutable", str(error))
    return said[1] if said and _is_ours(said[1]) else "calibrations and activations"


def _is_ours(table: str | None) -> bool:
    """Whether a name is spelled as all of our tables are: no value passes for one."""
    return table is not None and re.fullmatch("[a-z_]{1,32}", table) is not None


_CHECK = "`routectl db status` checks it"
