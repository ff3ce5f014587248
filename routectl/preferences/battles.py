"""Readers of battles: which of two models answered a prompt better.

Four shapes, told apart by their columns:

- Chatbot Arena's 55k set: `model_a, model_b, prompt` (a JSON list of turns) and
  `winner_model_a, winner_model_b, winner_tie`
- plain: `prompt, model_a, model_b, winner`
- AlpacaEval, long form: `prompt_id, model_a, model_b, preference`, with the prompts in a file
  `<name>_prompts.jsonl` next to it
- AlpacaEval's annotations: `instruction, generator_1, generator_2, preference`
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from routectl.errors import InputError
from routectl.escaping import quoted_names
from routectl.extraction import extract
from routectl.records import Battle, Condition, Winner
from routectl.tables import Row, keep, read_rows

BattleReader = Callable[[Row], Battle | None]
"""Reads a row as a battle; None where a router can learn nothing from it. Raises RowError."""


def read_battles(path: Path, conditions: Sequence[Condition] = ()) -> Iterator[Battle]:
    """The battles of a file whose rows meet the conditions; its shape is told by its columns.

    A prompt is what a router would score of it: of several turns the last one that a human wrote.

    Raises:
        InputError: no such file, none of the shapes, or a row that cannot be read.
    """
    columns, rows = read_rows(path)
    reader = battle_reader(path, columns)
    if reader is None:
        raise InputError(no_battles(path, columns))
    battles = (reader(row) for row in rows if keep(row, conditions))
    return (battle for battle in battles if battle is not None)


def battle_reader(path: Path, columns: Sequence[str]) -> BattleReader | None:
    """The reader for the rows of a file with these columns; None where no shape fits.

    Raises:
        InputError: the file of prompts that belongs to it cannot be read.
    """
    for needed, make in _SHAPES:
        if needed.issubset(columns):
            return make(path)
    return None


def no_battles(path: Path, columns: Sequence[str]) -> str:
    """The sentence about a file that has none of the shapes."""
    return (
        f"{path} holds no battles: its columns are {quoted_names(columns, 8)}, and battles have "
        "prompt, model_a, model_b, winner; or the columns of Chatbot Arena or AlpacaEval."
    )


_SIDES: tuple[Winner, ...] = ("model_a", "model_b", "tie")


def _arena(row: Row) -> Battle | None:
    votes = [row.number(f"winner_{side}") for side in _SIDES]
    if sorted(votes) != [0, 0, 1]:
        raise row.error("exactly one of winner_model_a, winner_model_b, winner_tie must be 1")
    winner = _SIDES[votes.index(1)]
    try:
        turns = json.loads(row.text("prompt"))
    except (ValueError, RecursionError):
        raise row.error("column 'prompt' must hold a JSON list of turns") from None
    prompt = extract(turns)
    # A vote on an empty prompt says nothing that a router could learn from.
    if prompt is None:
        return None
    return Battle(prompt, row.text("model_a"), row.text("model_b"), winner)


_WINNERS: dict[str, Winner] = {
    "model_a": "model_a",
    "model_b": "model_b",
    "tie": "tie",
    "a": "model_a",
    "b": "model_b",
    "tie (bothbad)": "tie",
}


def _plain(row: Row) -> Battle:
    label, model_a, model_b = (row.text(k) for k in ("winner", "model_a", "model_b"))
    by_name: dict[str, Winner] = {model_a: "model_a", model_b: "model_b"}
    winner = _WINNERS.get(label.strip().lower()) or by_name.get(label)
    if winner is None:
        raise row.error("column 'winner' must be model_a, model_b, tie, or a model's name")
    return Battle(_prompt(row, "prompt"), model_a, model_b, winner)


def _alpaca(path: Path) -> BattleReader:
    prompts = read_sibling_prompts(path)

    def read(row: Row) -> Battle | None:
        if not _is_judged(row):
            return None
        key = str(row.values["prompt_id"])
        if key not in prompts:
            raise row.error("its prompt_id is not in the prompts file next to it")
        return Battle(prompts[key], row.text("model_a"), row.text("model_b"), _preferred(row))

    return read


def _alpaca_annotations(row: Row) -> Battle | None:
    if not _is_judged(row):
        return None
    models = (row.text("generator_1"), row.text("generator_2"))
    return Battle(_prompt(row, "instruction"), *models, _preferred(row))


_SHAPES: tuple[tuple[frozenset[str], Callable[[Path], BattleReader]], ...] = (
    (
        frozenset(
            ["prompt", "model_a", "model_b", "winner_model_a", "winner_model_b", "winner_tie"]
        ),
        lambda path: _arena,
    ),
    (frozenset(["prompt", "model_a", "model_b", "winner"]), lambda path: _plain),
    (frozenset(["prompt_id", "model_a", "model_b", "preference"]), _alpaca),
    (
        frozenset(["instruction", "generator_1", "generator_2", "preference"]),
        lambda path: _alpaca_annotations,
    ),
)


def _is_judged(row: Row) -> bool:
    """An annotator that failed leaves the preference blank."""
    return row.values.get("preference") not in (None, "")


def _preferred(row: Row) -> Winner:
    """AlpacaEval's preference runs from 1 (the first model) to 2; 0 and 1.5 are ties."""
    preference = row.number("preference")
    if preference in (0, 1.5):
        return "tie"
    if not 1 <= preference <= 2:
        raise row.error("column 'preference' must lie between 1 and 2")
    return "model_b" if preference > 1.5 else "model_a"


def _prompt(row: Row, column: str) -> str:
    prompt = extract(row.text(column))
    if prompt is None:
        raise row.error(f"column {column!r} must hold text and does not")
    return prompt


def sibling_of(path: Path) -> Path:
    """Path of the file with the prompts that `<name>.csv[.gz]` names by id."""
    stem = path.name.removesuffix(".gz").rsplit(".", 1)[0]
    return path.with_name(f"{stem}_prompts.jsonl")


def read_sibling_prompts(path: Path) -> Mapping[str, str]:
    """Prompt id -> prompt, from `<name>_prompts.jsonl` next to the file `<name>.csv[.gz]`."""
    plain = sibling_of(path)
    candidates = (plain, plain.with_name(f"{plain.name}.gz"))
    prompts_path = next((candidate for candidate in candidates if candidate.is_file()), None)
    if prompts_path is None:
        raise InputError(
            f"{path} names its prompts by prompt_id, and {plain} with their texts is not there; "
            "put the prompts file next to it."
        )
    _, rows = read_rows(prompts_path)
    return {str(row.values.get("prompt_id")): _prompt(row, "prompt") for row in rows}
