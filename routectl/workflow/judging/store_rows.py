"""The work file of a judging: JSON lines that are only appended, before and after each call.

The line before a call says what it may cost at most, the line after it what it did cost and what
was answered. A call with only the first line was under way when the process ended, and may have
been paid: it counts with its worst case.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from threading import Lock
from typing import IO, Any

from routectl.errors import InputError, reason_of
from routectl.output import open_kept

_FORMAT = 1
_FIRST_LINE = json.dumps({"format": _FORMAT})[:-1].encode()
"""How a work file begins."""


@dataclass(frozen=True, slots=True)
class Reply:
    """A model's answer."""

    content: str
    """Empty where it answered nothing."""
    cut: bool
    """Whether it ended at the limit of tokens."""


@dataclass(slots=True)
class Kept:
    """Replies and costs of earlier calls."""

    replies: dict[str, Reply]
    """By the call's name."""
    spent: dict[str, Decimal]
    """US dollars by model, with the worst case of calls whose end is not known; since the judging
    was last settled, as are the counts."""
    costs: dict[str, Decimal] = field(default_factory=dict)
    """US dollars of each call that has a reply."""
    calls: int = 0
    """Calls that were sent."""
    lost: int = 0
    """Calls whose end is not known."""

    @property
    def total(self) -> Decimal:
        """US dollars."""
        return sum(self.spent.values(), Decimal(0))


class WorkFile:
    """The kept calls of one judging. Only one process has it open."""

    def __init__(self, path: Path, file: IO[bytes], kept: Kept) -> None:
        self.path = path
        self.kept = kept
        self._file = file
        self._lock = Lock()
        self._room: dict[int, int] = {}
        """Bytes that the answers of the calls under way may take."""

    def sent(self, call: str, model: str, worst: Decimal, room: int) -> int:
        """Keep that a call is about to be sent; returns its number.

        Args:
            room: bytes that its answer may take.

        Raises:
            InputError: the disk has no room for it and for the calls under way: their answers would
                be paid for and lost.
        """
        with self._lock:
            number = self.kept.calls
            self._room[number] = room
            self._make_sure_of(sum(self._room.values()))
            self._append({"sent": number, "call": call, "model": model, "worst": str(worst)})
            self.kept.calls += 1
            return number

    def ended(self, number: int, call: str, model: str, cost: Decimal, reply: Reply | None) -> None:
        """Keep what a call cost and, where it is of use, what was answered."""
        line: dict[str, object] = {"ended": number, "cost": str(cost)}
        if reply is not None:
            line |= {"content": reply.content, "cut": reply.cut}
        with self._lock:
            self._append(line)
            del self._room[number]
            if reply is not None:
                self.kept.replies[call] = reply
                self.kept.costs[call] = cost
            self.kept.spent[model] = self.kept.spent.get(model, Decimal(0)) + cost

    def settle(self) -> None:
        """Close the books: the replies stay, and what comes now is counted and paid anew."""
        with self._lock:
            self._append({"settled": self.kept.calls})
            self.kept.spent, self.kept.calls, self.kept.lost = {}, 0, 0

    def _make_sure_of(self, room: int) -> None:
        """Take so many bytes at the end of the file, and give them back."""
        end = self._file.tell()
        try:
            os.posix_fallocate(self._file.fileno(), end, room)
        except OSError as error:
            raise self._unwritable(error) from None
        finally:
            with suppress(OSError):
                self._file.truncate(end)

    def _unwritable(self, error: OSError) -> InputError:
        return InputError(
            f"{self.path} cannot be written: {reason_of(error)}; what it holds is kept, "
            "and the same command goes on from there"
        )

    def _append(self, line: Mapping[str, object]) -> None:
        data = json.dumps(line).encode() + b"\n"
        end = self._file.tell()
        try:
            if self._file.write(data) < len(data):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            os.fsync(self._file.fileno())
        except OSError as error:
            # Other threads may still have a line that fits; half a line would spoil it.
            with suppress(OSError):
                self._file.truncate(end)
                self._file.seek(end)
            raise self._unwritable(error) from None


def read_work(path: Path, facts: Mapping[str, object]) -> Kept:
    """What a work file keeps; nothing where there is none.

    Raises:
        InputError: it cannot be read, is damaged, or is of another judging.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return Kept({}, {})
    except OSError as error:
        raise InputError(f"{path} cannot be read: {reason_of(error)}") from None
    return _read(path, data, facts)[0]


@contextmanager
def open_work(path: Path, facts: Mapping[str, object]) -> Iterator[WorkFile]:
    """Go on with a work file, or begin one; only its owner can read it, since it holds answers.

    Raises:
        InputError: it cannot be read or written, is damaged, is of another judging, or another
            process is at work on it.
    """
    try:
        file = open_kept(path)
    except OSError as error:
        raise InputError(f"{path} cannot be written: {reason_of(error)}") from None
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise InputError(f"another judging is at work in {path}: wait for it") from None
        kept, whole = _read(path, file.read(), facts)
        # A last line that a power cut left incomplete is dropped.
        file.truncate(whole)
        file.seek(whole)
        work = WorkFile(path, file, kept)
        if not whole:
            work._append({"format": _FORMAT, "facts": facts})
        yield work


def _read(path: Path, data: bytes, facts: Mapping[str, object]) -> tuple[Kept, int]:
    """The content of the whole lines, and how many bytes they are."""
    whole = data.rfind(b"\n") + 1
    if data and not whole and not _FIRST_LINE.startswith(data[: len(_FIRST_LINE)]):
        raise InputError(f"{path} is no file of a judging: move it away, or name another output")
    kept = Kept({}, {})
    under_way: dict[int, tuple[str, str, Decimal]] = {}
    for number, line in enumerate(data[:whole].splitlines(), start=1):
        try:
            value: dict[str, Any] = json.loads(line)
            if number == 1:
                same = value["format"] == _FORMAT and value["facts"] == facts
            elif "settled" in value:
                under_way.clear()
                kept.spent, kept.calls = {}, 0
            elif "sent" in value:
                call = (value["call"], value["model"], Decimal(value["worst"]))
                under_way[value["sent"]] = call
                kept.calls += 1
            else:
                name, model, _ = under_way.pop(value["ended"])
                kept.spent[model] = kept.spent.get(model, Decimal(0)) + Decimal(value["cost"])
                if "content" in value:
                    kept.replies[name] = Reply(value["content"], value["cut"])
                    kept.costs[name] = Decimal(value["cost"])
        except (ValueError, KeyError, TypeError, ArithmeticError):
            raise InputError(
                f"{path}, line {number}, is damaged, so the judging cannot go on from it; move it "
                "away to begin again"
            ) from None
        if not same:
            raise InputError(
                f"{path} keeps the work of another judging (other models, addresses, tokens, seed "
                "or routectl); move it away to begin again, or name another output"
            )
    for _, model, worst in under_way.values():
        kept.spent[model] = kept.spent.get(model, Decimal(0)) + worst
    kept.lost = len(under_way)
    return kept, whole
