"""`routectl import`: logs in; a sample, its prompts and its requests out."""

from __future__ import annotations

import math
import os
import stat
from collections.abc import Iterator, Sequence, Set
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import lru_cache
from itertools import chain, islice
from pathlib import Path

from routectl.errors import InputError, NoPromptsError, RoutectlError, UsageError
from routectl.extraction import EXTRACTION_VERSION
from routectl.output import Output, Write
from routectl.records import Population, Reject
from routectl.request import TrafficRequest
from routectl.store.batches import prepare
from routectl.store.engine import Location
from routectl.store.litellm import SpendLogs
from routectl.store.opening import create_or_open, open_store
from routectl.store.traffic import Written, newest_read, routed_since
from routectl.traffic import (
    MAPPED,
    ImportCounts,
    Paths,
    Source,
    advice_of,
    find_sources,
    open_source,
    read,
    shown,
    sniff,
    source_of,
    take,
)
from routectl.workflow.importing.writing import (
    BATCH,
    SampleWriter,
    in_background,
    rare_collections,
)
from routectl.workflow.reporter import Advance, Reporter


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
    passed_over: int = 0
    """Files that could not be read at all, of several; each was told."""
    routed_since: dict[str, datetime] = field(default_factory=dict)
    """Of each route that a row names: since when the proxy's plug-in has decided it, in UTC."""
    first_time: datetime | None = None
    last_time: datetime | None = None

    def note_times(self, requests: Sequence[TrafficRequest]) -> None:
        """Widen the span of times by those of some requests."""
        times = [request.time for request in requests if request.time is not None]
        if times:
            first, last = self.first_time, self.last_time
            self.first_time = min(times) if first is None else min(first, *times)
            self.last_time = max(times) if last is None else max(last, *times)


_PLAIN_TEXT = "text"
_STANDARD_INPUT = Path("/dev/stdin")
"""Of the file that it is redirected from, if it is."""
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
    rejects: Output | None,
    source_name: str | None,
    reporter: Reporter,
    mapping: Sequence[str] = (),
    litellm_db: str | None = None,
) -> ImportResult:
    """Read logs into the database, which is made when there is none.

    Requests are written in batches, so a stopped import keeps what it wrote, and the same
    import run again continues it: rows that are there already are not written twice.

    Args:
        paths: files, directories and patterns; "-" is standard input.
        sample_size: keep about so many requests (conversations whole); None keeps all.
        rejects: where to write the lines that could not be read, as they are.
        source_name: names standard input, so that its rows keep their ids from run to run.
        mapping: `field=PATH` assignments for rows of no known format.
        litellm_db: URL of a LiteLLM proxy's database, whose spend logs are read in place of files.

    Raises:
        InputError: a file that cannot be read, or holds no request at all.
        NoPromptsError: the requests were stored, and none has a prompt.
    """
    if paths.count("-") > 1:
        raise UsageError("standard input (-) can be read only once")
    if (litellm_db is None) == (not paths):
        raise UsageError("give FILEs, or --litellm-db with a database's URL in place of them")
    named = set(paths)
    paths = find_sources(paths, on_skip=reporter.note)
    if source_name is not None and "-" not in paths:
        raise UsageError("--source names standard input: give - as a FILE, or leave it out")
    result = ImportResult(sources=[_source(p, source_name) for p in paths], formats=[])
    with ExitStack() as stack:
        sink = None
        if rejects is not None:
            inputs = [_STANDARD_INPUT if path == "-" else Path(path) for path in paths]
            sink = stack.enter_context(replace(rejects, inputs=inputs).writing())
        advance = stack.enter_context(reporter.progress("reading", _total_bytes(paths)))
        reading = _Reading(
            format=format,
            paths=Paths(mapping) if mapping else None,
            source_name=source_name,
            result=result,
            sink=sink,
            advance=advance,
            reporter=reporter,
        )
        if litellm_db is None:
            read_requests = reading.of_files(paths, named)
        else:
            spend_logs = SpendLogs(litellm_db)
            result.sources = [spend_logs.name]
            since = _watermark(location, spend_logs.name, population, sample_size)
            if since is not None:
                reporter.note(f"reading rows from {since:%Y-%m-%d %H:%M:%S} UTC on")
            read_requests = reading.of_chunks(spend_logs.lines(since), spend_logs.name)
        requests = take(
            read_requests,
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
        routes: set[str | None] = set()
        with in_background(sample.write) as write:
            while batch:
                result.note_times(batch)
                routes.update(request.proxy_route for request in batch)
                write(prepare(batch, weight=weight, extraction_version=EXTRACTION_VERSION))
                batch = stream.batch()
        sample.finish(seen=counts.seen, kept=counts.kept, counts=counts_json(counts))
        with store.read() as connection:
            for route in sorted(routes - {None}, key=str):
                since = routed_since(connection, str(route))
                if since is not None:
                    result.routed_since[str(route)] = since
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
        "not_decided": dict(counts.not_decided),
        "undated": counts.undated,
        "unread": dict(counts.unread),
    }


@dataclass(slots=True)
class _Reading:
    """The reading of one import's logs, one after the other."""

    format: str | None
    paths: Paths | None
    source_name: str | None
    result: ImportResult
    sink: Write | None
    advance: Advance
    reporter: Reporter
    structured: str | None = None
    """The format of the last log that was not plain text."""

    def of_files(self, files: Sequence[str], named: Set[str]) -> Iterator[TrafficRequest]:
        """Yield the requests of files. What is wrong with one of several never stops the rest.

        Args:
            named: those that the user named one by one, and did not mean a folder's files by.

        Raises:
            InputError: the only file cannot be read; or, when all others have been read, one that
                is damaged or was named and cannot be.
        """
        alone = len(files) == 1
        failure: RoutectlError | None = None
        texts: list[str] = []
        for turn in (files, texts):
            for file in turn:
                # Text is what remains: whether it may be meant depends on what the others are.
                begun = len(self.result.formats)
                try:
                    yield from self._of_file(file, alone, None if turn is texts else texts)
                except InputError as error:
                    if alone:
                        raise
                    is_damaged = len(self.result.formats) > begun
                    self.result.passed_over += not is_damaged
                    self.reporter.note(str(error).removesuffix("."))
                    if failure is None and (file in named or is_damaged):
                        failure = error
        if self.result.passed_over == len(files):
            raise InputError(
                f"None of the {len(files):,} files could be read; what is wrong with each is "
                "said above."
            )
        if failure is not None:
            raise failure

    def _of_file(self, file: str, alone: bool, texts: list[str] | None) -> Iterator[TrafficRequest]:
        identity = self.source_name if file == "-" else None
        with open_source(file, identity=identity) as source:
            name = self.format or self._sniffed(source, alone)
            if name == _PLAIN_TEXT and self.format is None:
                if texts is not None and not alone:
                    texts.append(file)
                    return
                if _PLAIN_TEXT not in self.result.formats:
                    self.reporter.note(f"{source.name} is read as plain text, one prompt a line")
            yield from self._of_source(source, name, alone)

    def _sniffed(self, source: Source, alone: bool) -> str:
        if self.paths is not None:
            return MAPPED
        head = source.head()
        # A file that was written half is of the format of the one before it.
        half_written = head[0].lstrip()[:1] in (b"{", b"[")
        name = sniff(head, name=source.name, fallback=self.structured if half_written else None)
        if name != _PLAIN_TEXT:
            self.structured = name
        elif self.structured is not None and not alone:
            raise InputError(
                f"{source.name} would be plain text next to structured logs, and was passed over: "
                "if its lines are prompts, import it with --format text."
            )
        return name

    def of_chunks(self, chunks: Iterator[bytes], name: str) -> Iterator[TrafficRequest]:
        """Yield the requests of spend logs, given as lines of JSON."""
        first = next(chunks, None)
        if first is None:
            raise InputError(f"{name} has no spend logs yet.")
        with source_of(chain([first], chunks), name=name) as source:
            yield from self._of_source(source, "spendlogs", alone=True)

    def _of_source(self, source: Source, name: str, alone: bool) -> Iterator[TrafficRequest]:
        self.result.formats.append(name)
        self.reporter.detail(f"reading {source.name} as {name}")
        done = 0
        requests = read(
            source,
            format=name,
            on_reject=self._on_reject,
            counts=self.result.counts,
            alone=alone,
            paths=self.paths,
        )
        for index, request in enumerate(requests):
            if index % _ADVANCE_EVERY == 0:
                self.advance(source.bytes_read - done)
                done = source.bytes_read
            yield request
        self.advance(source.bytes_read - done)

    def _on_reject(self, reject: Reject) -> None:
        if self.sink is not None:
            self.sink(reject.raw + b"\n")
        if len(self.result.rejects) < _REJECTS_SHOWN:
            self.result.rejects.append(replace(reject, raw=b""))


def _source(path: str, source_name: str | None) -> str:
    return (source_name or "-") if path == "-" else shown(_resolved(path))


def _resolved(path: str) -> str:
    """The path without links. Of very many files in a few folders, each folder is asked once."""
    if os.path.islink(path):  # noqa: PTH114 - a Path takes as long as all else of a small file
        return os.path.realpath(path)
    folder, name = os.path.split(path)
    return os.path.join(_resolved_folder(folder), name)  # noqa: PTH118


_resolved_folder = lru_cache(maxsize=1024)(os.path.realpath)


def _total_bytes(paths: Sequence[str]) -> int | None:
    if "-" in paths:
        return None
    total = 0
    for path in paths:
        with suppress(OSError):
            status = os.stat(path)  # noqa: PTH116
            total += status.st_size if stat.S_ISREG(status.st_mode) else 0
    return total


def _watermark(
    location: Location, source: str, population: Population, sample_size: int | None
) -> datetime | None:
    """From when on rows of a database have not been read yet; None where nothing was."""
    if location.path is not None and not location.path.exists():
        return None
    with open_store(location) as store, store.read() as connection:
        newest = newest_read(
            connection,
            source=source,
            population=population.to_json(),
            sample_size=sample_size,
            extraction_version=EXTRACTION_VERSION,
        )
    return None if newest is None else newest - _OVERLAP


_OVERLAP = timedelta(hours=6)
"""Rows are written when a call ends, and a proxy may hold them back: they come out of order."""


def _refuse_a_log_of_nothing(result: ImportResult) -> None:
    counts = result.counts
    names = ", ".join(result.sources[:3]) + (", ..." if len(result.sources) > 3 else "")
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
        advice = [
            sentence
            for reason, _ in counts.excluded.most_common()
            for name in dict.fromkeys(result.formats)
            if (sentence := advice_of(name, reason)) is not None
        ]
        raise NoPromptsError(
            f"none of the {counts.kept:,} requests in {names} has a prompt to score ({reasons}): "
            + "; ".join([*dict.fromkeys(advice), "docs/formats.md says how to get each log"])
        )
