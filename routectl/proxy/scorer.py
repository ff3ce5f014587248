"""One router in a thread of its own, which scores what has come in together."""

from __future__ import annotations

import queue
import threading
import time
from concurrent.futures import Future
from dataclasses import dataclass, field

from routectl.policy import PinnedRouter
from routectl.routers import Router, checked_scores, open_pinned

AT_ONCE = 32
"""Prompts of a batch at most: more gain nothing and let the first of them wait."""

_MEASURED = 20
_FULL_LENGTH = "How many of these words does a router read before it stops? " * 60
"""Longer than any shipped router reads: what takes it the longest."""


@dataclass(frozen=True, slots=True)
class _Job:
    prompt: str
    future: Future[float] = field(default_factory=Future)


class Scorer:
    """Scores prompts one after the other, off the event loop."""

    def __init__(self, name: str, router: Router) -> None:
        """Start the thread; `close` ends it."""
        self._name = name
        self._router = router
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
        while (job := self._jobs.get()) is not None:
            jobs = [job]
            ended = False
            while len(jobs) < AT_ONCE and not self._jobs.empty():
                more = self._jobs.get()
                if more is None:
                    ended = True
                    break
                jobs.append(more)
            self._score([job for job in jobs if job.future.set_running_or_notify_cancel()])
            if ended:
                return

    def _score(self, jobs: list[_Job]) -> None:
        if not jobs:
            return
        try:
            scores, _ = checked_scores(self._name, self._router, [job.prompt for job in jobs])
        except BaseException as error:  # whoever waits must hear of it, whatever it is
            for job in jobs:
                job.future.set_exception(error)
            return
        for job, score in zip(jobs, scores, strict=True):
            job.future.set_result(float(score))


def open_scorer(pinned: PinnedRouter) -> Scorer:
    """Load the router of a policy.

    Raises:
        RoutectlError: it cannot be opened, or is not the one that the policy was made with.
    """
    opened = open_pinned(pinned)
    return Scorer(pinned.spec.name, opened.load())
