"""A request body in, the model that answers it out. It raises nothing that a client can cause."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from routectl import extraction
from routectl.callers import Caller, caller_of
from routectl.errors import InputError, RoutectlError, RouterError
from routectl.export import ActiveRoute
from routectl.needs import Needs, about_tokens, count_images, needs_of
from routectl.policy import (
    CLIENT_PREFIX,
    CONVERSATION,
    THRESHOLD,
    Decisions,
    Facts,
    Policy,
    Reason,
    decide,
    needs_strong,
    without_score,
)
from routectl.proxy.running import Running, RunningRoute

log = logging.getLogger("routectl.proxy")

TIMES_SLOWEST = 3
"""The deadline, in what a prompt of full length takes at most."""
LENGTHS = (250, 1000, 4000, 16_000)
"""Characters of a prompt up to which its scoring is counted together."""
LOADING_SECONDS = 5.0
"""So long a request waits for routers that are being loaded, before it gets the fallback."""
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
    would_be: str
    """The decision that the policy makes live: in a shadow and outside a canary another one."""
    would_be_reason: str
    score: float | None
    """The strong win rate that decided; None where there was none."""
    fingerprint: str | None
    """Of the router whose score that is."""
    activation: str
    extraction_version: int

    def to_json(self) -> dict[str, Any]:
        """As plain JSON values; under these names a proxy's log holds it."""
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestFacts:
    """What a gateway knows of a request besides its text; None where it does not."""

    segment: str | None = None
    """The part of the traffic that it belongs to."""
    fields: Mapping[str, str | None] = field(default_factory=dict)
    """Where no segment is named: fields of `policy.SEGMENT_FIELDS`, of which the policy takes its
    own. Of an authenticated key, never of a body: a client would choose its threshold."""
    conversation: str | None = None
    end_user: str | None = None
    request_id: str | None = None
    whole: object = None
    """The whole request, where what is decided on is only its conversation."""


NO_FACTS = RequestFacts()


class Decider:
    """Decides requests of the routes that run. It belongs to one event loop."""

    def __init__(
        self,
        running: Running,
        deadline_seconds: float | None = None,
        *,
        allow_client_threshold: str | None = None,
    ) -> None:
        """Decide by what runs.

        Args:
            deadline_seconds: after which a request gets the fallback; None is three times what
                its router takes for a prompt of full length.
            allow_client_threshold: the route that decides a request whose model is
                router-ROUTER-THRESHOLD; None takes no such name.
        """
        self.running = running
        self.reasons: Counter[tuple[str, str, str]] = Counter()
        """Requests by route, decision and reason."""
        self.would_be: Counter[tuple[str, str, str]] = Counter()
        """The same requests by what the policy decides live."""
        self.outcomes: Counter[tuple[str, str, str]] = Counter()
        """Prompts to score by route, length and outcome: scored, timeout or no_score."""
        self._deadline = deadline_seconds
        self._allow_client_threshold = allow_client_threshold

    def is_client_threshold(self, model: str) -> bool:
        """Whether a model name is read as one with a threshold of the client's own."""
        return (
            self._allow_client_threshold is not None
            and model.startswith(CLIENT_PREFIX)
            and model not in self.running.routes
        )

    async def called(self, model: str) -> tuple[str, RunningRoute]:
        """The route that a client's model name calls, by name, and what decides its request.

        Raises:
            InputError: no such route runs.
            UsageError: the name has a threshold that cannot be carried out.
        """
        if not self.running.tried.done():
            loading = asyncio.wrap_future(self.running.tried)
            await asyncio.wait([loading], timeout=LOADING_SECONDS)
        routes, route = self.running.routes, model
        if self._allow_client_threshold is not None and self.is_client_threshold(model):
            route = self._allow_client_threshold
        running = routes.get(route)
        if running is None:
            names = ", ".join(routes)
            raise InputError(f"there is no such route here; the routes are {names}")
        if route != model:
            policy = running.active.policy.with_threshold_of(model)
            running = replace(running, active=replace(running.active, policy=policy))
        return route, running

    async def decide(self, model: str, body: object, given: RequestFacts = NO_FACTS) -> Decision:
        """What a request gets.

        Args:
            model: the name that the client called: a route's, or where that is allowed, one with
                a threshold.
            body: a request body, its conversation alone, or a text.
            given: what else is known of it. What it names itself comes after that.

        Raises:
            InputError, UsageError: as `called`.
        """
        route, running = await self.called(model)
        policy = running.active.policy
        text = deciding_text(policy, body)
        facts = _facts(policy, body, text, given)
        decisions, scores = await self._decided(running, text, facts)
        decision = decision_of(route, policy, decisions, scores)
        if route != model:
            decision = _by_client(decision)
        self.reasons[route, decision.decision, decision.reason] += 1
        self.would_be[route, decision.would_be, decision.would_be_reason] += 1
        return decision

    async def _decided(
        self, running: RunningRoute, text: str | None, facts: Facts
    ) -> tuple[Decisions, list[float] | None]:
        policy, reason = running.active.policy, Reason.NO_TEXT
        scores: list[float] = []
        if _needs_no_score(policy, facts):
            return decide(policy, [float("nan")], facts), None
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
        if text is not None:
            outcome = "scored" if scores else str(reason)
            self.outcomes[str(policy.route), _length(text), outcome] += 1
        return _by_scores(running.active, text, scores, reason, facts)

    async def _scored(self, running: RunningRoute, text: str) -> list[float]:
        if not running.scorers:
            if not self.running.tried.done():
                raise TimeoutError
            raise RouterError(f"its router is not loaded: {self.running.problem}")
        slowest = max(scorer.slowest_seconds for scorer in running.scorers)
        deadline = self._deadline
        if deadline is None:
            deadline = max(_SHORTEST_DEADLINE, TIMES_SLOWEST * slowest)
        jobs = [scorer.submit(text, deadline) for scorer in running.scorers]
        futures = [asyncio.wrap_future(job) for job in jobs]
        try:
            async with asyncio.timeout(deadline):
                return list(await asyncio.gather(*futures))
        finally:
            for future in futures:  # of several routers, where one is late the others are not asked
                future.cancel()


def _by_client(decision: Decision) -> Decision:
    """A decision whose threshold was the client's."""

    def reason_of(reason: str) -> str:
        return str(Reason.CLIENT_THRESHOLD) if reason == Reason.THRESHOLD else reason

    return replace(
        decision,
        reason=reason_of(decision.reason),
        would_be_reason=reason_of(decision.would_be_reason),
    )


def _length(text: str) -> str:
    """A prompt's length in characters, as a label: up to that many."""
    return next((str(most) for most in LENGTHS if len(text) <= most), "more")


def _facts(policy: Policy, body: object, text: str | None, given: RequestFacts) -> Facts:
    whole = body if given.whole is None else given.whole
    caller = caller_of(whole) if isinstance(whole, dict) else Caller()
    return Facts(
        segment=[given.segment or given.fields.get(policy.segment_field or "")],
        conversation=[given.conversation or caller.conversation],
        end_user=[given.end_user or caller.end_user],
        # Without any id, what is asked again is decided as before.
        request_id=[given.request_id or text],
        needs_strong=[True] if policy.limits and _needs_strong(policy, whole) else None,
    )


def _needs_strong(policy: Policy, whole: object) -> bool:
    needs = needs_of(whole) if isinstance(whole, dict) else Needs(count_images(whole))
    return bool(
        needs_strong(
            policy.limits.values(),
            tokens=[about_tokens(whole)],
            images=[needs.images or 0],
            tools=[needs.tools or 0],
            response_format=[needs.response_format is not None],
        )[0]
    )


def deciding_text(policy: Policy, body: object) -> str | None:
    """The text of a request that a policy's routers score; None where it has none."""
    return extraction.extract(body, policy.extraction_version, first=policy.unit == CONVERSATION)


def decide_at_once(
    route: str,
    active: ActiveRoute,
    body: object,
    score: Callable[[str], list[float]],
    given: RequestFacts = NO_FACTS,
) -> Decision:
    """What a request gets, as a `Decider` decides it, without a thread and a deadline.

    Args:
        body: a request body, its conversation alone, or a text.
        score: a text's strong win rates by the policy's routers; not called where none decides.
        given: what else is known of it.
    """
    policy = active.policy
    text = deciding_text(policy, body)
    facts = _facts(policy, body, text, given)
    if _needs_no_score(policy, facts):
        return decision_of(route, policy, decide(policy, [float("nan")], facts), None)
    scores = [] if text is None else score(text)
    return decision_of(route, policy, *_by_scores(active, text, scores, Reason.NO_TEXT, facts))


def _needs_no_score(policy: Policy, facts: Facts) -> bool:
    return policy.rule != THRESHOLD or facts.needs_strong is not None


def _by_scores(
    active: ActiveRoute, text: str | None, scores: list[float], reason: Reason, facts: Facts
) -> tuple[Decisions, list[float] | None]:
    """What is decided by scores, and without any, by the fallback."""
    if not scores:
        share, drawn_by = active.strong_fraction, _drawn_by(text, facts)
        return without_score(active.policy, share, drawn_by, reason, facts), None
    return decide(active.policy, [scores], facts), scores


def _drawn_by(text: str | None, facts: Facts) -> bytes:
    """What tells a request without a score from others: its text, so that what is asked again is
    decided as before; without one its conversation, which keeps its model, else its id."""
    named = (text, *(names[0] for names in (facts.conversation, facts.request_id) if names))
    return next((name for name in named if name), "").encode("utf-8", "surrogatepass")


def decision_of(
    route: str, policy: Policy, decisions: Decisions, scores: list[float] | None
) -> Decision:
    """What one request gets, in words."""
    strongest = len(policy.models) - 1
    sides = {0: "weak", strongest: "strong"}
    index, would_be = int(decisions.model[0]), int(decisions.would_be[0])
    # Of several scores, the one that the policy's model's threshold was compared with.
    column = 0 if scores is None or len(scores) == 1 else max(would_be - 1, 0)
    return Decision(
        route=route,
        model=decisions.name[0],
        decision=sides.get(index, str(index)),
        probability=float(decisions.probability[0]),
        reason=str(decisions.reason[0]),
        would_be=sides.get(would_be, str(would_be)),
        would_be_reason=str(decisions.would_be_reason[0]),
        score=None if scores is None else scores[column],
        fingerprint=None if scores is None else policy.routers[column].fingerprint,
        activation=f"a{policy.activation_id}",
        extraction_version=policy.extraction_version,
    )
