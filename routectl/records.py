"""The frozen dataclasses that cross from one room to another."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Literal

Winner = Literal["model_a", "model_b", "tie"]


class Exclusion(StrEnum):
    """Why a request of the traffic has no prompt that a router could score."""

    NO_TEXT = "no_text"
    """The conversation holds no human text (images only, tool results only, empty, blank)."""
    TRUNCATED = "truncated"
    """The log kept only a part of the prompt."""
    REDACTED = "redacted"
    """The log replaced the prompt by a placeholder."""


class IdKind(StrEnum):
    """What an id counts. The value is the letter that people write before the number."""

    CALIBRATION = "c"
    ACTIVATION = "a"
    EVALUATION = "e"

    def ref(self, number: int | None) -> str:
        """The id as people write it, such as c12; a dash where there is none."""
        return "-" if number is None else f"{self.value}{number}"

    @property
    def word(self) -> str:
        """The thing itself, with its article."""
        return f"an {self.name.lower()}" if self.name[0] in "AE" else f"a {self.name.lower()}"


@dataclass(frozen=True, slots=True)
class Reject:
    """A line that could not be read, kept so that it can be reported and written out."""

    source: str
    line: int
    """1-based line number (or record number, where the format has no lines)."""
    reason: str
    raw: bytes


@dataclass(frozen=True, slots=True)
class Condition:
    """One filter condition on a request: `field=value` or `field!=value`."""

    field: str
    operator: Literal["=", "!="]
    value: str

    def __str__(self) -> str:
        return f"{self.field}{self.operator}{self.value}"

    @classmethod
    def from_text(cls, text: str) -> Condition:
        """What `str` wrote; raises ValueError."""
        field, bang, value = text.partition("!=")
        if bang and "=" not in field:
            return cls(field, "!=", value)
        field, equals, value = text.partition("=")
        if not equals:
            raise ValueError("a condition without an operator")
        return cls(field, "=", value)


FILTER_FIELDS: tuple[str, ...] = (
    "model_group",
    "call_type",
    "status",
    "cache_hit",
    "team",
    "key_alias",
    "end_user",
    "tag",
    "conversation",
)
"""What `--where` can name. `tag` matches when any of a request's tags does."""


@dataclass(frozen=True, slots=True)
class Routed:
    """From when on a log says which requests a route decided: since then no others are its own."""

    names: tuple[str, ...]
    """The name that the log calls the route by, and those that it had before."""
    since: datetime
    """Of the first such request; aware."""


@dataclass(frozen=True, slots=True)
class Population:
    """The requests that a question is about.

    Conditions on one field with `=` are alternatives; all else must hold together.
    `since` is inclusive, `until` exclusive; both aware. A request without a time is outside
    any population that has a `since` or an `until`.
    """

    where: tuple[Condition, ...] = ()
    since: datetime | None = None
    until: datetime | None = None
    routed: Routed | None = None
    """None where no log names the route, or where no route is meant, as in an import."""

    def to_json(self) -> dict[str, object]:
        """As plain JSON values, times in ISO 8601 with their zone; `routed` only where it is."""
        value: dict[str, object] = {
            "where": [str(condition) for condition in self.where],
            "since": None if self.since is None else self.since.isoformat(),
            "until": None if self.until is None else self.until.isoformat(),
        }
        if self.routed is not None:
            since = self.routed.since.isoformat()
            value["routed"] = {"names": list(self.routed.names), "since": since}
        return value

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Population:
        """What `to_json` wrote; raises KeyError, TypeError or ValueError."""
        since, until, routed = value["since"], value["until"], value.get("routed")
        return cls(
            tuple(Condition.from_text(text) for text in value["where"]),
            None if since is None else datetime.fromisoformat(since),
            None if until is None else datetime.fromisoformat(until),
            None
            if routed is None
            else Routed(tuple(routed["names"]), datetime.fromisoformat(routed["since"])),
        )

    def is_everything(self) -> bool:
        """Whether nothing was left out on purpose."""
        return not self.where and self.since is None and self.until is None

    def may_overlap(self, other: Population) -> bool:
        """Whether a request could belong to both, by what the conditions say.

        Both may still hold other requests: only the traffic tells whether there is one.
        """
        for one, another in ((self, other), (other, self)):
            refused = {(c.field, c.value) for c in another.where if c.operator == "!="}
            for name, values in one.alternatives().items():
                # A request has any number of tags: two different ones exclude nothing.
                if name != "tag":
                    values &= another.alternatives().get(name, values)
                if all((name, value) in refused for value in values):
                    return False
        since = max((time for time in (self.since, other.since) if time), default=None)
        until = min((time for time in (self.until, other.until) if time), default=None)
        return since is None or until is None or since < until

    def alternatives(self) -> dict[str, set[str]]:
        """By field, the values of which one has to be there."""
        values: dict[str, set[str]] = {}
        for condition in self.where:
            if condition.operator == "=":
                values.setdefault(condition.field, set()).add(condition.value)
        return values


@dataclass(frozen=True, slots=True)
class ModelPair:
    """The two models between which a router decides."""

    strong: str
    weak: str

    def __str__(self) -> str:
        return f"{self.strong} / {self.weak}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a model cannot take, as it was declared: such requests go to a stronger one."""

    context: int | None = None
    """Tokens of a request at most; None where nobody declared it, and then any number."""
    images: bool = True
    """Whether it takes them; so are the next two."""
    tools: bool = True
    response_format: bool = True
    """An answer that must be JSON, or follow a schema."""

    def __str__(self) -> str:
        """As `route set --limit` takes it."""
        flags = ("images", "tools", "response_format")
        no = [f"no-{name.replace('_', '-')}" for name in flags if not getattr(self, name)]
        return ",".join([*([] if self.context is None else [f"context:{self.context}"]), *no])


@dataclass(frozen=True, slots=True)
class RouterIdentity:
    """A router at one fingerprint, without what it takes to run it."""

    name: str
    fingerprint: str
    """SHA-256, in hexadecimal, of all that can change a score by more than the noise."""
    model_pair: ModelPair | None
    """As the user named the models; None for a baseline that knows none."""
    noise: float
    """The largest difference seen between two scores of one prompt, over batch sizes."""
    config: Mapping[str, object] = field(default_factory=dict)
    """What the fingerprint is a digest of; plain JSON values."""
    scored_as: Mapping[str, str] = field(default_factory=dict)
    """Model of the pair that the checkpoint does not know -> the one that it is scored as. Two
    routers that differ in these names alone have one fingerprint."""


@dataclass(frozen=True, slots=True)
class RouterSpec:
    """How to open a router again: which code, which weights, for which models."""

    name: str
    checkpoint: str | None = None
    """Name of a checkpoint that ships, or the absolute path of a folder; None: what the name
    opens without one (never stored so: a stored spec names the checkpoint that was opened)."""
    model_pair: ModelPair | None = None
    """The models that the checkpoint scores for, in its own names; None for a baseline."""
    mapping: Mapping[str, str] = field(default_factory=dict)
    """Model that the user named and the checkpoint does not know -> the one it is scored as."""

    def to_json(self) -> dict[str, Any]:
        """As plain JSON values, as a policy holds them."""
        pair = self.model_pair
        return {
            "name": self.name,
            "checkpoint": self.checkpoint,
            "model_pair": None if pair is None else {"strong": pair.strong, "weak": pair.weak},
            "mapping": dict(self.mapping),
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> RouterSpec:
        """What `to_json` wrote; raises KeyError or TypeError."""
        pair = value["model_pair"]
        return cls(
            value["name"],
            value["checkpoint"],
            None if pair is None else ModelPair(pair["strong"], pair["weak"]),
            dict(value["mapping"]),
        )


@dataclass(frozen=True, slots=True)
class Battle:
    """One preference record: which of two models answered a prompt better."""

    prompt: str
    model_a: str
    model_b: str
    winner: Winner
