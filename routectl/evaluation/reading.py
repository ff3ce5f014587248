"""Readers of benchmarks: a file, or a folder in the layout of RouteLLM's repository.

A file is a table (CSV, JSON Lines or one JSON list, plain or gzipped) whose rows are told apart by
their columns:

- `prompt` or `question`, and a column for each model: a number, true or false, or blank where the
  model was not asked; `cost:MODEL` holds the US dollars of that model's answer
- `prompt` and `scores`, an object of model -> number; `costs` is the same for US dollars
- `turns` and `scores`, an object of model -> turn -> number: MT-Bench, of which the first turn is
  routed on, and whose turns count as their mean (RouteLLM, section 5)

`category`, `domain`, `task` or `subject` names a row's part, `options` are put as MMLU puts them.
The prompts in FILE.contaminated.jsonl next to FILE.csv, if it exists, are left out.

A folder holds `responses/*.csv` (MMLU), `gsm8k_responses.csv`, or `question.jsonl` with
`judgements.jsonl` (MT-Bench), and mostly `contaminated_prompts.jsonl`.
"""

from __future__ import annotations

import math
import os
import statistics
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from routectl.errors import InputError, UsageError
from routectl.escaping import quoted_names
from routectl.evaluation.benchmark import Benchmark
from routectl.evaluation.exclusions import Exclusions
from routectl.extraction import extract
from routectl.preferences.gold import choices, options_of
from routectl.tables import Row, read_rows

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_PROMPTS = ("prompt", "question", "turns")
_CATEGORIES = ("category", "domain", "task", "subject")
_COST = "cost:"
_NO_MODEL = (
    *_PROMPTS,
    *_CATEGORIES,
    "id",
    "question_id",
    "prompt_id",
    "options",
    "split",
    "scores",
    "costs",
)
_RESPONSE = "_response"
_ENDINGS = (".csv", ".csv.gz", ".jsonl", ".jsonl.gz", ".json", ".json.gz")
_TRUTH = {"true": 1.0, "false": 0.0}


def find_benchmark(named: str, folder: Path | None) -> Path:
    """Where a benchmark lies that is named by its path, or by its name in the user's folder.

    Args:
        folder: of benchmarks; None where there is none.

    Raises:
        UsageError: there is no such file, and none of that name in the folder.
    """
    path = Path(os.path.expanduser(named))  # noqa: PTH111
    if path.exists():
        return path
    if folder is not None:
        for spelling in dict.fromkeys((named, named.replace("-", "_"))):
            for candidate in (folder / spelling, *(folder / f"{spelling}{e}" for e in _ENDINGS)):
                if candidate.exists():
                    return candidate
    where = (
        f"and {folder} holds none of that name"
        if folder
        else ("and ROUTECTL_BENCHMARKS names no folder in which to look for it by name")
    )
    raise UsageError(f"--benchmark {named}: there is no such file or folder, {where}")


def read_benchmark(path: Path, leave_out: Sequence[Path] = ()) -> Benchmark:
    """Read a benchmark.

    Args:
        path: a file or a folder, see above.
        leave_out: files of prompts to leave out, besides its own contaminated ones: a table with a
            column `prompt` (or `eval_prompt`), or a .txt with the SHA-256 of a prompt's UTF-8 text
            a line, in hexadecimal.

    Raises:
        InputError: it cannot be read, has none of the shapes, a row is damaged, or nothing is left.
    """
    if path.is_dir():
        rows, contaminated, name = _folder(path)
    else:
        rows, contaminated, name = _file_rows(path), _contaminated_beside(path), _stem(path)
    exclusions = Exclusions.of([*contaminated, *leave_out])
    kept, left_out = [], 0
    for row in rows:
        if exclusions.holds(row.texts):
            left_out += 1
        else:
            kept.append(row)
    if not kept:
        raise InputError(
            f"{path}: all of {left_out} rows are left out as contaminated, so none is left to judge"
        )
    return _benchmark(name, kept, left_out)


@dataclass(frozen=True, slots=True)
class _Judged:
    """One row."""

    texts: tuple[str, ...]
    """Its turns; the first is routed on."""
    quality: Mapping[str, float]
    cost: Mapping[str, float] = field(default_factory=dict)
    category: str = ""


def _benchmark(name: str, rows: Sequence[_Judged], left_out: int) -> Benchmark:
    import numpy as np

    def columns(of: Callable[[_Judged], Mapping[str, float]]) -> dict[str, NDArray[np.float64]]:
        models = dict.fromkeys(model for row in rows for model in of(row))
        return {model: np.array([of(row).get(model, math.nan) for row in rows]) for model in models}

    costs = columns(lambda row: row.cost)
    categories = tuple(row.category for row in rows)
    return Benchmark(
        name=name,
        prompts=tuple(row.texts[0] for row in rows),
        quality=columns(lambda row: row.quality),
        cost={model: values for model, values in costs.items() if np.isfinite(values).all()},
        categories=categories if any(categories) else (),
        contaminated=left_out,
    )


def _stem(path: Path) -> str:
    name = path.name.removesuffix(".gz")
    return name.rsplit(".", 1)[0] or name


def _contaminated_beside(path: Path) -> list[Path]:
    contaminated = path.with_name(f"{_stem(path)}.contaminated.jsonl")
    return [contaminated] if contaminated.exists() else []


def _folder(path: Path) -> tuple[Iterator[_Judged], list[Path], str]:
    listed = path / "contaminated_prompts.jsonl"
    contaminated = [listed] if listed.exists() else []
    responses = sorted((path / "responses").glob("*.csv"))
    if responses:
        rows = (row for file in responses for row in _file_rows(file, _stem(file)))
        return rows, contaminated, path.name
    gsm8k = path / "gsm8k_responses.csv"
    if gsm8k.exists():
        return _file_rows(gsm8k), contaminated, path.name
    if (path / "question.jsonl").exists() and (path / "judgements.jsonl").exists():
        return (
            _mt_bench(path / "question.jsonl", path / "judgements.jsonl"),
            contaminated,
            path.name,
        )
    inside = [d.name for d in sorted(path.iterdir()) if d.is_dir()]
    raise InputError(
        f"{path} is no benchmark: it holds neither responses/*.csv, nor gsm8k_responses.csv, nor "
        "question.jsonl with judgements.jsonl"
        + (f"; name one of its folders ({', '.join(inside[:5])})" if inside else "")
    )


def _mt_bench(questions: Path, judgements: Path) -> Iterator[_Judged]:
    points: dict[object, dict[str, list[float]]] = {}
    for row in read_rows(judgements)[1]:
        models = points.setdefault(row.values.get("question_id"), {})
        models.setdefault(row.text("model"), []).append(_number(row, "score", _at(row, "score")))
    for row in read_rows(questions)[1]:
        models = points.get(row.values.get("question_id"), {})
        quality = {model: statistics.fmean(scores) for model, scores in models.items()}
        yield _Judged(_turns(row), quality, category=_category(row, ""))


def _file_rows(path: Path, part: str = "") -> Iterator[_Judged]:
    columns, rows = read_rows(path)
    if not any(column in columns for column in _PROMPTS):
        raise InputError(
            f"{path} is no benchmark: its columns are {quoted_names(columns, 8)}, and it needs "
            "prompt, question or turns, and how good each model's answer was"
        )
    if "scores" in columns:
        yield from (_with_objects(row, part) for row in rows)
        return
    models = [
        column
        for column in columns
        if column not in _NO_MODEL
        and not column.startswith(_COST)
        and not column.endswith(_RESPONSE)
    ]
    yield from _by_column(path, models, rows, part)


def _with_objects(row: Row, part: str) -> _Judged:
    scores = row.values.get("scores")
    if not isinstance(scores, dict) or not scores:
        raise row.error("column 'scores' must hold an object of model and score")
    quality = {
        model: statistics.fmean(_number(row, model, turn) for turn in value.values())
        if isinstance(value, dict) and value
        else _number(row, model, value)
        for model, value in scores.items()
        if not _blank(value)
    }
    costs = row.values.get("costs") or {}
    if not isinstance(costs, dict):
        raise row.error("column 'costs' must hold an object of model and US dollars")
    cost = {model: _dollars(row, model, value) for model, value in costs.items()}
    return _Judged(_texts(row), quality, cost, _category(row, part))


def _by_column(
    path: Path, models: Sequence[str], rows: Iterable[Row], part: str
) -> Iterator[_Judged]:
    """Rows with a column for each model. A column without a single number is none of a model."""
    judged: list[Row] = list(rows)
    numeric = [m for m in models if any(_is_number(row.values.get(m)) for row in judged)]
    if not numeric:
        raise InputError(
            f"{path} holds no qualities: of its columns ({quoted_names(models, 8)}) none "
            "holds a number; each model needs a column of numbers, or of true and false"
        )
    for row in judged:
        quality = {
            model: _number(row, model, row.values.get(model))
            for model in numeric
            if not _blank(row.values.get(model))
        }
        cost = {
            column.removeprefix(_COST): _dollars(row, column, value)
            for column, value in row.values.items()
            if column.startswith(_COST) and not _blank(value)
        }
        yield _Judged(_texts(row), quality, cost, _category(row, part))


def _blank(value: object) -> bool:
    return value is None or (isinstance(value, str) and not value.strip())


def _parsed(value: object) -> float:
    """A number, true or false; NaN where it is none."""
    if isinstance(value, str):
        value = _TRUTH.get(value.strip().lower(), value)
    try:
        number = float(value)  # type: ignore[arg-type]  # a TypeError is caught
    except (TypeError, ValueError, OverflowError):
        return math.nan
    return number if math.isfinite(number) else math.nan


def _is_number(value: object) -> bool:
    return not math.isnan(_parsed(value))


def _number(row: Row, column: str, value: object) -> float:
    number = _parsed(value)
    if math.isnan(number):
        raise row.error(f"the quality of {column!r} must be a number, true, false or blank")
    return number


def _dollars(row: Row, column: str, value: object) -> float:
    number = _parsed(value)
    if not number >= 0:
        raise row.error(f"the cost of {column!r} must be a number of US dollars, 0 or more")
    return number


def _at(row: Row, column: str) -> Any:
    return row.values.get(column)


def _category(row: Row, part: str) -> str:
    return str(next((row.values[name] for name in _CATEGORIES if row.values.get(name)), part))


def _texts(row: Row) -> tuple[str, ...]:
    if "turns" in row.values:
        return _turns(row)
    column = next((name for name in _PROMPTS if name in row.values), _PROMPTS[0])
    text = row.text(column)
    if "options" in row.values:
        text = choices(text, options_of(row))
    prompt = extract(text)
    if prompt is None:
        raise row.error(f"column {column!r} must hold text and does not")
    return (prompt,)


def _turns(row: Row) -> tuple[str, ...]:
    turns = row.values.get("turns")
    extracted = [extract(turn) for turn in turns] if isinstance(turns, list) else []
    texts = [text for text in extracted if text is not None]
    if not texts or extracted[0] is None:
        raise row.error("column 'turns' must hold a list of texts")
    return tuple(texts)
