"""Ids as people write them: c12 a calibration, a7 an activation, e3 an evaluation."""

from __future__ import annotations

import re
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import click

from routectl.records import IdKind

LARGEST = 2**63 - 1
"""The largest id that a database can hold."""

_ID = re.compile(r"([a-z]?)([0-9]+)")

_LISTED_BY = MappingProxyType(
    {
        IdKind.CALIBRATION: "`routectl history` lists calibrations",
        IdKind.ACTIVATION: "`routectl history` lists activations",
        IdKind.EVALUATION: "`routectl evaluations list` lists evaluations",
    }
)


if TYPE_CHECKING:
    NumberType = click.ParamType[int]
else:
    NumberType = click.ParamType  # not generic in every version of Click that will do


class Id(NumberType):
    """An id of one kind, with its letter or without it; the value is its number."""

    def __init__(self, kind: IdKind) -> None:
        self.kind = kind
        self.name = kind.name.lower()

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        if isinstance(value, int):
            return value
        text = str(value).strip().lower()
        match = _ID.fullmatch(text)
        if match is None:
            self.fail(f"{value!r} is no id of {self.kind.word}: {self._how()}", param, ctx)
        letter, digits = match.groups()
        if letter not in ("", self.kind.value):
            other = next((kind for kind in IdKind if kind.value == letter), None)
            what = "is no id" if other is None else f"is {other.word}"
            self.fail(f"{text} {what}, and this takes {self.kind.word}: {self._how()}", param, ctx)
        # As text, because Python refuses to read a number of thousands of digits.
        digits = digits.lstrip("0") or "0"
        if len(digits) > len(str(LARGEST)) or not 1 <= int(digits) <= LARGEST:
            shown = text if len(text) <= 24 else f"{text[:20]}..."
            self.fail(f"no {self.name} can have the id {shown}: {self._how()}", param, ctx)
        return int(digits)

    def _how(self) -> str:
        return f"write {self.kind.ref(12)} or 12; {_LISTED_BY[self.kind]}"


if TYPE_CHECKING:
    PairType = click.ParamType[tuple[IdKind, int]]
else:
    PairType = click.ParamType


class PolicyId(PairType):
    """An id of a calibration or of an activation, told apart by its letter."""

    name = "id"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[IdKind, int]:
        if isinstance(value, tuple):
            return value
        text = str(value).strip().lower()
        other = next((kind for kind in IdKind if text.startswith(kind.value)), None)
        if other is not None and other not in (IdKind.CALIBRATION, IdKind.ACTIVATION):
            self.fail(
                f"{text} is {other.word}, and this takes {IdKind.CALIBRATION.word} or "
                f"{IdKind.ACTIVATION.word}: write c12 or a7; `routectl history` lists both",
                param,
                ctx,
            )
        is_activation = other is IdKind.ACTIVATION
        kind = IdKind.ACTIVATION if is_activation else IdKind.CALIBRATION
        return kind, Id(kind).convert(value, param, ctx)


CALIBRATION = Id(IdKind.CALIBRATION)
ACTIVATION = Id(IdKind.ACTIVATION)
EVALUATION = Id(IdKind.EVALUATION)
POLICY = PolicyId()
