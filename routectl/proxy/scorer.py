"""One router in a thread of its own, which scores what has come in together."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from routectl.errors import RouterError
from routectl.policy import PinnedRouter
from routectl.proxy.bundle import Bundle
from routectl.routers import Router, checked_scores, open_spec

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

AT_ONCE = 32
"""Prompts of a batch at most: more gain nothing and let the first of them wait."""

_MEASURED = 20
_FULL_LENGTH = "How many of these words does a router read before it stops? " * 60
"""Longer than any shipped router reads: what takes it the longest. A batch has no more text than
this, and so is done as soon: its prompts get their scores together, and the deadline is a few times
what this takes."""


@runtime_checkable
class HasLinearFeatures(Protocol):
    """A router whose logit is linear in something."""

    def linear_features(self, prompts: Sequence[str]) -> NDArray[np.float64]:
        """Shape (n, W)."""


@dataclass(frozen=True, slots=True)
class _Job:
    prompt: str
    future: Future[float] = field(default_factory=Future)


class Scorer:
    """Scores prompts one after the other, off the event loop."""

    def __init__(self, name: str, router: Router) -> None:
        """Start the thread; `close` ends it."""
        self.name = name
        """The router's."""
        self.noise = router.identity.noise
        self._router = router
        self._lock = threading.Lock()
        """A router computes one batch at a time."""
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self.slowest_seconds = self._measure()
        """What a prompt of full length takes: the largest of twenty, about the 99th percentile."""
        self._thread = threading.Thread(target=self._run, name=f"routectl-{name}", daemon=True)
        self._thread.start()

    def submit(self, prompt: str) -> Future[float]:
        """The prompt's strong win rate, in [0, 1]; a cancelled one is not computed any more."""
        job = _Job(prompt)
        self._jobs.put(job)
        return job.future

    def linear_features(self, prompts: Sequence[str]) -> NDArray[np.float64] | None:
        """What an `mf` router's logit is linear in, shape (n, W); None of any other router.

        It computes in the caller's thread, while no score is computed.
        """
        if not isinstance(self._router, HasLinearFeatures):
            return None
        with self._lock:
            return self._router.linear_features(prompts)

    def close(self) -> None:
        """End the thread when it is through with what it has."""
        self._jobs.put(None)

    def _measure(self) -> float:
        slowest = 0.0
        for number in range(_MEASURED):
            began = time.perf_counter()
            self._router.strong_win_rates([f"{number} {_FULL_LENGTH}"])
            slowest = max(slowest, time.perf_counter() - began)
        return slowest

    def _run(self) -> None:
        # What was taken and did not fit into the batch before: one at most.
        left: list[_Job | None] = []
        while (job := left.pop() if left else self._jobs.get()) is not None:
            jobs, room = [job], len(_FULL_LENGTH) - len(job.prompt)
            while len(jobs) < AT_ONCE and not self._jobs.empty():
                more = self._jobs.get()
                if more is not None and more.future.cancelled():
                    continue
                room -= 0 if more is None else len(more.prompt)
                if more is None or room < 0:
                    left.append(more)
                    break
                jobs.append(more)
            self._score([job for job in jobs if job.future.set_running_or_notify_cancel()])

    def _score(self, jobs: list[_Job]) -> None:
        if not jobs:
            return
        try:
            with self._lock:
                scores, _ = checked_scores(self.name, self._router, [job.prompt for job in jobs])
        except BaseException as error:  # whoever waits must hear of it, whatever it is
            for job in jobs:
                job.future.set_exception(error)
            return
        for job, score in zip(jobs, scores, strict=True):
            job.future.set_result(float(score))


def open_scorer(pinned: PinnedRouter, bundle: Bundle | None = None) -> Scorer:
    """Load the router of a policy: from the bundle that holds it, else as the policy names it.

    Raises:
        RoutectlError: it cannot be opened, or is not the one that the policy was made with.
    """
    bundled = None if bundle is None else bundle.spec(pinned)
    opened = open_spec(bundled or pinned.spec)
    if opened.identity.fingerprint != pinned.fingerprint:
        where = "that is installed here" if bundled is None else "of the bundle"
        raise RouterError(
            f"the router {pinned.spec.name!r} {where} has another fingerprint "
            f"({opened.identity.fingerprint[:12]}) than the one that the policy was made with "
            f"({pinned.fingerprint[:12]}): run it from a bundle of the routectl that calibrated "
            "it (`routectl export --format bundle`), or install that one"
        )
    router = opened.load()
    if bundle is not None and bundled is not None:
        bundle.require_same_scores(pinned.fingerprint, router)
    return Scorer(pinned.spec.name, router)
