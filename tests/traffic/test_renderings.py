"""The same requests are the same, whatever log holds them."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from routectl.request import TrafficRequest
from routectl.traffic import FORMATS, ImportCounts, find_sources, open_source, read

from .conftest import Read
from .renderings import ALL, RENDERINGS, Asked, asked, write_all


def of_request(request: TrafficRequest, fields: frozenset[str]) -> tuple[object, ...]:
    known = {"prompt": request.text, "model": request.model_group}
    return tuple(known[f] if f in known else getattr(request, f) for f in sorted(fields))


def of_asked(request: Asked, fields: frozenset[str]) -> tuple[object, ...]:
    return tuple(getattr(request, field) for field in sorted(fields))


@pytest.mark.parametrize("name", RENDERINGS)
@pytest.mark.parametrize("line_breaks", [False, True])
def test_every_format_gives_the_same_requests(tmp_path: Path, name: str, line_breaks: bool) -> None:
    rendering = RENDERINGS[name]
    requests = asked(400, line_breaks=line_breaks and rendering.line_breaks)
    log = tmp_path / "log"
    log.write_bytes(rendering.write(requests))
    found = Read(log, None, None)
    assert found.rejects == []
    assert {request.source_kind for request in found.requests} == {rendering.format}
    assert [of_request(request, rendering.carries) for request in found.requests] == [
        of_asked(request, rendering.carries) for request in requests
    ]
    assert len({request.source_id for request in found.requests}) == len(requests)


def test_every_format_is_rendered() -> None:
    read_formats = set(FORMATS) - {"batch-output"}
    assert {rendering.format for rendering in RENDERINGS.values()} == read_formats


def test_a_directory_of_one_object_per_file_holds_the_same_requests(tmp_path: Path) -> None:
    requests = asked(100)
    paths = write_all(tmp_path, requests)
    counts = ImportCounts()
    found = []
    for path in find_sources([str(paths["litellm objects"])]):
        with open_source(path) as source:
            found += read(source, on_reject=print, counts=counts)
    assert counts.rows == 100
    assert Counter(of_request(request, ALL) for request in found) == Counter(
        of_asked(request, ALL) for request in requests
    )
