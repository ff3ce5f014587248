"""`routectl battles import|list|export`: preference records in, and out again."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path

from routectl.errors import InputError, UsageError
from routectl.output import Output, Write
from routectl.preferences.battles import BattleReader, battle_reader, no_battles
from routectl.preferences.gold import gold_reader
from routectl.records import Battle, Reject
from routectl.route import quoted
from routectl.store import battles as stored
from routectl.store.battles import NewBattle, SourceCounts
from routectl.store.engine import Location, Store
from routectl.store.opening import create_or_open, open_store
from routectl.tables import OnReject, Row, RowError, Table, open_table
from routectl.workflow.reporter import Advance, Reporter

REJECTS_SHOWN = 5
_ADVANCE_EVERY = 256
_ANNOTATOR_COLUMNS = ("annotator", "judge")
_ID_COLUMN = "id"


@dataclass(slots=True)
class BattleImport:
    """Counts of what an import of battles read and changed."""

    sources: list[str] = field(default_factory=list)
    rows: int = 0
    rejected: int = 0
    skipped: int = 0
    """Rows without a prompt or a verdict."""
    added: int = 0
    unchanged: int = 0
    """Battles that were there."""
    rejects: list[Reject] = field(default_factory=list)
    """The first rejects, without their raw bytes."""


def import_battles(
    location: Location,
    paths: Sequence[Path],
    *,
    source_name: str | None,
    rejects: Output | None,
    reporter: Reporter,
) -> BattleImport:
    """Read files of battles into the database, which is made when there is none.

    Battles are written in batches, so a stopped import keeps what it wrote, and the same import
    run again adds what is missing.

    Args:
        source_name: the data set's name; else each file's own name.
        rejects: where to write the rows that could not be read, as they are.

    Raises:
        InputError: a file that holds no battles, cannot be read, or is damaged; what came before
            the damage is stored.
    """
    if rejects is not None:
        rejects = replace(rejects, inputs=paths)
        rejects.check()
    for path in paths:
        _require_battles(path)
    result = BattleImport()
    with ExitStack() as stack:
        sink = None
        if rejects is not None:
            sink = stack.enter_context(rejects.writing())
        advance = stack.enter_context(reporter.progress("reading", _total_bytes(paths)))
        opened: list[Store] = []
        for path in paths:
            source = source_name or _data_set(path)
            result.sources.append(source)
            battles = _new_battles(path, result, _on_reject(result, sink), advance)
            damage = None
            while damage is None:
                batch, damage = _batch(battles)
                if not batch:
                    break
                if not opened:
                    store, created = create_or_open(location)
                    opened.append(stack.enter_context(store))
                    if created:
                        reporter.note(f"made a new database at {location}")
                with opened[0].write() as connection:
                    added = stored.add_battles(connection, source, batch)
                result.added += added
                result.unchanged += len(batch) - added
            if damage is not None:
                raise damage
    if not result.added + result.unchanged:
        raise InputError(
            f"{', '.join(map(str, paths))}: none of {result.rows:,} rows is a battle"
            + (f"; the first reject: {result.rejects[0].reason}" if result.rejects else "")
        )
    return result


def _batch(battles: Iterator[NewBattle]) -> tuple[list[NewBattle], InputError | None]:
    """The next battles, and the error that ended them early, to be raised when they are stored."""
    batch: list[NewBattle] = []
    try:
        batch.extend(islice(battles, stored.BATCH))
    except InputError as error:
        return batch, error
    return batch, None


def _require_battles(path: Path) -> None:
    # Rejects are told when the rows are read.
    columns = open_table(path, on_reject=lambda reject: None).columns
    if battle_reader(path, columns) is not None:
        return
    if gold_reader(columns) is not None:
        raise InputError(
            f"{path} is a gold table, which names no pairs of models: train on it with "
            f"`routectl train ROUTER --gold {quoted(str(path))}`"
        )
    raise InputError(no_battles(path, columns))


def _new_battles(
    path: Path, result: BattleImport, on_reject: OnReject, advance: Advance
) -> Iterator[NewBattle]:
    table = open_table(path, on_reject)
    reader = battle_reader(path, table.columns)
    assert reader is not None  # `_require_battles` has looked
    repeats: Counter[bytes] = Counter()
    for row, battle in _read(table, reader, result, on_reject, advance):
        judge = next((row.values[c] for c in _ANNOTATOR_COLUMNS if row.values.get(c)), None)
        annotator = None if judge is None else str(judge)
        content = _digest(row, battle, annotator)
        # Equal rows of one file are several battles, in this file as in a longer copy of it.
        source_id = f"{content.hex()}-{repeats[content]}"
        repeats[content] += 1
        yield NewBattle(battle, source_id, annotator)


def _read(
    table: Table,
    reader: BattleReader,
    result: BattleImport,
    on_reject: OnReject,
    advance: Advance,
) -> Iterator[tuple[Row, Battle]]:
    done = 0
    for number, row in enumerate(table.rows):
        if number % _ADVANCE_EVERY == 0:
            advance(table.source.bytes_read - done)
            done = table.source.bytes_read
        try:
            battle = reader(row)
        except RowError as error:
            on_reject(error.reject)
            continue
        result.rows += 1
        if battle is None:
            result.skipped += 1
        else:
            yield row, battle
    advance(table.source.bytes_read - done)


def _on_reject(result: BattleImport, sink: Write | None) -> OnReject:
    def on_reject(reject: Reject) -> None:
        result.rows += 1
        result.rejected += 1
        if sink is not None:
            sink(reject.raw + b"\n")
        if len(result.rejects) < REJECTS_SHOWN:
            result.rejects.append(replace(reject, raw=b""))

    return on_reject


def _digest(row: Row, battle: Battle, annotator: str | None) -> bytes:
    """16 bytes that identify a row of a data set, whatever the path of its file."""
    own = row.values.get(_ID_COLUMN)
    parts = [own, annotator, battle.prompt, battle.model_a, battle.model_b, battle.winner]
    return hashlib.sha256(json.dumps(parts, default=str).encode()).digest()[:16]


def _data_set(path: Path) -> str:
    """A file's name without its endings."""
    name = path.name.removesuffix(".gz")
    return name.rsplit(".", 1)[0] or name


def _total_bytes(paths: Sequence[Path]) -> int:
    return sum(path.stat().st_size for path in paths if path.is_file())


@dataclass(frozen=True, slots=True)
class PairCounts:
    """Battles of two models in a data set; of the two, model a comes first in the alphabet."""

    source: str
    model_a: str
    model_b: str
    battles: int
    model_a_won: int
    model_b_won: int
    ties: int


@dataclass(frozen=True, slots=True)
class BattleList:
    """Counts of the stored battles."""

    sources: list[SourceCounts]
    pairs: list[PairCounts]


def list_battles(location: Location) -> BattleList:
    """Count the stored battles by data set, and by pair of models."""
    with open_store(location) as store, store.read() as connection:
        sources = stored.count_by_source(connection)
        counts = stored.count_by_pair(connection)
    pairs: dict[tuple[str, str, str], Counter[str]] = {}
    for (source, model_a, model_b, winner), count in counts.items():
        first, second = sorted((model_a, model_b))
        won = {"model_a": model_a, "model_b": model_b}.get(winner)
        side = "tie" if won is None else "model_a" if won == first else "model_b"
        pairs.setdefault((source, first, second), Counter())[side] += count
    return BattleList(
        sources,
        [
            PairCounts(*pair, sum(won.values()), won["model_a"], won["model_b"], won["tie"])
            for pair, won in sorted(pairs.items())
        ],
    )


@dataclass(frozen=True, slots=True)
class Exported:
    """The result of an export."""

    path: Path
    battles: int
    purged: int
    """Battles that were left out because their prompt's text was purged."""


def export_battles(location: Location, output: Output) -> Exported:
    """Write the stored battles as JSON lines that `routectl train --battles` reads.

    Raises:
        UsageError: the file must not be written.
        InputError: it cannot be written; nothing of it is left.
    """
    with (
        open_store(location) as store,
        store.read() as connection,
        output.writing() as write,
    ):
        prompts = stored.battle_prompts(connection)
        written = purged = 0
        for battle in stored.stored_battles(connection):
            if battle.prompt in prompts:
                write(battle_line(battle, prompts[battle.prompt]))
                written += 1
            else:
                purged += 1
        if not written:
            raise UsageError("the database holds no battles: run `routectl battles import FILE`")
    return Exported(output.path, written, purged)


def battle_line(battle: stored.StoredBattle, prompt: str) -> bytes:
    """A battle as a line of a file that every reader of battles knows."""
    row = {
        "prompt": prompt,
        "model_a": battle.model_a,
        "model_b": battle.model_b,
        "winner": battle.winner,
    }
    if battle.annotator is not None:
        row["annotator"] = battle.annotator
    return json.dumps(row, ensure_ascii=False).encode() + b"\n"
