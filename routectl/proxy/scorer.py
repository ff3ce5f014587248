"""One router in a thread of its own, which scores what has come in together."""

from __future__ import annotations

import math
import threading
import time
from collections import deque
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
    within: float
    """Seconds from `asked` on after which nobody waits for it."""
    asked: float = field(default_factory=time.monotonic)
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
        self._jobs: deque[_Job] = deque()
        self._changed = threading.Condition()
        """Of the jobs, and of whether it is closed."""
        self._is_closed = False
        self.slowest_seconds = self._measure()
        """What a prompt of full length takes: the largest of twenty, about the 99th percentile."""
        self._last_seconds = 0.0
        """What the batch before took."""
        self._thread = threading.Thread(target=self._run, name=f"routectl-{name}", daemon=True)
        self._thread.start()

    def submit(self, prompt: str, within: float = math.inf) -> Future[float]:
        """The prompt's strong win rate, in [0, 1]; a cancelled one is not computed any more.

        Args:
            within: seconds. One that cannot be had by then, because others are before it, is a
                TimeoutError as soon as that is seen: what it would take is for those after it.
        """
        job = _Job(prompt, within)
        with self._changed:
            self._jobs.append(job)
            self._changed.notify()
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
        with self._changed:
            self._is_closed = True
            self._changed.notify()

    def _measure(self) -> float:
        slowest = 0.0
        for number in range(_MEASURED):
            began = time.perf_counter()
            self._router.strong_win_rates([f"{number} {_FULL_LENGTH}"])
            slowest = max(slowest, time.perf_counter() - began)
        return slowest

    def _run(self) -> None:
        while jobs := self._batch():
            began = time.monotonic()
            self._score([job for job in jobs if job.future.set_running_or_notify_cancel()])
            self._last_seconds = time.monotonic() - began

    def _batch(self) -> list[_Job]:
        """What is scored together next, the oldest first; nothing once it is closed and through."""
        with self._changed:
            batch: list[_Job] = []
            while not batch:
                self._changed.wait_for(lambda: self._jobs or self._is_closed)
                if not self._jobs:
                    return []
                now, room = time.monotonic(), len(_FULL_LENGTH)
                while self._jobs and len(batch) < AT_ONCE:
                    job = self._jobs[0]
                    if batch and len(job.prompt) > room:
                        break
                    self._jobs.popleft()
                    if job.future.cancelled():
                        continue
                    # Whatever the last batch took, one that has just come is tried.
                    needed = min(self._last_seconds, job.within / 2)
                    if now + needed <= job.asked + job.within:
                        batch.append(job)
                        room -= len(job.prompt)
                    elif job.future.set_running_or_notify_cancel():
                        job.future.set_exception(TimeoutError())
            return batch

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
