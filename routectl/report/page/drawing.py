"""The lines of a curve, as coordinates of an SVG picture."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from routectl.report.page.content import Chart

WIDTH, HEIGHT = 400, 210
"""Of the picture's own units: small, so that its letters stay legible on a phone."""
LEFT, RIGHT, TOP, BOTTOM = 52, 22, 10, 34
"""Margins; the axes' labels are in them."""
_TICKS = 4
"""About so many steps of the upright axis."""


@dataclass(frozen=True, slots=True)
class Tick:
    """A line of the grid with its label."""

    at: float
    label: str


@dataclass(frozen=True, slots=True)
class Line:
    """A chart in the picture's units."""

    points: Sequence[tuple[float, float] | None]
    """One for each value of the chart."""
    paths: Sequence[str]
    """The connected parts, as polylines take them."""
    across: Sequence[Tick]
    up: Sequence[Tick]


def line(chart: Chart, shares: Sequence[float]) -> Line | None:
    """The picture of a chart; None where no value is known.

    Args:
        shares: of the points, in [0, 1].
    """
    values = [value for value in chart.values if value is not None]
    if not values:
        return None
    steps = list(_steps(min(0.0, *values), max(values)))
    low, high = steps[0], steps[-1]

    def x(share: float) -> float:
        return round(LEFT + share * (WIDTH - LEFT - RIGHT), 2)

    def y(value: float) -> float:
        part = (value - low) / (high - low)
        return round(HEIGHT - BOTTOM - part * (HEIGHT - TOP - BOTTOM), 2)

    points = [
        None if value is None else (x(share), y(value))
        for share, value in zip(shares, chart.values, strict=True)
    ]
    return Line(
        points=points,
        paths=[" ".join(f"{x:g},{y:g}" for x, y in part) for part in _connected(points)],
        across=[Tick(x(percent / 100), f"{percent} %") for percent in (0, 25, 50, 75, 100)],
        up=[Tick(y(step), _label(step, steps[1] - steps[0], high)) for step in steps],
    )


def _connected(points: Sequence[tuple[float, float] | None]) -> Iterator[list[tuple[float, float]]]:
    part: list[tuple[float, float]] = []
    for point in (*points, None):
        if point is not None:
            part.append(point)
        elif part:
            yield part
            part = []


def _steps(low: float, high: float) -> Iterator[float]:
    """Round numbers from at most `low` to at least `high`; two or more."""
    span = (high - low) or abs(high) or 1.0
    power = 10.0 ** math.floor(math.log10(span / _TICKS))
    size = power * next(f for f in (1, 2, 2.5, 5, 10) if f * power * _TICKS >= span * 0.999)
    first = math.floor(low / size)
    last = max(math.ceil(high / size - 1e-9), first + 1)
    for number in range(first, last + 1):
        yield number * size


def _label(value: float, step: float, high: float) -> str:
    for least, size, letter in ((1e6, 1e6, "M"), (1e5, 1e3, "k")):
        if high >= least:
            return f"{value / size:,g}{letter}" if value else "0"
    digits = max(0, -math.floor(math.log10(step) + 1e-9))
    if step * 10**digits % 1 > 1e-9:  # a step of 0.25
        digits += 1
    return f"{value:,.{digits}f}"
