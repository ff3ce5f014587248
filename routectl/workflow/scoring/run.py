"""`routectl score`: what a router has not scored yet, in steps that each are kept."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version

from sqlalchemy import Connection

from routectl.extraction import EXTRACTION_VERSION
from routectl.records import Population, RouterIdentity
from routectl.routers import OpenRouter, Router, checked_scores, guarded
from routectl.store.engine import Location, Store
from routectl.store.opening import open_store
from routectl.store.scores import (
    add_router,
    add_scores,
    is_kept_at,
    router_id,
    texts,
    unscored_of,
    unscored_prompts,
)
from routectl.workflow.reporter import Reporter
from routectl.workflow.scoring.leasing import HeldLease, lease
from routectl.workflow.scoring.work import WHOLE, Work
from routectl.workflow.traffic.populations import leave_out_other_versions

Unscored = Callable[[Connection, int | None], Mapping[int, int]]
"""Characters of the prompts that a router (its id, None if it is new) has yet to score, by id, in
the order in which they are scored."""

FIRST_STEP = 64
"""Prompts of the first step; later ones are sized by the speed seen."""
SLOW_FIRST_STEP = 8
"""The same for a slow router, which says after it how long the rest will take."""
LARGEST_STEP = 4096
STEP_SECONDS = 5.0
"""How long a step should take: that much a killed run loses."""


@dataclass(frozen=True, slots=True)
class ScoringResult:
    """The result of a scoring run for one router."""

    router: RouterIdentity
    router_id: int
    scored: int
    """Prompts that it scored now."""
    longer_than_read: int
    """Of those: prompts of which the router reads only a part."""
    seconds: float
    """Of the run; routers that share vectors run side by side."""


def score(
    location: Location,
    routers: Sequence[OpenRouter],
    population: Population,
    reporter: Reporter,
) -> list[ScoringResult]:
    """Score the population's prompts with each router, as far as they are not.

    Routers that share vectors go through the prompts side by side, the others one after another.

    Raises:
        NoPromptsError: another version of the text extraction wrote all requests.
    """
    with open_store(location) as store:
        leave_out_other_versions(store, population, reporter)
        return _score_all(store, routers, _of_population(population), reporter)


def score_prompts(
    store: Store, routers: Sequence[OpenRouter], prompt_ids: Sequence[int], reporter: Reporter
) -> list[ScoringResult]:
    """Score these prompts with each router, as far as they are not: as `score`."""

    def unscored(connection: Connection, router: int | None) -> Mapping[int, int]:
        return unscored_of(connection, router, prompt_ids)

    return _score_all(store, routers, unscored, reporter)


def _of_population(population: Population) -> Unscored:
    def unscored(connection: Connection, router: int | None) -> Mapping[int, int]:
        return unscored_prompts(connection, router, population, EXTRACTION_VERSION)

    return unscored


def _score_all(
    store: Store, routers: Sequence[OpenRouter], unscored: Unscored, reporter: Reporter
) -> list[ScoringResult]:
    results: dict[int, ScoringResult] = {}
    for group in _groups(routers):
        side_by_side = [routers[position] for position in group]
        group_results = _score_side_by_side(store, side_by_side, unscored, reporter)
        results.update(zip(group, group_results, strict=True))
    return [results[position] for position in range(len(routers))]


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
    return _score_side_by_side(store, [router], _of_population(population), reporter)[0]


def _groups(routers: Sequence[OpenRouter]) -> list[list[int]]:
    """Positions of the routers that are run together: those that share vectors.

    A router that is given twice is in two groups; the second finds its prompts scored already.
    """
    groups: dict[object, list[int]] = {}
    seen: set[tuple[str, str]] = set()
    for position, router in enumerate(routers):
        identity = (router.identity.name, router.identity.fingerprint)
        alone = router.shares is None or identity in seen
        groups.setdefault(position if alone else router.shares, []).append(position)
        seen.add(identity)
    return list(groups.values())


@dataclass(slots=True)
class _Job:
    """One router's part of a run."""

    router: OpenRouter
    router_id: int | None
    missing: Mapping[int, int]
    """Characters of the prompts that it has not scored, by id."""
    moved: bool = False
    """Whether the store names another checkpoint, or none, at its fingerprint."""
    longer: int = 0

    @property
    def name(self) -> str:
        return self.router.identity.name

    @property
    def lease_name(self) -> str:
        return f"score {self.name} {self.router.identity.fingerprint}"


def _score_side_by_side(
    store: Store, routers: Sequence[OpenRouter], unscored: Unscored, reporter: Reporter
) -> list[ScoringResult]:
    """Score with routers of different identities: each step of prompts with all of them in turn."""
    started = time.monotonic()
    jobs = []
    with store.read() as connection:
        for router in routers:
            stored_id = router_id(connection, router.identity)
            missing = unscored(connection, stored_id)
            reporter.detail(f"{len(missing):,} prompts to score with {router.identity.name}")
            moved = stored_id is not None and not is_kept_at(
                connection, stored_id, router.spec.checkpoint
            )
            jobs.append(_Job(router, stored_id, missing, moved))
    pending = [job for job in jobs if job.router_id is None or job.missing or job.moved]
    # All runs take leases in one order, so that two never wait for each other.
    pending.sort(key=lambda job: job.lease_name)
    with ExitStack() as stack:
        leases = [
            stack.enter_context(lease(store, job.lease_name, f"scoring with {job.name}", reporter))
            for job in pending
        ]
        if pending:
            _score_under_leases(store, pending, leases, unscored, reporter)
    seconds = time.monotonic() - started
    results = []
    for job in jobs:
        assert job.router_id is not None
        identity = job.router.identity
        results.append(
            ScoringResult(identity, job.router_id, len(job.missing), job.longer, seconds)
        )
    return results


def _score_under_leases(
    store: Store,
    jobs: Sequence[_Job],
    leases: Sequence[HeldLease],
    unscored: Unscored,
    reporter: Reporter,
) -> None:
    with store.write() as connection:
        for job in jobs:
            job.router_id = add_router(
                connection, job.router.identity, job.router.spec, _versions()
            )
    with store.read() as connection:
        for job in jobs:
            # The run that held the lease before may have scored some of them.
            job.missing = unscored(connection, job.router_id)
    lengths = {id: length for job in jobs for id, length in job.missing.items()}
    missing = list(lengths)
    if not missing:
        return
    loaded = []
    for job in jobs:
        host = job.router.description.sends_prompts_to
        if host is not None:
            reporter.warn(f"{job.name} sends the prompts' texts to {host}")
        if job.router.description.notice is not None:
            reporter.note(job.router.description.notice)
        loaded.append(guarded(job.name, job.router.load, "when it was loaded"))
    missing_ids = [frozenset(job.missing) for job in jobs]
    label = f"scoring with {' and '.join(job.name for job in jobs)}"
    slow = any(job.router.description.slow for job in jobs)
    began, done = time.monotonic(), 0
    work = Work(list(lengths.values()), [job.router.identity for job in jobs])
    with reporter.progress(label, WHOLE) as advance:
        for step in _steps(missing, SLOW_FIRST_STEP if slow else FIRST_STEP):
            with store.read() as connection:
                text_by_id = texts(connection, step)
            for job, router, ids, held in zip(jobs, loaded, missing_ids, leases, strict=True):
                prompts = {id: text for id, text in text_by_id.items() if id in ids}
                work.saw(_score_step(store, job, router, prompts, held))
            advance(work.advance(len(step)))
            done += len(step)
            if slow and done == len(step) < len(missing):
                _say_how_long(jobs[0].name, done, len(missing), began, reporter)


def _score_step(
    store: Store, job: _Job, router: Router, prompts: Mapping[int, str], held: HeldLease
) -> list[int]:
    """Score some prompts; returns the lengths of those that the router reads only a part of."""
    if not prompts:
        return []
    win_rates, longer = checked_scores(job.name, router, list(prompts.values()))
    assert job.router_id is not None
    with store.write() as connection:
        held.confirm(connection)
        add_scores(connection, job.router_id, list(prompts), win_rates.tolist(), longer.tolist())
    job.longer += int(longer.sum())
    return [len(text) for text, cut in zip(prompts.values(), longer, strict=True) if cut]


def _say_how_long(name: str, done: int, total: int, began: float, reporter: Reporter) -> None:
    """Note how long a slow router will take for the rest, at the speed of its first step."""
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
    versions = {}
    for package in (
        "routectl",
        "numpy",
        "onnxruntime",  # which is the engine where it is installed
        "torch",
        "transformers",
        "sentence-transformers",
    ):
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            continue
    return versions
