"""What is said of conversations where these are decided at once."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from routectl.workflow.calibrating.recorded import RecordedCalibration


def unit_rows(result: RecordedCalibration) -> Iterator[tuple[str, str]]:
    """Rows of a table; none where each request is decided for itself."""
    units = result.conversations
    if units is None:
        return
    text = (
        f"conversation: its first human text decides. {units.begin_in_log:,} of "
        f"{units.conversations:,} conversations begin in the log (a day or more after it does)"
    )
    if units.begin_in_log < units.conversations:
        text += "; of the others the first request that is there decides"
    if units.requests_alone:
        text += f". {units.requests_alone:,} requests are of none and are decided alone"
    yield "unit", text
