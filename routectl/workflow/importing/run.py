"""`routectl import`: logs in; a sample, its prompts and its requests out."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import islice
from pathlib import Path

from routectl.errors import NoPromptsError, RoutectlError, UsageError
from routectl.extraction import EXTRACTION_VERSION
from routectl.records import Population, Reject
from routectl.request import TrafficRequest
from routectl.store.batches import prepare
from routectl.store.engine import Location
from routectl.store.opening import create_or_open
from routectl.store.traffic import Written
from routectl.traffic import ImportCounts, find_sources, open_source, read, sniff, take
from routectl.workflow.files import rejects_file
from routectl.workflow.importing.writing import BATCH, SampleWriter, in_background, rare_collections
from routectl.workflow.reporter import Advance, Reporter

_HOW_TO_LOG_PROMPTS = (
    "if the log is LiteLLM's, set `turn_off_message_logging: false` in `litellm_settings`, and for "
    "spend logs `store_prompts_in_spend_logs: true` in `general_settings`; docs/formats.md has the "
    "settings of each format"
)


@dataclass(slots=True)
class ImportResult:
    """Counts of what an import read and changed."""

    sources: list[str]
    formats: list[str]
    sample_id: int | None = None
    """The sample that it made or continued; None when every request was already there."""
    counts: ImportCounts = field(default_factory=ImportCounts)
    written: Written = field(default_factory=Written)
    rejects: list[Reject] = field(default_factory=list)
    """The first rejects, without their raw bytes."""
    first_time: datetime | None = None
    last_time: datetime | None = None

    def note_times(self, requests: Sequence[TrafficRequest]) -> None:
        """Widen the span of times by those of some requests."""
        times = [request.time for request in requests if request.time is not None]
        if times:
            first, last = self.first_time, self.last_time
            self.first_time = min(times) if first is None else min(first, *times)
            self.last_time = max(times) if last is None else max(last, *times)


_REJECTS_SHOWN = 5
_ADVANCE_EVERY = 256
_BATCH_CHARACTERS = 2_000_000
"""A batch of prompts that long is written before it holds `BATCH` of them: it lies in memory."""


def import_traffic(
    location: Location,
    paths: Sequence[str],
    *,
    format: str | None,
    population: Population,
    sample_size: int | None,
    rejects_path: Path | None,
    source_name: str | None,
    reporter: Reporter,
) -> ImportResult:
    """Read logs into the database, which is made when there is none.

    Requests are written in batches, so a stopped import keeps what it wrote, and the same
    import run again continues it: rows that are there already are not written twice.

    Args:
        paths: files, directories and patterns; "-" is standard input.
        sample_size: keep about so many requests (conversations whole); None keeps all.
        rejects_path: where to write the lines that could not be read, as they are.
        source_name: names standard input, so that its rows keep their ids from run to run.

    Raises:
        InputError: a file that cannot be read, or holds no request at all.
        NoPromptsError: the requests were stored, and none has a prompt.
    """
    if paths.count("-") > 1:
        raise UsageError("standard input (-) can be read only once")
    paths = find_sources(paths, on_skip=reporter.note)
    if source_name is not None and "-" not in paths:
        raise UsageError("--source names standard input: give - as a FILE, or leave it out")
    result = ImportResult(sources=[_source(p, source_name) for p in paths], formats=[])
    with ExitStack() as stack:
        sink = None
        if rejects_path is not None:
            sink = stack.enter_context(
                rejects_file(rejects_path, [Path(path) for path in paths if path != "-"])
            )
        advance = stack.enter_context(reporter.progress("reading", _total_bytes(paths)))
        requests = take(
            _read_all(paths, format, source_name, result, sink, advance, reporter),
            population=population,
            counts=result.counts,
            sample_size=sample_size,
        )
        stack.enter_context(rare_collections())
        damage = _write_all(location, requests, population, sample_size, result, reporter)
    if damage is not None:
        if result.counts.kept:
            reporter.note(
                f"{result.counts.kept:,} requests that could be read before that were kept"
            )
        raise damage
    _refuse_a_log_of_nothing(result)
    return result


def _write_all(
    location: Location,
    requests: Iterator[TrafficRequest],
    population: Population,
    sample_size: int | None,
    result: ImportResult,
    reporter: Reporter,
) -> RoutectlError | None:
    """Write requests as they come; returns what ended them early, if anything did."""
    stream = _Stream(requests)
    if sample_size is not None:
        # A sample fits into memory, and its weight is known only after the last line.
        stream.read_ahead()
    batch = stream.batch()
    if not batch:
        # Nothing to store: no database is made for it.
        return stream.damage
    counts = result.counts
    weight = 1.0 if sample_size is None else counts.seen / counts.kept
    store, created = create_or_open(location)
    with store:
        if created:
            reporter.note(f"made a new database at {location}")
        sample = SampleWriter(store, result.sources, population, sample_size)
        with in_background(sample.write) as write:
            while batch:
                result.note_times(batch)
                write(prepare(batch, weight=weight, extraction_version=EXTRACTION_VERSION))
                batch = stream.batch()
        sample.finish(seen=counts.seen, kept=counts.kept, counts=counts_json(counts))
    result.sample_id, result.written = sample.sample_id, sample.written
    return stream.damage


class _Stream:
    """Requests in batches; what ended them early is kept until all before it was written."""

    def __init__(self, requests: Iterator[TrafficRequest]) -> None:
        self._requests = requests
        self.damage: RoutectlError | None = None

    def read_ahead(self) -> None:
        self._requests = iter(self._take(None))

    def batch(self) -> list[TrafficRequest]:
        return self._take(BATCH, _BATCH_CHARACTERS)

    def _take(self, size: int | None, characters: float = math.inf) -> list[TrafficRequest]:
        taken: list[TrafficRequest] = []
        try:
            for request in islice(self._requests, size):
                taken.append(request)
                characters -= len(request.text or "")
                if characters <= 0:
                    break
        except RoutectlError as error:
            self.damage = error
        return taken


def counts_json(counts: ImportCounts) -> dict[str, object]:
    """What an import counted, as plain JSON values."""
    return {
        "rows": counts.rows,
        "rejected": counts.rejected,
        "skipped": dict(counts.skipped),
        "filtered": counts.filtered,
        "seen": counts.seen,
        "kept": counts.kept,
        "excluded": {reason.value: count for reason, count in counts.excluded.items()},
        "undated": counts.undated,
    }


def _read_all(
    paths: Sequence[str],
    format: str | None,
    source_name: str | None,
    result: ImportResult,
    sink: Callable[[bytes], None] | None,
    advance: Advance,
    reporter: Reporter,
) -> Iterator[TrafficRequest]:
    def on_reject(reject: Reject) -> None:
        if sink is not None:
            sink(reject.raw)
        if len(result.rejects) < _REJECTS_SHOWN:
            result.rejects.append(replace(reject, raw=b""))

    for path in paths:
        with open_source(path, identity=source_name if path == "-" else None) as source:
            previous = result.formats[-1] if result.formats else None
            name = format or sniff(source.head(), name=source.name, fallback=previous)
            result.formats.append(name)
            reporter.detail(f"reading {source.name} as {name}")
            done = 0
            requests = read(
                source,
                format=name,
                on_reject=on_reject,
                counts=result.counts,
                alone=len(paths) == 1,
            )
            for index, request in enumerate(requests):
                if index % _ADVANCE_EVERY == 0:
                    advance(source.bytes_read - done)
                    done = source.bytes_read
                yield request
            advance(source.bytes_read - done)


def _source(path: str, source_name: str | None) -> str:
    return (source_name or "-") if path == "-" else str(Path(path).resolve())


def _total_bytes(paths: Sequence[str]) -> int | None:
    if "-" in paths:
        return None
    return sum(Path(path).stat().st_size for path in paths if Path(path).is_file())


def _refuse_a_log_of_nothing(result: ImportResult) -> None:
    counts = result.counts
    names = ", ".join(result.sources)
    if counts.seen == 0 and counts.filtered == 0:
        skipped = ", ".join(f"{n:,} of {reason}" for reason, n in counts.skipped.most_common(3))
        raise NoPromptsError(
            f"{names} holds no request that a router could be asked about"
            + (f" (left out: {skipped})" if skipped else "")
            + ": check that it is the log of a chat proxy"
        )
    excluded = sum(counts.excluded.values())
    if counts.kept and excluded == counts.kept:
        reasons = ", ".join(f"{n:,} {reason}" for reason, n in counts.excluded.most_common())
        raise NoPromptsError(
            f"none of the {counts.kept:,} requests in {names} has a prompt to score ({reasons}): "
            f"{_HOW_TO_LOG_PROMPTS}"
        )
