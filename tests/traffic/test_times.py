"""Times as logs spell them."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from routectl.traffic.times import instant

SECOND = datetime(2026, 1, 27, 7, 46, 40, tzinfo=UTC)
QUARTER = SECOND.replace(microsecond=250_000)

SPELLINGS: list[tuple[object, datetime]] = [
    (1769500000, SECOND),
    (1769500000.25, QUARTER),
    (1769500000250, QUARTER),
    (1769500000250000, QUARTER),
    (1769500000250000000, QUARTER),
    ("1769500000.25", QUARTER),
    ("1.7695e9", SECOND),
    ("2026-01-27T07:46:40.250Z", QUARTER),
    ("2026-01-27T07:46:40.250123456Z", QUARTER.replace(microsecond=250_123)),
    ("2026-01-27 07:46:40.250", QUARTER),
    ("2026-01-27 07:46:40,250", QUARTER),
    ("2026-01-27 07:46:40.250000 UTC", QUARTER),
    ("2026-01-27 07:46:40.25 +0000 UTC", QUARTER),
    ("2026-01-27 07:46:40.25+00", QUARTER),
    ("2026-01-27T00:46:40-07:00", SECOND),
    ("2026/01/27 07:46:40", SECOND),
    ("2026-1-27 7:46:40", SECOND),
    ("20260127074640", SECOND),
    ('"2026-01-27T07:46:40.250Z"', QUARTER),
    ("Tue, 27 Jan 2026 07:46:40 GMT", SECOND),
    ("27 Jan 2026 07:46:40 +0000", SECOND),
    ("Tuesday, 27-Jan-26 07:46:40 GMT", SECOND),
    ("Tue Jan 27 07:46:40 2026", SECOND),
    ("Tue Jan 27 2026 07:46:40 GMT+0000 (Coordinated Universal Time)", SECOND),
    ("[27/Jan/2026:07:46:40 +0000]", SECOND),
    ("27/Jan/2026:08:46:40 +0100", SECOND),
    ("1/27/2026, 7:46:40.250 AM", QUARTER),
    ("01/27/2026 07:46:40", SECOND),
    ("27/01/2026 07:46:40", SECOND),
    ("27.01.2026 07:46:40", SECOND),
    ("Jan 27, 2026 @ 07:46:40.250", QUARTER),
    ({"$date": "2026-01-27T07:46:40.250Z"}, QUARTER),
    ({"$date": {"$numberLong": "1769500000250"}}, QUARTER),
    ({"seconds": "1769500000", "nanos": 250_000_000}, QUARTER),
]


@pytest.mark.parametrize(("written", "expected"), SPELLINGS, ids=lambda value: str(value)[:40])
def test_a_time_is_read_in_every_usual_spelling(written: object, expected: datetime) -> None:
    assert instant(written) == expected


@pytest.mark.parametrize(
    "written",
    [
        46049.324,  # a spreadsheet's days
        "46049.324",
        "3/4/2026 07:46",  # the third of April or the fourth of March
        "2026-01-27 07:46:40 MST",  # a zone by a name that several have
        "0000-00-00 00:00:00",
        "10000-01-01",
        "13:45",
        "soon",
        "5",
        -1,
        0,
        1e300,
        True,
        {},
        {"$date": {}},
        [],
    ],
    ids=str,
)
def test_what_is_ambiguous_or_no_time_is_none(written: object) -> None:
    assert instant(written) is None


@pytest.mark.parametrize(
    "written", ["3/3/2026 07:46", "3/27/2026 12:05 AM", "3/27/2026 12:05:06 p.m."]
)
def test_a_date_that_can_be_read_one_way_only_is_read(written: str) -> None:
    time = instant(written)
    assert time is not None
    assert (time.year, time.month) == (2026, 3)
    assert time.hour == (12 if "p.m." in written else 0 if "AM" in written else 7)
