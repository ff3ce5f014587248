"""The models and the judge that commands ask: a real server, and little patience with it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from routectl.endpoint import OPENAI_KEY, Patience
from routectl.workflow.judging import setup
from tests.chat_server import Server

QUICK = Patience(request=60, first_delay=0.02, longest_delay=0.05, attempts=4, total=300)


@pytest.fixture
def quick_models(monkeypatch: pytest.MonkeyPatch) -> None:
    """Short waits, and no key but what a test sets."""
    for name in (setup.JUDGE_KEY, setup.MODELS_KEY, OPENAI_KEY):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(setup, "PATIENCE", QUICK)


@pytest.fixture
def server() -> Iterator[Server]:
    with Server().started() as running:
        yield running
