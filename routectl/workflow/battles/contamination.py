"""`routectl battles contamination`: training prompts that a benchmark also asks."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path

from routectl.errors import InputError, UsageError, reason_of
from routectl.output import Output, Write, check_folder, make_folder
from routectl.preferences.battles import battle_reader, no_battles, read_sibling_prompts, sibling_of
from routectl.preferences.contamination import read_benchmark
from routectl.preferences.gold import gold_reader
from routectl.similarity import similar_pairs
from routectl.store import battles as stored
from routectl.store.engine import Location
from routectl.store.opening import open_store
from routectl.tables import Row, Table, open_table
from routectl.workflow.battles.run import battle_line
from routectl.workflow.embedding import embed, open_for_comparison
from routectl.workflow.reporter import Reporter

_PROMPT_ID = "prompt_id"


@dataclass(frozen=True, slots=True)
class Cleaned:
    """The result for one input."""

    name: str
    rows: int
    removed: int
    output: Path | None


@dataclass(frozen=True, slots=True)
class Contamination:
    """The result of a search for contamination."""

    threshold: float
    """The least cosine of a pair that counts, in [-1, 1]."""
    embedder: str
    prompts: int
    """Distinct prompts of the inputs."""
    against: int
    """Distinct prompts of the benchmarks."""
    contaminated: int
    """Of the inputs' prompts: those with a benchmark's prompt at the threshold or nearer."""
    pairs: int
    inputs: list[Cleaned]
    pairs_file: Path | None
    """None also where there are no pairs."""


@dataclass(frozen=True, slots=True)
class _Place:
    """A row of a file, or a battle of the store."""

    name: str
    line: int

    def to_json(self) -> dict[str, object]:
        return {"file": self.name, "line": self.line} if self.name else {"battle": self.line}


@dataclass(frozen=True, slots=True)
class _Pair:
    prompt: str
    other: str
    cosine: float


def find_contamination(
    location: Location,
    files: Sequence[Path],
    *,
    against: Sequence[Path],
    threshold: float,
    output: Path | None,
    pairs_path: Path | None,
    with_texts: bool,
    force: bool,
    embedder: str | None,
    reporter: Reporter,
) -> Contamination:
    """Find prompts of training data that resemble a benchmark's, and write the data without them.

    Args:
        files: battles or gold tables; without any, the store's battles.
        against: files of benchmarks' prompts.
        threshold: cosine from which two prompts count as the same question.
        output: the cleaned file, in the shape of its input; a folder where `files` are several.
        pairs_path: JSON lines: each pair's rows, digests and cosine.
        with_texts: put the prompts' texts into the pairs file, too.

    Raises:
        InputError: a file cannot be read or written.
        UsageError: a file must not be written.
    """

    def checked(path: Path | None, option: str) -> Output | None:
        if path is None:
            return None
        checked_output = Output(
            path=path,
            option=option,
            database=location.path,
            inputs=(*files, *map(sibling_of, files), *against),
            force=force,
        )
        checked_output.check()
        return checked_output

    pairs_output = checked(pairs_path, "--pairs")
    outputs = [checked(path, "--output") for path in _outputs(files, output)]
    file_inputs = [_FileInput(path, out) for path, out in zip(files, outputs, strict=True)]
    for file_input in file_inputs:
        if (sibling := file_input.prompts_output()) is not None:
            sibling.check()
    inputs: Sequence[_Input] = file_inputs or [_StoreInput(location, checked(output, "--output"))]
    prompts = list(dict.fromkeys(p for source in inputs for p in source.prompts()))
    others = _benchmark_prompts(against)
    other_texts = list(others)
    model = open_for_comparison(embedder, "the data and the benchmarks", reporter)
    pairs = [
        _Pair(prompts[query], other_texts[other], float(cosine))
        for tile in similar_pairs(
            embed(model, prompts, "embedding the data", reporter),
            embed(model, other_texts, "embedding the benchmarks", reporter),
            threshold,
        )
        for query, other, cosine in zip(tile.query, tile.other, tile.cosine, strict=True)
    ]
    contaminated = {pair.prompt: list[_Place]() for pair in pairs}
    cleaned = [source.clean(contaminated) for source in inputs]
    if pairs_output is not None:
        with pairs_output.writing() as write:
            for line in _pair_lines(pairs, contaminated, others, with_texts):
                write(line)
    return Contamination(
        threshold=threshold,
        embedder=model.name,
        prompts=len(prompts),
        against=len(others),
        contaminated=len(contaminated),
        pairs=len(pairs),
        inputs=cleaned,
        pairs_file=pairs_path if pairs else None,
    )


def _outputs(files: Sequence[Path], output: Path | None) -> list[Path | None]:
    if output is None:
        return [None] * len(files)
    if len(files) <= 1 and not output.is_dir():
        return [output] * len(files)
    if len({path.name for path in files}) < len(files):
        raise UsageError("two FILEs have one name, and would be one file in --output: clean each")
    try:
        check_folder(output, "--output")
        make_folder(output)
    except UsageError as error:
        raise UsageError(f"{error} (several FILEs are written into a folder)") from None
    except OSError as error:
        raise InputError(f"cannot make --output {output}: {reason_of(error)}") from None
    return [output / path.name for path in files]


def _benchmark_prompts(paths: Sequence[Path]) -> dict[str, list[_Place]]:
    places: dict[str, list[_Place]] = {}
    for path in paths:
        for line, prompt in read_benchmark(path):
            places.setdefault(prompt, []).append(_Place(str(path), line))
    return places


def _pair_lines(
    pairs: Iterable[_Pair],
    places: Mapping[str, list[_Place]],
    others: Mapping[str, list[_Place]],
    with_texts: bool,
) -> Iterator[bytes]:
    for pair in pairs:
        line: dict[str, object] = {
            "cosine": round(pair.cosine, 6),
            "digest": _sha256(pair.prompt),
            "rows": [place.to_json() for place in places[pair.prompt]],
            "against_digest": _sha256(pair.other),
            "against_rows": [place.to_json() for place in others[pair.other]],
        }
        if with_texts:
            line |= {"text": pair.prompt, "against_text": pair.other}
        yield json.dumps(line, ensure_ascii=False).encode() + b"\n"


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


class _FileInput:
    """A file of battles or gold labels; it is read twice, so that memory holds its prompts only."""

    def __init__(self, path: Path, output: Output | None) -> None:
        self._path = path
        self._output = output

    def prompts(self) -> Iterator[str]:
        table = open_table(self._path)
        reader = _prompt_reader(self._path, table)
        prompts = (reader(row) for row in table.rows)
        return (prompt for prompt in prompts if prompt is not None)

    def clean(self, contaminated: Mapping[str, list[_Place]]) -> Cleaned:
        if self._output is None:
            return self._write(contaminated, lambda data: None)
        with self._output.writing() as write:
            cleaned = self._write(contaminated, write)
        sibling = self.prompts_output()
        if sibling is not None:
            with sibling.writing() as write:
                for number, prompt in read_sibling_prompts(self._path).items():
                    if prompt not in contaminated:
                        line = {_PROMPT_ID: number, "prompt": prompt}
                        write(json.dumps(line, ensure_ascii=False).encode() + b"\n")
        return cleaned

    def prompts_output(self) -> Output | None:
        """The prompts file that belongs to AlpacaEval's long form, of the output."""
        if self._output is None:
            return None
        columns = open_table(self._path, on_reject=lambda reject: None).columns
        if _PROMPT_ID not in columns or "prompt" in columns or "question" in columns:
            return None
        return replace(self._output, path=sibling_of(self._output.path))

    def _write(self, contaminated: Mapping[str, list[_Place]], write: Write) -> Cleaned:
        table = open_table(self._path)
        reader = _prompt_reader(self._path, table)
        is_list = table.kind == "json_list"
        end = b"" if is_list else b"\n"
        write(table.header + end if table.header else b"[\n" if is_list else b"")
        rows = removed = 0
        for row in table.rows:
            rows += 1
            prompt = reader(row)
            if prompt is not None and prompt in contaminated:
                contaminated[prompt].append(_Place(str(self._path), row.line))
                removed += 1
                continue
            write((b",\n" if is_list and rows - removed > 1 else b"") + row.raw + end)
        write(b"\n]\n" if is_list else b"")
        path = None if self._output is None else self._output.path
        return Cleaned(str(self._path), rows, removed, path)


class _StoreInput:
    """The store's battles."""

    def __init__(self, location: Location, output: Output | None) -> None:
        self._location = location
        self._output = output

    def prompts(self) -> Iterator[str]:
        with open_store(self._location) as store, store.read() as connection:
            text_by_id = stored.battle_prompts(connection)
        if not text_by_id:
            raise InputError(
                "the database holds no battles: name a FILE, or run `routectl battles import FILE`"
            )
        return iter(text_by_id.values())

    def clean(self, contaminated: Mapping[str, list[_Place]]) -> Cleaned:
        out = self._output
        rows = removed = 0
        with (
            open_store(self._location) as store,
            store.read() as connection,
            out.writing() if out else nullcontext(lambda data: None) as write,
        ):
            texts = stored.battle_prompts(connection)
            for battle in stored.stored_battles(connection):
                prompt = texts.get(battle.prompt)
                if prompt is None:
                    continue
                rows += 1
                if prompt in contaminated:
                    contaminated[prompt].append(_Place("", battle.id))
                    removed += 1
                else:
                    write(battle_line(battle, prompt))
        return Cleaned(str(self._location), rows, removed, out.path if out else None)


_Input = _FileInput | _StoreInput


def _prompt_reader(path: Path, table: Table) -> Callable[[Row], str | None]:
    battles = battle_reader(path, table.columns)
    if battles is not None:

        def battle_prompt(row: Row) -> str | None:
            battle = battles(row)
            return None if battle is None else battle.prompt

        return battle_prompt
    gold = gold_reader(table.columns)
    if gold is None:
        raise InputError(no_battles(path, table.columns))
    return lambda row: gold(row).prompt
