"""The prompts that are judged: of files, or of the traffic in the store."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from routectl.errors import InputError
from routectl.extraction import EXTRACTION_VERSION
from routectl.judging.prompts import draw, read_prompts
from routectl.records import Population
from routectl.store.engine import Location
from routectl.store.opening import open_store
from routectl.store.scores import texts, unscored_prompts
from routectl.workflow.reporter import Reporter
from routectl.workflow.traffic.populations import leave_out_other_versions


def file_prompts(paths: Sequence[Path], sample: int | None, seed: int) -> list[str]:
    """The distinct prompts of files, or a sample of them; see `prompts.read_prompts`."""
    return draw(read_prompts(paths), sample, seed)


def population_prompts(
    location: Location,
    population: Population,
    sample: int | None,
    seed: int,
    reporter: Reporter,
) -> list[str]:
    """The distinct prompts of a population, or a sample of them, whatever their frequency.

    Raises:
        InputError: there are none, or another version of the text extraction wrote them all.
    """
    with open_store(location) as store:
        leave_out_other_versions(store, population, reporter)
        with store.read() as connection:
            # Of no router, so of all prompts that have a text.
            ids = list(unscored_prompts(connection, None, population, EXTRACTION_VERSION))
            text_by_id = texts(connection, ids)
    if not text_by_id:
        raise InputError(f"{location} holds no request of this population that has a prompt")
    return draw(text_by_id.values(), sample, seed)
