"""A request body in, the model that answers it out. It raises nothing that a client can cause."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from dataclasses import dataclass
from typing import Any

from routectl import extraction
from routectl.errors import InputError, RoutectlError
from routectl.policy import THRESHOLD, Facts, Policy, Reason, decide, without_score
from routectl.proxy.running import Running, RunningRoute

log = logging.getLogger("routectl.proxy")

TIMES_SLOWEST = 3
"""The deadline, in what a prompt of full length takes at most."""
_SHORTEST_DEADLINE = 0.25
"""Seconds: a router that takes a millisecond must still survive a busy machine."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What a request gets, and why."""

    route: str
    model: str | None
    """By the route's name of it; None where nobody declared one."""
    decision: str
    """strong, weak, or the place among more than two models, from 0, the weakest."""
    probability: float
    """With which the policy serves this model to this request."""
    reason: str
    """A `policy.Reason`."""
    score: float | None
    """The strong win rate that decided; None where there was none."""
    fingerprint: str | None
    """Of the router whose score that is."""
    activation: str
    extraction_version: int

    def to_json(self) -> dict[str, Any]:
        """As plain JSON values; under these names a proxy's log holds it."""
        return {name: getattr(self, name) for name in self.__slots__}


class Decider:
    """Decides requests of the routes that run. It belongs to one event loop."""

    def __init__(self, running: Running, deadline_seconds: float | None = None) -> None:
        """Decide by what runs.

        Args:
            deadline_seconds: after which a request gets the fallback; None is three times what
                its router takes for a prompt of full length.
        """
        self.running = running
        self.reasons: Counter[tuple[str, str, str]] = Counter()
        """Requests by route, decision and reason."""
        self._deadline = deadline_seconds

    async def decide(self, route: str, body: object, *, segment: str | None = None) -> Decision:
        """What a request gets.

        Args:
            route: the name that the client called.
            body: a request body, its conversation alone, or a text.
            segment: the part of the traffic that it belongs to, as the gateway knows it.

        Raises:
            InputError: no such route runs.
        """
        running = self.running.routes.get(route)
        if running is None:
            names = ", ".join(self.running.routes)
            raise InputError(f"there is no such route here; the routes are {names}")
        policy = running.active.policy
        text = extraction.extract(body, policy.extraction_version)
        decision = await self._decided(route, running, text, segment)
        self.reasons[route, decision.decision, decision.reason] += 1
        return decision

    async def _decided(
        self, route: str, running: RunningRoute, text: str | None, segment: str | None
    ) -> Decision:
        policy, reason = running.active.policy, Reason.NO_TEXT
        scores: list[float] = []
        if policy.rule != THRESHOLD:
            return _decision(route, policy, decide(policy, [float("nan")]), None)
        if text is not None:
            try:
                scores = await self._scored(running, text)
            except TimeoutError:
                reason = Reason.TIMEOUT
                log.warning("a prompt of %d characters was not scored in time", len(text))
            except Exception as error:  # a router's own fault must not become the client's
                reason = Reason.NO_SCORE
                # A third party's words may hold the prompt.
                what = str(error) if isinstance(error, RoutectlError) else type(error).__name__
                log.error("a prompt of %d characters was not scored: %s", len(text), what)
        if not scores:
            share = running.active.strong_fraction
            drawn = without_score(policy, share, (text or "").encode(), reason)
            return _decision(route, policy, drawn, None)
        return _decision(route, policy, decide(policy, [scores], Facts(segment=[segment])), scores)

    async def _scored(self, running: RunningRoute, text: str) -> list[float]:
        slowest = max(scorer.slowest_seconds for scorer in running.scorers)
        deadline = max(_SHORTEST_DEADLINE, TIMES_SLOWEST * slowest)
        futures = [asyncio.wrap_future(scorer.submit(text)) for scorer in running.scorers]
        async with asyncio.timeout(deadline if self._deadline is None else self._deadline):
            return list(await asyncio.gather(*futures))


def _decision(route: str, policy: Policy, decisions: Any, scores: list[float] | None) -> Decision:
    index, strongest = int(decisions.model[0]), len(policy.models) - 1
    side = {0: "weak", strongest: "strong"}.get(index, str(index))
    # Of several scores, the one that the chosen model's threshold was compared with.
    column = 0 if scores is None or len(scores) == 1 else max(index - 1, 0)
    return Decision(
        route=route,
        model=decisions.name[0],
        decision=side,
        probability=float(decisions.probability[0]),
        reason=str(decisions.reason[0]),
        score=None if scores is None else scores[column],
        fingerprint=None if scores is None else policy.routers[column].fingerprint,
        activation=f"a{policy.activation_id}",
        extraction_version=policy.extraction_version,
    )
