from pathlib import Path

import pytest

from routectl.errors import CheckpointError
from routectl.routers.seen_prompts import SEEN, digests, read_learned, read_seen, seen, seen_file


def write_seen(folder: Path, prompts: list[str], *others: list[str]) -> None:
    for name, data in seen_file(prompts, [digests(each) for each in others]).items():
        (folder / name).write_bytes(data)


def test_training_prompts_are_known_again_but_for_case_and_blanks(tmp_path: Path) -> None:
    write_seen(tmp_path, ["What is  2 + 2?", "Hello", "Hello"])
    known = read_seen(tmp_path)
    assert known is not None
    assert len(known) == 2
    assert seen(["what is 2 + 2?\n", "hello there", "HELLO"], known).tolist() == [True, False, True]


def test_what_is_kept_holds_no_text(tmp_path: Path) -> None:
    write_seen(tmp_path, ["a secret question"])
    assert b"secret" not in (tmp_path / SEEN).read_bytes()


def test_a_folder_that_does_not_say_knows_nothing(tmp_path: Path) -> None:
    assert read_seen(tmp_path) is None
    assert read_seen(None) is None


def test_a_damaged_list_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / SEEN).write_bytes(b"damaged")
    with pytest.raises(CheckpointError, match="is damaged"):
        read_seen(tmp_path)


def test_an_ensemble_has_seen_what_its_members_have_seen(tmp_path: Path) -> None:
    write_seen(tmp_path, ["own"], ["a member's", "own"])
    known = read_seen(tmp_path)
    assert known is not None
    assert seen(["own", "a member's", "new"], known).tolist() == [True, True, False]


def test_what_was_held_out_has_been_seen_and_not_learned_from(tmp_path: Path) -> None:
    held_out = digests(["measured"])
    for name, data in seen_file(["learned", "measured"], held_out=held_out).items():
        (tmp_path / name).write_bytes(data)
    known, learned = read_seen(tmp_path), read_learned(tmp_path)
    assert known is not None
    assert learned is not None
    assert seen(["learned", "measured", "new"], known).tolist() == [True, True, False]
    assert seen(["learned", "measured", "new"], learned).tolist() == [True, False, False]


def test_a_list_of_before_that_was_kept_does_not_say_what_was_learned(tmp_path: Path) -> None:
    write_seen(tmp_path, ["either"])
    assert read_learned(tmp_path) is None
