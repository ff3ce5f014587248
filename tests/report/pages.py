"""A page with all that a page can hold, without a database."""

from __future__ import annotations

from routectl.report.page import Chart, Curve, Figure, Page, Part, Section, Table

LONG = "router-with-a-name-that-is-long-enough-to-be-wider-than-a-phone-" * 2


def full_page(text: str = "half of it") -> Page:
    """A curve of five points, of which the third one runs.

    Args:
        text: stands in the curve's data and in a table.
    """
    curve = Curve(
        title="What each share gives",
        label="Share of the requests for the strong model",
        shares=[0.0, 0.25, 0.5, 0.75, 1.0],
        headers=["share", "USD a month", "quality", "threshold"],
        rows=[
            ["0 %", "1,000.00", "-", "1.0"],
            ["25 %", "2,200.00", "0.61 (0.58 to 0.64)", "0.75"],
            ["50 %", "4,000.00", text, "0.5"],
            ["75 %", "6,700.00", "0.83", "0.25"],
            ["100 %", "9,000.00", "1.00", "0.0"],
        ],
        charts=[
            Chart("US dollars a month", [1000.0, 2200.0, 4000.0, 6700.0, 9000.0]),
            Chart("Expected quality", [None, 0.61, 0.75, 0.83, 1.0]),
        ],
        in_table=[0, 2, 4],
        numeric=[0, 1],
        current=2,
    )
    table = Table(
        title="Activations, newest first",
        headers=["id", "time (UTC)", "runs", "strong", "by", "why"],
        rows=[
            ["a2", "2026-11-29 09:00", LONG, "30.0 %", "somebody@example.com", text],
            ["a1", "2026-11-01 09:00", "always-strong", "-", "somebody", "-"],
        ],
        numeric=[3],
        highlighted=0,
    )
    sections = [
        Section(title="What if", sentences=["Move the slider."], curve=curve),
        Section(title="What runs", facts=[("runs", LONG), ("why", "agreed")]),
        Section(title="History", tables=[table], remarks=["One remark.", "Another one."]),
    ]
    part = Part(
        name="smart",
        summary="Each request goes to one of two models.",
        figures=[Figure("Saves a month", "5,000.00 USD", "55 % of 9,000.00 USD"), Figure("b", "2")],
        alerts=["It has expired."],
        sections=sections,
    )
    return Page(
        title="LLM routing report",
        made="Made 2026-11-29 09:00:00 UTC.",
        parts=[part],
        words=[("Share", "The part of the requests that goes to the strong model.")],
    )
