"""What became of everything that an import read."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from routectl.records import Exclusion


@dataclass(slots=True)
class ImportCounts:
    """A running tally over one import, of one file or of several.

    `seen` = `kept` + the requests that sampling left out, and every row that was read is in
    exactly one of `rejected`, `skipped`, `filtered` and `seen`.
    """

    rows: int = 0
    """Rows read: lines that are not blank, or records where the format has no lines."""
    rejected: int = 0
    """Rows that could not be read; each was also handed to `on_reject`."""
    skipped: Counter[str] = field(default_factory=Counter)
    """Rows that are no router traffic, by reason, e.g. "call type aembedding"."""
    filtered: int = 0
    """Requests outside the population."""
    seen: int = 0
    """Requests inside the population: what the sample was drawn from."""
    kept: int = 0
    """Requests of the sample."""
    excluded: Counter[Exclusion] = field(default_factory=Counter)
    """Of `kept`: those without a prompt that could be scored, by why."""
    not_decided: Counter[str] = field(default_factory=Counter)
    """Of `kept`: those of a route that something else than its policy decided, by what: a
    fallback, the proxy's cache, or its own router ("overridden")."""
    unread: Counter[str] = field(default_factory=Counter)
    """Values that could not be read and were left out, by what they should be, e.g. "time"."""
    undated: int = 0
    """Requests read, in or out of the population, whose log gives no readable time."""
