"""`routectl score`: what a router has not scored yet, in steps that each are kept."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version

from routectl.extraction import EXTRACTION_VERSION
from routectl.records import Population, RouterIdentity
from routectl.routers import OpenRouter, Router, checked_scores, guarded
from routectl.store.engine import Location, Store, open_store
from routectl.store.scores import add_router, add_scores, router_id, texts, unscored_prompts
from routectl.workflow.leasing import HeldLease, lease
from routectl.workflow.reporter import Reporter

FIRST_STEP = 64
"""Prompts of the first step; later ones are sized by the speed seen."""
SLOW_FIRST_STEP = 8
"""The same for a slow router, which says after it how long the rest will take."""
LARGEST_STEP = 4096
STEP_SECONDS = 5.0
"""How long a step should take: that much a killed run loses."""


@dataclass(frozen=True, slots=True)
class ScoringResult:
    """What a scoring run did."""

    router: RouterIdentity
    router_id: int
    scored: int
    """Prompts that it scored now."""
    longer_than_read: int
    """Of those: prompts of which the router reads only a part."""
    seconds: float


def score(
    location: Location,
    routers: Sequence[OpenRouter],
    population: Population,
    reporter: Reporter,
) -> list[ScoringResult]:
    """Score the population's prompts with each router, as far as they are not."""
    with open_store(location) as store:
        return [score_missing(store, router, population, reporter) for router in routers]


def score_missing(
    store: Store, router: OpenRouter, population: Population, reporter: Reporter
) -> ScoringResult:
    """Score what this router has not scored of a population.

    A run that is stopped keeps the steps that were finished, and the next one goes on from
    there. A second run of the same router waits until the first is done.

    Raises:
        RouterError: the router returned something that is no strong win rate.
        StoreError: among others, its lease was lost to another run.
        EmbeddingError: its embedder is remote and does not answer as it should.
    """
    identity = router.identity
    started = time.monotonic()
    with store.read() as connection:
        known = router_id(connection, identity)
        missing = unscored_prompts(connection, known, population, EXTRACTION_VERSION)
    reporter.detail(f"{len(missing):,} prompts to score with {identity.name}")
    if known is not None and not missing:
        return ScoringResult(identity, known, 0, 0, time.monotonic() - started)
    work = f"scoring with {identity.name}"
    with lease(store, f"score {identity.name} {identity.fingerprint}", work, reporter) as held:
        with store.write() as connection:
            known = add_router(connection, identity, _versions())
        with store.read() as connection:
            # Whoever held the lease before may have scored some of them.
            missing = unscored_prompts(connection, known, population, EXTRACTION_VERSION)
        longer = 0
        if missing:
            host = router.description.sends_prompts_to
            if host is not None:
                reporter.note(f"{identity.name} sends the prompts' texts to {host}")
            if router.description.notice is not None:
                reporter.note(router.description.notice)
            loaded = guarded(identity.name, router.load, "when it was loaded")
            slow = router.description.slow
            first = SLOW_FIRST_STEP if slow else FIRST_STEP
            began, done = time.monotonic(), 0
            with reporter.progress(work, len(missing)) as advance:
                for step in _steps(missing, first):
                    longer += _score_step(store, identity.name, loaded, known, step, held)
                    advance(len(step))
                    done += len(step)
                    if slow and done == len(step) < len(missing):
                        _say_how_long(identity.name, done, len(missing), began, reporter)
    return ScoringResult(identity, known, len(missing), longer, time.monotonic() - started)


def _score_step(
    store: Store,
    name: str,
    router: Router,
    router_id: int,
    prompt_ids: Sequence[int],
    held: HeldLease,
) -> int:
    with store.read() as connection:
        found = texts(connection, prompt_ids)
    ids, prompts = list(found), list(found.values())
    win_rates, longer = checked_scores(name, router, prompts)
    with store.write() as connection:
        held.confirm(connection)
        add_scores(connection, router_id, ids, win_rates.tolist(), longer.tolist())
    return int(longer.sum())


def _say_how_long(name: str, done: int, total: int, began: float, reporter: Reporter) -> None:
    """Of a slow router: how long the rest will take at the speed of its first step."""
    seconds = (time.monotonic() - began) / done
    left = (total - done) * seconds
    shown = f"{left:,.0f} seconds" if left < 120 else f"{left / 60:,.0f} minutes"
    reporter.note(
        f"{name} takes {seconds:.2g} s a prompt here, so the other {total - done:,} take about "
        f"{shown}; a run that is stopped keeps what it scored"
    )


def _steps(prompt_ids: Sequence[int], first: int) -> Iterator[Sequence[int]]:
    """Parts that take about `STEP_SECONDS` each, by the speed of the one before."""
    size, start = first, 0
    while start < len(prompt_ids):
        began = time.monotonic()
        step = prompt_ids[start : start + size]
        yield step
        start += len(step)
        speed = len(step) / max(time.monotonic() - began, 1e-3)
        size = min(LARGEST_STEP, max(1, min(4 * size, round(speed * STEP_SECONDS))))


def _versions() -> dict[str, str]:
    """Library versions that may move a score within its noise."""
    found = {}
    for package in ("routectl", "numpy", "torch", "transformers", "sentence-transformers"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found
