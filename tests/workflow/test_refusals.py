"""A disk that is full, a folder that is closed, a database that is locked: one sentence, nothing
lost, and the same command works when there is room again."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import payload, write_log
from tests.databases import damage
from tests.killing import Ended, Nursery, facts

NOBODY = 65534
COMMANDS = {
    "import": ["import", "{more}"],
    "score": ["score", "-r", "random"],
    "calibrate": ["calibrate", "-r", "random", "--strong-fraction", "0.5"],
    "activate": ["activate", "--always-weak"],
}


@pytest.fixture(scope="module")
def nursery() -> Iterator[Nursery]:
    with Nursery.opened() as opened:
        yield opened


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that another user could get into, with two logs and a database of the first."""
    made = Path(tempfile.mkdtemp(prefix="routectl-test-"))
    made.chmod(0o755)
    write_log(made / "log.jsonl", [payload(n) for n in range(2_000)])
    write_log(made / "more.jsonl", [payload(n) for n in range(2_000, 6_000)])
    yield made
    made.chmod(0o755)
    shutil.rmtree(made)


@pytest.fixture
def disk(folder: Path) -> Iterator[Path]:
    """A disk of 16 MB."""
    mounted = folder / "disk"
    mounted.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", str(mounted)],
        capture_output=True,
        check=False,
    )
    if done.returncode != 0:
        pytest.skip("only who may mount a file system can have a small disk")
    yield mounted
    subprocess.run(["umount", "--lazy", str(mounted)], check=True)


@pytest.fixture
def database(nursery: Nursery, folder: Path) -> Path:
    """A database with traffic, in a folder of its own."""
    path = folder / "data" / "routectl.db"
    path.parent.mkdir()
    assert nursery.run(["import", str(folder / "log.jsonl"), "--db", str(path)]).code == 0
    return path


def command(name: str, folder: Path, database: Path) -> list[str]:
    words = [word.format(more=folder / "more.jsonl") for word in COMMANDS[name]]
    return [*words, "--db", str(database)]


def is_one_sentence(ended: Ended, *words: str) -> None:
    assert ended.code == 1, ended.err
    assert ended.err.count("Error: ") == 1
    error = ended.err.strip().splitlines()[-1]
    assert error.startswith("Error: ")
    assert "in a way it should not" not in error
    assert any(word in error for word in words), error


def fill(disk: Path) -> Path:
    """Leave no room on a disk."""
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file:
        for size in (65_536, 512):
            try:
                while True:
                    file.write(b"x" * size)
            except OSError:
                continue
    return filler


@pytest.mark.parametrize("name", COMMANDS)
def test_a_full_disk_is_told_and_the_command_completes_when_there_is_room(
    name: str, nursery: Nursery, folder: Path, disk: Path, database: Path
) -> None:
    full = disk / "routectl.db"
    shutil.copy(database, full)
    filler = fill(disk)
    before = facts(str(database))
    is_one_sentence(nursery.run(command(name, folder, full)), "full disk", "disk error")
    filler.unlink()
    assert damage(str(full)) == []
    assert_nothing_lost(before, str(full))
    completes(nursery, name, folder, full, database)


@pytest.mark.parametrize("name", COMMANDS)
def test_a_limit_on_the_size_of_files_is_told_and_nothing_is_lost(
    name: str, nursery: Nursery, folder: Path, database: Path
) -> None:
    limited = folder / "limited" / "routectl.db"
    limited.parent.mkdir()
    shutil.copy(database, limited)
    largest = 16_000 if name == "activate" else 70_000
    before = facts(str(database))
    ended = nursery.run(command(name, folder, limited), largest_file=largest)
    is_one_sentence(ended, "full disk", "disk error", "cannot be opened")
    assert damage(str(limited)) == []
    assert_nothing_lost(before, str(limited))
    completes(nursery, name, folder, limited, database)


@pytest.mark.parametrize("closed", ["file", "folder"])
@pytest.mark.parametrize("name", COMMANDS)
def test_a_database_that_may_only_be_read_is_told(
    name: str, closed: str, nursery: Nursery, folder: Path, database: Path
) -> None:
    user = give_away(database.parent)
    before = facts(str(database))
    chmod(database, closed, 0o400, 0o500)
    ended = nursery.run(command(name, folder, database), user=user)
    chmod(database, "both", 0o600, 0o700)
    is_one_sentence(ended, "cannot be written", "cannot be opened")
    assert facts(str(database)) == before
    give_away(database.parent)
    assert nursery.run(command(name, folder, database), user=user).code == 0


def test_a_database_that_may_not_be_read_is_told(nursery: Nursery, database: Path) -> None:
    user = give_away(database.parent)
    database.chmod(0)
    is_one_sentence(nursery.run(["activate", "--db", str(database)], user=user), "cannot read")


@pytest.mark.parametrize("words", [["init"], ["import", "{log}"]])
def test_a_folder_that_no_database_can_be_made_in_is_told(
    words: list[str], nursery: Nursery, folder: Path
) -> None:
    closed = folder / "closed"
    closed.mkdir()
    user = give_away(closed)
    closed.chmod(0o500)
    arguments = [word.format(log=folder / "log.jsonl") for word in words]
    ended = nursery.run([*arguments, "--db", str(closed / "x.db")], user=user)
    is_one_sentence(ended, "permission denied")
    assert list(closed.iterdir()) == []


def test_an_export_to_a_full_disk_leaves_the_old_file(
    nursery: Nursery, disk: Path, database: Path
) -> None:
    exported = ["export", "--format", "json", "-o", str(disk / "routing.json")]
    exported += ["--db", str(database)]
    assert nursery.run(["activate", "--always-weak", "--db", str(database)]).code == 0
    assert nursery.run(exported).code == 0
    old = (disk / "routing.json").read_text()
    assert nursery.run(["activate", "--always-strong", "--db", str(database)]).code == 0
    filler = fill(disk)
    is_one_sentence(nursery.run(exported), "cannot write")
    assert (disk / "routing.json").read_text() == old
    assert {path.name for path in disk.iterdir()} == {"routing.json", "filler"}
    filler.unlink()
    assert nursery.run(exported).code == 0
    assert (disk / "routing.json").read_text() != old


def test_an_export_to_a_closed_folder_is_told(
    nursery: Nursery, folder: Path, database: Path
) -> None:
    closed = folder / "closed"
    closed.mkdir()
    user = give_away(database.parent)
    give_away(closed)
    closed.chmod(0o500)
    assert nursery.run(["activate", "--always-strong", "--db", str(database)], user=user).code == 0
    ended = nursery.run(
        ["export", "-o", str(closed / "x"), "--db", str(database), "--format", "json"], user=user
    )
    is_one_sentence(ended, "cannot write")


def test_rejects_on_a_full_disk_are_told(nursery: Nursery, folder: Path, disk: Path) -> None:
    log = folder / "damaged.jsonl"
    log.write_text((folder / "log.jsonl").read_text() + '{"cut off\n' * 20_000)
    fill(disk)
    arguments = ["import", str(log), "--rejects", str(disk / "rejects")]
    ended = nursery.run([*arguments, "--db", str(folder / "x.db")])
    is_one_sentence(ended, "the disk is full")


def test_a_migration_without_room_for_its_copy_changes_nothing(
    nursery: Nursery, disk: Path, database: Path
) -> None:
    full = disk / "routectl.db"
    assert nursery.run(["db", "downgrade", "0001", "--db", str(database)]).code == 0
    shutil.copy(database, full)
    filler = fill(disk)
    before = facts(str(database))
    ended = nursery.run(["db", "upgrade", "--db", str(full)])
    is_one_sentence(ended, "full disk", "the disk is full", "disk error")
    filler.unlink()
    assert facts(str(full)) == before
    assert list(disk.glob("*.partial")) == []
    assert nursery.run(["db", "upgrade", "--db", str(full)]).code == 0


@pytest.mark.parametrize("name", COMMANDS)
def test_a_locked_database_is_told_and_the_command_completes_when_it_is_free(
    name: str, nursery: Nursery, folder: Path, database: Path
) -> None:
    before = facts(str(database))
    other = sqlite3.connect(database, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    ended = nursery.run(command(name, folder, database))
    other.execute("ROLLBACK")
    other.close()
    is_one_sentence(ended, "is locked by another process")
    assert facts(str(database)) == before
    assert nursery.run(command(name, folder, database)).code == 0


def give_away(path: Path) -> int | None:
    """Let a user own this who, unlike root, may not do everything; returns who that is."""
    if os.geteuid() != 0:
        return None
    for inside in (path, *path.rglob("*")):
        os.chown(inside, NOBODY, NOBODY)
    return NOBODY


def chmod(database: Path, closed: str, file: int, folder: int) -> None:
    if closed in ("file", "both"):
        database.chmod(file)
    if closed in ("folder", "both"):
        database.parent.chmod(folder)


def assert_nothing_lost(before: dict[str, list[str]], url: str) -> None:
    after = facts(url)
    for table, rows in before.items():
        assert set(rows) <= set(after[table]), table


def completes(nursery: Nursery, name: str, folder: Path, again: Path, undisturbed: Path) -> None:
    """The command, run again, ends as the same command does that met no trouble."""
    for path in (again, undisturbed):
        ended = nursery.run(command(name, folder, path))
        assert ended.code == 0, ended.err
    assert facts(str(again)) == facts(str(undisturbed))
    assert damage(str(again)) == []
