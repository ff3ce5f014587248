"""Readers of gold tables: per prompt, how well each model answered it.

Two shapes, told apart by their columns:

- a column `prompt` or `question` and one column per model (a number, mostly 1 or 0; blank where
  the model was not asked); a column `options` holds a JSON list of answers to choose from
- a column `scores`: an object of model -> number, and a column `prompt`
"""

from __future__ import annotations

import json
import math
import string
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from routectl.errors import InputError
from routectl.escaping import quoted_names
from routectl.extraction import extract
from routectl.records import Condition
from routectl.tables import Row, keep, read_rows

_TEXT_COLUMNS = ("prompt", "question")
_TASK_COLUMNS = ("task", "category")
_LABEL_COLUMNS = ("id", "task", "category", "domain", "subject", "options", "split", "prompt_id")


@dataclass(frozen=True, slots=True)
class GoldRow:
    """How well each model answered a prompt; the higher the better."""

    prompt: str
    scores: Mapping[str, float]
    task: str = field(default="", compare=False)
    """Which part of its file it is from: the column `task`, else `category`; "" without both."""


def read_gold(path: Path, conditions: Sequence[Condition] = ()) -> Iterator[GoldRow]:
    """The gold labels of a file whose rows meet the conditions.

    Raises:
        InputError: no such file, no such shape, or a row that cannot be read.
    """
    columns, rows = read_rows(path)
    reader = gold_reader(columns)
    if reader is None:
        raise InputError(
            f"{path} holds no gold labels: its columns are {quoted_names(columns, 8)}, and a gold "
            "table has prompt or question, and one column per model or a column scores."
        )
    return (reader(row) for row in rows if keep(row, conditions))


def gold_reader(columns: Sequence[str]) -> Callable[[Row], GoldRow] | None:
    """The reader for the rows of a file with these columns; None where it holds no gold labels."""
    text_column = next((column for column in _TEXT_COLUMNS if column in columns), None)
    models = [c for c in columns if c not in (*_TEXT_COLUMNS, *_LABEL_COLUMNS)]
    if text_column is None or not models:
        return None
    scored = "scores" in columns

    def read(row: Row) -> GoldRow:
        return _gold_row(row, text_column, _scores(row) if scored else _by_column(row, models))

    return read


def choices(question: str, options: Sequence[str]) -> str:
    """A multiple-choice question as people and benchmarks put it to a model.

    The question, the options lettered from A on, one a line, and "Answer:", as in MMLU.
    """
    letters = string.ascii_uppercase
    lines = [f"{letter}. {option}" for letter, option in zip(letters, options, strict=False)]
    return "\n".join([question, *lines, "Answer:"])


def _gold_row(row: Row, text_column: str, scores: Mapping[str, float]) -> GoldRow:
    text = row.text(text_column)
    if "options" in row.values:
        text = choices(text, options_of(row))
    prompt = extract(text)
    if prompt is None:
        raise row.error(f"column {text_column!r} must hold text and does not")
    task = next((row.values[name] for name in _TASK_COLUMNS if name in row.values), "")
    return GoldRow(prompt, scores, str(task))


def options_of(row: Row) -> list[str]:
    """The answers to choose from of a row with a column `options`.

    Raises:
        RowError: they are no list of 1 to 26.
    """
    options = row.values["options"]
    if isinstance(options, str):
        try:
            options = json.loads(options)
        except (ValueError, RecursionError):
            options = None
    if not isinstance(options, list) or not 0 < len(options) <= len(string.ascii_uppercase):
        raise row.error("column 'options' must hold a JSON list of 1 to 26 answers")
    return [str(option) for option in options]


def _scores(row: Row) -> dict[str, float]:
    scores = row.values.get("scores")
    if isinstance(scores, str):  # in a CSV
        try:
            scores = json.loads(scores)
        except (ValueError, RecursionError):
            scores = None
    if not isinstance(scores, dict):
        raise row.error("column 'scores' must hold an object of model and score")
    return {model: _number(row, model, value) for model, value in scores.items() if value != ""}


def _by_column(row: Row, models: Sequence[str]) -> dict[str, float]:
    return {
        model: _number(row, model, row.values[model])
        for model in models
        if row.values.get(model) not in (None, "")
    }


def _number(row: Row, model: str, value: object) -> float:
    try:
        number = float(value)  # type: ignore[arg-type]  # a TypeError is caught
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if not math.isfinite(number):
        raise row.error(f"the label of {model!r} must be a number or blank, and is neither")
    return number
