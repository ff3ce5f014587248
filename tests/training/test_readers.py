"""Each shape of preference data, written to a file and read back."""

import csv
import gzip
import io
import json
from pathlib import Path

import pytest

from routectl.errors import InputError
from routectl.preferences.battles import read_battles
from routectl.preferences.gold import GoldRow, read_gold
from routectl.records import Battle, Condition


def write_csv(path: Path, rows: list[dict[str, object]]) -> Path:
    text = io.StringIO()
    writer = csv.DictWriter(text, rows[0].keys())
    writer.writeheader()
    writer.writerows(rows)
    data = text.getvalue().encode()
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return path


def write_jsonl(path: Path, rows: list[dict[str, object]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def arena_row(**changes: object) -> dict[str, object]:
    row: dict[str, object] = {
        "id": 1,
        "model_a": "gpt-4-1106-preview",
        "model_b": "vicuna-13b",
        "prompt": json.dumps(["Hello", "Now in French"]),
        "response_a": json.dumps(["Hi", "Bonjour"]),
        "response_b": json.dumps(["Hi", "Salut"]),
        "winner_model_a": 0,
        "winner_model_b": 0,
        "winner_tie": 1,
    }
    return row | changes


def test_chatbot_arena_battles_are_about_the_last_turn(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "train.csv", [arena_row()])
    expected = [Battle("Now in French", "gpt-4-1106-preview", "vicuna-13b", "tie")]
    assert list(read_battles(path)) == expected


@pytest.mark.parametrize("side", ["model_a", "model_b"])
def test_a_chatbot_arena_vote_names_its_winner(tmp_path: Path, side: str) -> None:
    path = write_csv(tmp_path / "train.csv", [arena_row(winner_tie=0, **{f"winner_{side}": 1})])
    assert [battle.winner for battle in read_battles(path)] == [side]


def test_a_chatbot_arena_prompt_without_text_is_passed_over(tmp_path: Path) -> None:
    rows = [arena_row(prompt='["", null]'), arena_row()]
    assert len(list(read_battles(write_csv(tmp_path / "train.csv", rows)))) == 1


def test_a_chatbot_arena_prompt_with_half_an_emoji_is_made_readable(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "train.csv", [arena_row(prompt='["\\ud83d oh"]')])
    assert next(read_battles(path)).prompt == "\ufffd oh"


@pytest.mark.parametrize("winner", ["model_b", "B", "small"])
def test_a_plain_battle_names_its_winner_by_side_or_by_model(tmp_path: Path, winner: str) -> None:
    row: dict[str, object] = {
        "prompt": "Hi",
        "model_a": "big",
        "model_b": "small",
        "winner": winner,
    }
    expected = [Battle("Hi", "big", "small", "model_b")]
    assert list(read_battles(write_csv(tmp_path / "own.csv.gz", [row]))) == expected
    assert list(read_battles(write_jsonl(tmp_path / "own.jsonl", [row]))) == expected


@pytest.mark.parametrize(
    ("preference", "winner"), [(1.0, "model_a"), (1.49, "model_a"), (1.5, "tie"), (1.7, "model_b")]
)
def test_alpaca_eval_preferences_with_their_prompts_beside_them(
    tmp_path: Path, preference: float, winner: str
) -> None:
    row: dict[str, object] = {"prompt_id": 7, "annotator": "x", "model_a": "big"}
    row |= {"model_b": "small", "preference": preference}
    path = write_csv(tmp_path / "alpaca.csv.gz", [row])
    write_jsonl(tmp_path / "alpaca_prompts.jsonl", [{"prompt_id": 7, "prompt": "Hi"}])
    assert list(read_battles(path)) == [Battle("Hi", "big", "small", winner)]  # type: ignore[arg-type]


def test_alpaca_eval_without_its_prompts_says_where_they_should_be(tmp_path: Path) -> None:
    row: dict[str, object] = {"prompt_id": 7, "model_a": "a", "model_b": "b", "preference": 1}
    path = write_csv(tmp_path / "alpaca.csv", [row])
    with pytest.raises(InputError, match=r"alpaca_prompts\.jsonl with their texts"):
        list(read_battles(path))


def test_alpaca_eval_annotations_leave_out_what_was_not_judged(tmp_path: Path) -> None:
    row = {"instruction": "Hi", "generator_1": "big", "generator_2": "small", "preference": 2.0}
    path = tmp_path / "annotations.json"
    path.write_text(json.dumps([row, row | {"preference": None}]))
    assert list(read_battles(path)) == [Battle("Hi", "big", "small", "model_b")]


def test_a_gold_table_with_a_column_per_model(tmp_path: Path) -> None:
    rows: list[dict[str, object]] = [
        {"domain": "x", "prompt": "Hi", "big": 1, "small": 0},
        {"domain": "y", "prompt": "Ho", "big": "", "small": 1},
    ]
    path = write_csv(tmp_path / "gold.csv.gz", rows)
    expected = [GoldRow("Hi", {"big": 1.0, "small": 0.0}), GoldRow("Ho", {"small": 1.0})]
    assert list(read_gold(path)) == expected


def test_a_gold_question_with_options_is_put_as_people_put_it(tmp_path: Path) -> None:
    row: dict[str, object] = {"question": "Which?", "options": '["this", "that"]', "big": 1}
    path = write_csv(tmp_path / "gold.csv", [row])
    assert next(read_gold(path)).prompt == "Which?\nA. this\nB. that\nAnswer:"


def test_a_gold_table_with_scores_by_model(tmp_path: Path) -> None:
    row: dict[str, object] = {"task": "t", "prompt": "Hi", "scores": {"big": 0.5, "small": 0}}
    path = write_jsonl(tmp_path / "gold.jsonl", [row])
    assert list(read_gold(path)) == [GoldRow("Hi", {"big": 0.5, "small": 0.0})]


def test_conditions_choose_the_rows(tmp_path: Path) -> None:
    rows: list[dict[str, object]] = [
        {"task": task, "prompt": task, "scores": {"big": 1}} for task in ("a", "b", "c")
    ]
    path = write_jsonl(tmp_path / "gold.jsonl", rows)

    def prompts(*conditions: Condition) -> list[str]:
        return [row.prompt for row in read_gold(path, conditions)]

    assert prompts(Condition("task", "!=", "a")) == ["b", "c"]
    assert prompts(Condition("task", "=", "a"), Condition("task", "=", "b")) == ["a", "b"]
    assert prompts(Condition("other", "!=", "a")) == ["a", "b", "c"]
    assert prompts(Condition("other", "=", "a")) == []


@pytest.mark.parametrize(
    ("name", "data", "match"),
    [
        ("missing.csv", None, "does not exist"),
        ("empty.csv", b" \n", "begins with nothing"),
        (
            "cut.csv.gz",
            gzip.compress(b"prompt,model_a\n" * 99, mtime=0)[:-20],
            "gzip data ends in the middle",
        ),
        ("binary.csv", b"\x89PNG\0\0\xff\xfe", "is a binary file"),
        ("latin.csv", b"prompt,model_a,model_b,winner\nna\xefve,y,z,tie\n", "line 2: not UTF-8"),
        ("header.csv", b"prompt,model_a,model_b,winner\n", "has a header and no rows"),
        ("other.csv", b"a,b\n1,2\n", "holds no battles: its columns are a, b"),
        (
            "short.csv",
            b"prompt,model_a,model_b,winner\nx,y\n",
            "line 2: a record of 2 cells, and the header has 4",
        ),
        ("who.csv", b"prompt,model_a,model_b,winner\nx,y,z,w\n", "line 2: column 'winner'"),
        ("blank.csv", b"prompt,model_a,model_b,winner\n,y,z,tie\n", "line 2: column 'prompt'"),
        ("bad.jsonl", b'{"prompt": \n', "line 1: not JSON"),
        ("list.json", b"[1]", "line 1: a row must be a JSON object"),
        ("quote.csv", b'prompt,model_a\n"x,y\n', "line 2: not a record of a table"),
    ],
)
def test_a_file_that_holds_no_battles_is_a_sentence(
    tmp_path: Path, name: str, data: bytes | None, match: str
) -> None:
    path = tmp_path / name
    if data is not None:
        path.write_bytes(data)
    with pytest.raises(InputError, match=match):
        list(read_battles(path))


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"winner_tie": 0}, "exactly one of winner_model_a"),
        ({"winner_tie": "yes"}, "'winner_tie' must hold a number"),
        ({"prompt": "Hello"}, "'prompt' must hold a JSON list"),
    ],
)
def test_a_damaged_arena_row_is_named(
    tmp_path: Path, changes: dict[str, object], match: str
) -> None:
    path = write_csv(tmp_path / "train.csv", [arena_row(), arena_row(**changes)])
    with pytest.raises(InputError, match=f"line 3: .*{match}"):
        list(read_battles(path))


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("a,b\n1,2\n", "holds no gold labels"),
        ("prompt,task\nx,y\n", "holds no gold labels"),
        ("prompt,big\nx,yes\n", "line 2: the label of 'big' must be a number"),
        ("prompt,big\nx,nan\n", "line 2: the label of 'big' must be a number"),
        ("question,options,big\nx,none,1\n", "line 2: column 'options'"),
        ("prompt,scores\nx,3\n", "line 2: column 'scores'"),
    ],
)
def test_a_file_that_holds_no_gold_labels_is_a_sentence(
    tmp_path: Path, text: str, match: str
) -> None:
    path = tmp_path / "gold.csv"
    path.write_text(text)
    with pytest.raises(InputError, match=match):
        list(read_gold(path))
