"""Prompts, and the command line that asks it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.chat_server import PAIR_AND_PRICES, Server
from tests.conftest import Result, Routectl

PROMPTS = [f"question {n}{(' weak', ' tie', '')[n % 3]}" for n in range(6)]

Judge = Callable[..., Result]


@pytest.fixture(autouse=True)
def _quick(quick_models: None) -> None: ...


@pytest.fixture
def prompts(tmp_path: Path) -> Path:
    return write_prompts(tmp_path / "prompts.jsonl", PROMPTS)


@pytest.fixture
def output(tmp_path: Path) -> Path:
    return tmp_path / "judged.jsonl"


def write_prompts(path: Path, texts: list[str]) -> Path:
    path.write_text("".join(json.dumps({"prompt": text}) + "\n" for text in texts))
    return path


def arguments(server: Server, output: Path) -> list[str]:
    return [*PAIR_AND_PRICES, "--endpoint", server.url, "--output", str(output)]


@pytest.fixture
def judge(routectl: Routectl, server: Server, prompts: Path, output: Path) -> Judge:
    """Run `battles judge` on the prompts."""

    def call(*more: object, yes: bool = True, files: tuple[Path, ...] = (prompts,)) -> Result:
        given = arguments(server, output)
        return routectl("battles", "judge", *files, *given, *more, *(["--yes"] if yes else []))

    return call


def rows(output: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in output.read_text().splitlines()]
