"""What is on a page. Every text is plain: it is escaped where it is rendered."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Rows of cells below a caption."""

    title: str
    headers: Sequence[str]
    rows: Sequence[Sequence[str]]
    """The first cell of a row names it."""
    numeric: Collection[int] = ()
    """The columns that hold numbers."""
    highlighted: int | None = None
    """The row that is set apart: what runs now."""


@dataclass(frozen=True, slots=True)
class Figure:
    """A number to see first."""

    label: str
    value: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Chart:
    """A line over the shares of a curve."""

    title: str
    """With the unit."""
    values: Sequence[float | None]
    """One for each point; None where it is not known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """What each of n cuts would give: charts, a slider over all, and a table of some."""

    title: str
    label: str
    """Of the slider."""
    shares: Sequence[float]
    """Of each point, in [0, 1], ascending."""
    headers: Sequence[str]
    rows: Sequence[Sequence[str]]
    """What is said of each point. The first text is its share."""
    charts: Sequence[Chart]
    in_table: Sequence[int]
    """The points of the table, ascending."""
    numeric: Collection[int] = ()
    """The columns that hold numbers."""
    current: int | None = None
    """The point that runs now."""

    @property
    def table(self) -> Table:
        """The points for whoever has no slider: in print, or without the charts."""
        highlighted = None
        if self.current in self.in_table:
            highlighted = self.in_table.index(self.current)
        return Table(
            title=self.title,
            headers=self.headers,
            rows=[self.rows[index] for index in self.in_table],
            numeric=self.numeric,
            highlighted=highlighted,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """A heading and what is below it, in this order."""

    title: str
    sentences: Sequence[str] = ()
    facts: Sequence[tuple[str, str]] = ()
    tables: Sequence[Table] = ()
    curve: Curve | None = None
    remarks: Sequence[str] = ()
    """A list of sentences."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """All that is said of one route."""

    name: str
    summary: str
    """A sentence."""
    figures: Sequence[Figure] = ()
    alerts: Sequence[str] = ()
    """What somebody has to look at, a sentence each."""
    sections: Sequence[Section] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """The whole page."""

    title: str
    made: str
    """When and by what, in a sentence."""
    parts: Sequence[Part]
    words: Sequence[tuple[str, str]] = field(default=())
    """Terms and what they mean."""
