"""Segments of a calibration: which there are, and what is recorded of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import Connection

from routectl.calibration import (
    FEWEST_INDEPENDENT,
    Interval,
    SegmentCut,
    SegmentedCut,
    Segments,
    Spending,
)
from routectl.errors import CalibrationError
from routectl.extraction import EXTRACTION_VERSION
from routectl.records import Population
from routectl.store.populations import requests_by
from routectl.store.scores import ScoredRequests
from routectl.workflow.reporter import Reporter

MODEL_GROUP = "model_group"


@dataclass(frozen=True, slots=True)
class SegmentsToFit:
    """The segments of a population that may be large enough for a threshold of their own."""

    field: str
    names: tuple[str, ...]
    """The most requests first."""
    pooled: int
    """Segments that have too few requests, whatever these are worth."""

    def of(self, rows: ScoredRequests) -> Segments:
        """Which of them each request is of."""
        assert rows.segments is not None
        return Segments(self.names, rows.segments)


def segments_to_fit(
    connection: Connection, field: str, population: Population, reporter: Reporter
) -> SegmentsToFit:
    """The segments of a population by a field of `policy.SEGMENT_FIELDS`.

    Raises:
        CalibrationError: no request has a value of the field, or no value has enough requests.
    """
    counts = requests_by(connection, field, population, EXTRACTION_VERSION)
    counts.pop(None, None)
    word = field.replace("_", " ")
    if not counts:
        raise CalibrationError(
            f"no request of the population has a {word}, so there is nothing to tell segments by: "
            "leave --by out, or import a log that names it"
        )
    names = tuple(str(name) for name, count in counts.items() if count >= FEWEST_INDEPENDENT)
    if not names:
        largest, count = next(iter(counts.items()))
        raise CalibrationError(
            f"no {word} has {FEWEST_INDEPENDENT} requests, from which a segment can have a "
            f"threshold of its own (the largest, {largest}, has {count:,}): leave --by out, or "
            "import more days"
        )
    if field == MODEL_GROUP:
        reporter.note(
            "behind LiteLLM every request of a route has the route's name for a model group, so "
            "these segments hold only where a gateway names them (`routectl serve "
            "--segment-header`); take --by team or --by key_alias for LiteLLM"
        )
    return SegmentsToFit(field, names, len(counts) - len(names))


def segments_json(field: str, segmented: SegmentedCut) -> dict[str, Any]:
    """What is recorded of segments, as plain JSON values."""
    return {"field": field, **asdict(segmented)}


def segments_from_json(stored: Mapping[str, Any]) -> SegmentedCut:
    """What `segments_json` wrote; raises KeyError or TypeError."""
    values = {name: value for name, value in stored.items() if name != "field"}
    return SegmentedCut(**values | {"cuts": tuple(map(_cut, stored["cuts"]))})


def _cut(stored: Mapping[str, Any]) -> SegmentCut:
    long_run, spending = stored["long_run"], stored["spending"]
    return SegmentCut(
        **{
            **stored,
            "long_run": None if long_run is None else Interval(**long_run),
            "spending": None if spending is None else Spending(**spending),
        }
    )
