"""Outputs: what is refused, what is replaced, and what is left of a write that fails."""

from __future__ import annotations

import gzip
import os
import socket
import sqlite3
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from routectl.errors import InputError, UsageError
from routectl.output import (
    PUBLIC,
    Output,
    append_line,
    check_new_folder,
    keep_copy,
    new_file,
    open_kept,
    own_folder,
)

OURS = b"ours: "


def output(path: Path, **changes: object) -> Output:
    return Output(
        path=path,
        option="--output",
        is_ours=lambda head: head.startswith(OURS),
        **changes,  # type: ignore[arg-type]
    )


@pytest.fixture
def database(tmp_path: Path) -> Path:
    path = tmp_path / "own.db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE kept (id)")
    return path


def fifo(path: Path) -> None:
    os.mkfifo(path)


def unix_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        os.chdir(path.parent)  # a socket's path holds at most 107 bytes
        listener.bind(path.name)


def device(path: Path) -> None:
    try:
        os.mknod(path, stat.S_IFCHR | 0o666, os.makedev(1, 3))
    except PermissionError:
        pytest.skip("only the administrator makes devices")


@pytest.mark.parametrize("force", [False, True])
@pytest.mark.parametrize("make", [fifo, unix_socket, device, Path.mkdir])
def test_what_is_no_plain_file_is_refused_and_stays(
    make: Callable[[Path], None], force: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "there"
    make(path)
    before = path.lstat()
    with pytest.raises(UsageError, match="name a file"):
        output(path, force=force).write(b"new")
    assert os.path.samestat(path.lstat(), before)
    assert [p.name for p in tmp_path.iterdir()] == ["there"]


@pytest.mark.parametrize("target", ["there", "nowhere", "link"])
def test_nothing_is_written_through_a_link(target: str, tmp_path: Path) -> None:
    (tmp_path / "there").write_bytes(OURS)
    (tmp_path / "link").symlink_to(target)
    with pytest.raises(UsageError, match="symbolic link"):
        output(tmp_path / "link", force=True).write(b"new")
    assert (tmp_path / "there").read_bytes() == OURS
    assert (tmp_path / "link").is_symlink()
    assert not (tmp_path / "nowhere").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only the administrator gives links away")
def test_nothing_is_written_below_a_link_of_another_user(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to("folder")
    output(tmp_path / "link" / "new").write(b"own link")
    os.lchown(tmp_path / "link", 65534, 65534)
    with pytest.raises(UsageError, match="a symbolic link of another user"):
        output(tmp_path / "link" / "new", force=True).write(b"new")
    assert (tmp_path / "folder" / "new").read_bytes() == b"own link"
    with pytest.raises(UsageError, match="a symbolic link of another user"):
        check_new_folder(tmp_path / "link" / "checkpoint", "--output")


@pytest.mark.parametrize("suffix", ["", "-wal", "-shm", "-journal"])
@pytest.mark.parametrize("is_named", [True, False])
def test_a_database_and_its_companions_are_refused_under_every_name(
    suffix: str, is_named: bool, database: Path, tmp_path: Path
) -> None:
    before = database.read_bytes()
    path = Path(f"{database}{suffix}")
    named = database if is_named else None
    for spelled in (path, tmp_path / "." / ".." / tmp_path.name / path.name):
        with pytest.raises(UsageError, match="name another file"):
            output(spelled, database=named, force=True).write(b"new")
    assert database.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == [database.name]


def test_a_database_that_is_not_there_yet_is_refused_too(tmp_path: Path) -> None:
    path = tmp_path / "new.db"
    with pytest.raises(UsageError, match="would overwrite the database"):
        output(path, database=path, force=True).check()


def test_an_input_is_refused_under_every_name(tmp_path: Path, database: Path) -> None:
    source = tmp_path / "source"
    source.write_bytes(OURS)
    (tmp_path / "hard").hardlink_to(source)
    (tmp_path / "hard.db").hardlink_to(database)
    for name in ("source", "hard"):
        with pytest.raises(UsageError, match="is an input"):
            output(tmp_path / name, inputs=[source], force=True).write(b"new")
    (tmp_path / "linked").symlink_to("source")
    with pytest.raises(UsageError, match="is an input"):
        output(source, inputs=[tmp_path / "linked"], force=True).write(b"new")
    with pytest.raises(UsageError, match="database"):
        output(tmp_path / "hard.db", database=database, force=True).write(b"new")
    assert source.read_bytes() == OURS


def test_a_file_that_another_wrote_is_replaced_only_when_told_to(tmp_path: Path) -> None:
    path = tmp_path / "there"
    path.write_bytes(b"mine")
    with pytest.raises(UsageError, match="add --force"):
        output(path).write(OURS)
    assert path.read_bytes() == b"mine"
    output(path, force=True).write(OURS + b"1")
    output(path).write(OURS + b"2")
    assert path.read_bytes() == OURS + b"2"
    path.write_bytes(b"")
    output(path).write(OURS + b"an empty file holds nothing to lose")


def test_a_file_made_meanwhile_is_not_replaced(tmp_path: Path) -> None:
    path = tmp_path / "new"
    writing = output(path).writing()
    write = writing.__enter__()
    write(OURS)
    path.write_bytes(b"mine")
    with pytest.raises(UsageError, match="add --force"):
        writing.__exit__(None, None, None)
    assert path.read_bytes() == b"mine"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("was_there", [True, False])
def test_nothing_to_write_changes_nothing(was_there: bool, tmp_path: Path) -> None:
    path = tmp_path / "file"
    if was_there:
        path.write_bytes(OURS)
    with output(path).writing() as write:
        write(b"")
    assert [(p.name, p.read_bytes()) for p in tmp_path.iterdir()] == [("file", OURS)] * was_there


@pytest.mark.parametrize("keeps_part", [True, False])
def test_of_a_write_that_fails_only_wanted_parts_are_left(keeps_part: bool, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(OURS)
    writing = output(path, keeps_part=keeps_part).writing()
    write = writing.__enter__()
    write(OURS + b"part")
    assert not writing.__exit__(ZeroDivisionError, ZeroDivisionError(), None)
    assert path.read_bytes() == (OURS + b"part" if keeps_part else OURS)
    assert list(tmp_path.iterdir()) == [path]


def test_while_it_is_written_it_has_a_random_name_and_is_its_owner_s_alone(tmp_path: Path) -> None:
    path, names = tmp_path / "file", set[str]()
    for _ in range(2):
        with output(path, mode=PUBLIC, force=True).writing() as write:
            write(b"1")
            (partial,) = (p for p in tmp_path.iterdir() if p != path)
            names.add(partial.name)
            assert stat.S_IMODE(partial.stat().st_mode) == 0o600
    assert len(names) == 2
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    path.chmod(0o640)
    output(path, mode=PUBLIC, force=True).write(b"1")
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    output(path, force=True).write(b"1")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_name_in_gz_is_gzipped_and_equal_contents_are_equal_files(tmp_path: Path) -> None:
    for name in ("a.gz", "b.gz"):
        output(tmp_path / name).write(b"text")
    assert gzip.decompress((tmp_path / "a.gz").read_bytes()) == b"text"
    assert (tmp_path / "a.gz").read_bytes() == (tmp_path / "b.gz").read_bytes()


@pytest.mark.parametrize("name", ["no/file", "file/below", "n" * 300])
def test_a_path_that_cannot_be_written_is_a_sentence(name: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(InputError, match="cannot write --output"):
        output(tmp_path / name).check()
    with pytest.raises(InputError, match="cannot write --output"):
        output(tmp_path / name).write(b"x")


def test_a_loop_of_links_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(UsageError, match="symbolic link"):
        output(tmp_path / "loop").check()
    with pytest.raises(InputError, match="cannot write --output"):
        output(tmp_path / "loop" / "file").check()


def test_a_dash_names_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match="names no file"):
        output(Path("-")).check()
    assert list(tmp_path.iterdir()) == []


def test_copies_take_the_first_free_name(tmp_path: Path) -> None:
    names = [tmp_path / name for name in ("1", "2", "3")]
    (tmp_path / "1").write_text("older")
    (tmp_path / "2").symlink_to("nowhere")
    assert keep_copy(lambda path: path.write_text("new") and None, names) == tmp_path / "3"
    assert (tmp_path / "1").read_text() == "older"
    assert (tmp_path / "3").read_text() == "new"
    assert stat.S_IMODE((tmp_path / "3").stat().st_mode) == 0o600
    assert not (tmp_path / "nowhere").exists()


def test_kept_work_is_never_reached_through_a_link(tmp_path: Path) -> None:
    (tmp_path / "victim").write_text("mine")
    (tmp_path / "link").symlink_to("victim")
    os.mkfifo(tmp_path / "pipe")
    for name in ("link", "pipe"):
        with pytest.raises(OSError, match=r"links|plain file"):
            open_kept(tmp_path / name)
    (tmp_path / "folder").mkdir()
    (tmp_path / "away").symlink_to("folder")
    with pytest.raises(OSError, match="symbolic link"):
        own_folder(tmp_path / "away")
    assert (tmp_path / "victim").read_text() == "mine"


def test_what_a_killed_process_left_is_removed_and_what_another_one_writes_stays(
    tmp_path: Path,
) -> None:
    abandoned = tmp_path / f".routectl-{'0' * 16}.partial"
    abandoned.write_bytes(b"half")
    foreign = tmp_path / ".routectl-notes.partial"
    foreign.write_bytes(b"of somebody else")
    in_use, file = new_file(tmp_path)
    with file:
        path, other = new_file(tmp_path)
        other.close()
        assert sorted(tmp_path.iterdir()) == sorted((foreign, in_use, path))


def test_a_line_that_a_full_disk_cuts_off_is_an_error_and_spoils_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = tmp_path / "log.jsonl"
    append_line(log, b'{"n": 1}\n')
    with monkeypatch.context() as full:
        write = os.write
        full.setattr(os, "write", lambda descriptor, data: write(descriptor, data[:5]))
        with pytest.raises(OSError, match="No space left"):
            append_line(log, b'{"n": 2}\n')
    for number in (3, 4):
        append_line(log, b'{"n": %d}\n' % number)
    assert log.read_bytes() == b'{"n": 1}\n{"n":\n{"n": 3}\n{"n": 4}\n'
