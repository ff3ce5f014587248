"""Every command explains itself, quickly, and the reference says the same."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from routectl.cli.app import routectl as group
from tests.conftest import Routectl

ROOT = Path(__file__).resolve().parents[2]


def commands(command: click.Command, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            child = command.get_command(context, name)
            assert child is not None
            yield (*path, name)
            yield from commands(child, (*path, name))


# Groups print nothing themselves, and a completion script is for a shell.
NO_JSON = {
    (name,)
    for name in (
        *("route", "routers", "db", "train", "battles", "completion", "evaluations", "samples"),
    )
}


@pytest.mark.parametrize("path", list(commands(group)), ids=" ".join)
def test_every_command_s_help_shows_an_example(routectl: Routectl, path: tuple[str, ...]) -> None:
    result = routectl(*path, "--help")
    assert result.code == 0
    assert "Example" in result.out
    assert f"routectl {' '.join(path[:1])}" in result.out.split("Example")[1]


@pytest.mark.parametrize(
    "path",
    [p for p in commands(group) if p not in NO_JSON],
    ids=" ".join,
)
def test_every_command_speaks_json(routectl: Routectl, path: tuple[str, ...]) -> None:
    assert "--json" in routectl(*path, "--help").out


def test_the_reference_page_is_what_the_commands_say() -> None:
    spec = importlib.util.spec_from_file_location("reference", ROOT / "docs" / "make_reference.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    written = (ROOT / "docs" / "reference.md").read_text(encoding="utf-8")
    assert written == module.reference(), "run `make docs`"


def test_the_json_page_is_what_the_commands_print() -> None:
    spec = importlib.util.spec_from_file_location("json_guide", ROOT / "docs" / "json_guide.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["json_guide"] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    written = (ROOT / "docs" / "json.md").read_text(encoding="utf-8")
    assert written == module.json_page(), "run `make docs`"


@pytest.mark.parametrize("arguments", [["--help"], ["calibrate", "--help"], ["--version"]])
def test_help_imports_nothing_heavy(arguments: list[str]) -> None:
    code = (
        "import sys; from routectl.cli.app import run; run(sys.argv[1:]); "
        "heavy = {'torch', 'numpy', 'scipy', 'sqlalchemy', 'alembic', 'transformers', 'orjson'}; "
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == "[]"
