"""Directories and patterns name the files of an import."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from routectl.errors import InputError
from routectl.traffic import ImportCounts, find_sources, open_source, read, sniff

from .conftest import payload
from .renderings import lines


@pytest.fixture
def logs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with logs of two days, and one log beside them."""
    monkeypatch.chdir(tmp_path)
    for name in ("logs/02/b.jsonl", "logs/01/b.jsonl", "logs/01/a.jsonl", "logs/00.jsonl", "x.csv"):
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_text("Hi\n")
    return tmp_path


IN_ORDER = ["logs/00.jsonl", "logs/01/a.jsonl", "logs/01/b.jsonl", "logs/02/b.jsonl"]


@pytest.mark.parametrize(
    ("paths", "expected"),
    [
        (["x.csv"], ["x.csv"]),
        (["-"], ["-"]),
        (["logs"], IN_ORDER),
        (["logs/"], IN_ORDER),
        (["x.csv", "-", "logs/01"], ["x.csv", "-", *IN_ORDER[1:3]]),
        (["logs/*.jsonl"], ["logs/00.jsonl"]),
        (["logs/*/b.jsonl"], ["logs/01/b.jsonl", "logs/02/b.jsonl"]),
        (["logs/0[02]*"], ["logs/00.jsonl", "logs/02/b.jsonl"]),
        (["logs/**/*.jsonl"], IN_ORDER),
        (["logs/**"], IN_ORDER),
        (["logs/*"], IN_ORDER),
        (["logs/0?/a*"], ["logs/01/a.jsonl"]),
        (["logs/02/b.jsonl", "logs", "x.csv", "x.*"], ["logs/02/b.jsonl", *IN_ORDER[:3], "x.csv"]),
    ],
)
@pytest.mark.usefixtures("logs")
def test_paths_stand_for_files_in_the_order_of_names(paths: list[str], expected: list[str]) -> None:
    found = find_sources(paths)
    assert [os.path.normpath(path) for path in found] == expected


@pytest.mark.usefixtures("logs")
def test_a_name_that_exists_is_no_pattern() -> None:
    Path("log[1].jsonl").write_text("Hi\n")
    Path("log1.jsonl").write_text("Hi\n")
    assert find_sources(["log[1].jsonl"]) == ["log[1].jsonl"]
    Path("log[1].jsonl").unlink()
    assert find_sources(["log[1].jsonl"]) == ["log1.jsonl"]


@pytest.mark.usefixtures("logs")
def test_hidden_files_are_passed_over_unless_they_are_named() -> None:
    for name in ("logs/.swp", ".git/config"):
        Path(name).parent.mkdir(exist_ok=True)
        Path(name).write_text("Hi\n")
    assert find_sources(["logs", "**"]) == [*IN_ORDER, "x.csv"]
    assert find_sources(["logs/.swp"]) == ["logs/.swp"]


def test_what_is_no_file_in_a_directory_is_passed_over_and_told(logs: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("logs/socket")
        os.mkfifo("logs/pipe")
        Path("logs/dangling").symlink_to(logs / "gone")
        Path("logs/loop").symlink_to(logs / "logs")
        Path("logs/circle").symlink_to("circle")
        Path("logs/empty").touch()
        Path("logs/linked.jsonl").symlink_to(logs / "x.csv")
        told: list[str] = []
        assert find_sources(["logs"], on_skip=told.append) == [*IN_ORDER, "logs/linked.jsonl"]
    assert told == [
        "logs/circle is no file and was passed over",
        "logs/dangling is no file and was passed over",
        "logs/empty is empty and was passed over",
        "logs/loop is a link to a directory and was passed over",
        "logs/pipe is no file and was passed over",
        "logs/socket is no file and was passed over",
    ]


def test_a_directory_that_cannot_be_listed_keeps_nobody_from_the_others(
    logs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Root, as whom tests may run, can list everything.
    listed = os.scandir

    def scandir(path: str) -> Iterator[os.DirEntry[str]]:
        if os.path.basename(path) == "01":  # noqa: PTH119
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        return listed(path)

    monkeypatch.setattr(os, "scandir", scandir)
    told: list[str] = []
    for path in ("logs", "logs/**"):
        assert find_sources([path], on_skip=told.append) == [IN_ORDER[0], IN_ORDER[3]]
    assert set(told) == {"logs/01 cannot be listed (Permission denied) and was passed over"}
    with pytest.raises(InputError, match="logs/01 cannot be listed: Permission denied"):
        find_sources(["logs/01"])


@pytest.mark.usefixtures("logs")
def test_a_pipe_or_a_socket_that_is_named_is_left_to_who_opens_it() -> None:
    os.mkfifo("pipe")
    assert find_sources(["pipe"]) == ["pipe"]
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("socket")
        assert find_sources(["socket"]) == ["socket"]
        with pytest.raises(InputError, match="socket cannot be opened"):
            open_source("socket")


@pytest.mark.parametrize(
    ("path", "sentence"),
    [
        ("", "the name of a file to read is empty"),
        ("gone", "gone does not exist"),
        ("gone/*.jsonl", "No file matches gone"),
        ("logs/*.csv", "No file matches logs"),
        ("hollow", "hollow is a directory without a file"),
        ("hollow*", "No file matches hollow"),
    ],
)
@pytest.mark.usefixtures("logs")
def test_what_names_no_file_is_told(path: str, sentence: str) -> None:
    Path("hollow").mkdir()
    with pytest.raises(InputError, match=sentence):
        find_sources(["x.csv", path])


def test_one_half_written_object_among_many_files_is_one_reject(tmp_path: Path) -> None:
    for number in range(3):
        (tmp_path / f"{number}.json").write_bytes(lines([payload(str(number), id=str(number))]))
    (tmp_path / "1.json").write_bytes(lines([payload("1")])[:100])
    counts, rejects, texts, name = ImportCounts(), [], [], None
    for path in find_sources([str(tmp_path)]):
        with open_source(path) as source:
            name = sniff(source.head(), name=source.name, fallback=name)
            reading = read(
                source, format=name, on_reject=rejects.append, counts=counts, alone=False
            )
            texts += [request.text for request in reading]
    assert texts == ["0", "2"]
    assert [(Path(reject.source).name, reject.line) for reject in rejects] == [("1.json", 1)]
