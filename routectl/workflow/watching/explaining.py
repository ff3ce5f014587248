"""`routectl explain`: why a request went where it went, and what the policy says of it now."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import Connection

from routectl.errors import InputError, RoutectlError, UsageError
from routectl.escaping import first_names
from routectl.export import ActiveRoute
from routectl.policy import (
    CONVERSATION,
    THRESHOLD,
    Facts,
    Policy,
    Reason,
    decide,
    needs_strong,
    without_score,
)
from routectl.proxy import (
    Decision,
    RequestFacts,
    body_of,
    decide_at_once,
    deciding_text,
    decision_of,
)
from routectl.records import Exclusion, IdKind, Population
from routectl.routers import checked_scores, open_pinned
from routectl.store import routes, samples
from routectl.store.engine import Location
from routectl.store.models import Activation, Request, Route
from routectl.store.opening import open_store
from routectl.store.requests import first_prompt, is_in, requests_with_id
from routectl.store.scores import texts, win_rates
from routectl.workflow.policies.activated import Activated, activated
from routectl.workflow.policies.deciding import router_ids
from routectl.workflow.routes.in_use import in_use, picked_route

_SAMPLES = 3
"""That a sentence names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Logged:
    """What the log says of a request's decision; None where it does not."""

    decision: str | None
    model: str | None
    """That the decision named."""
    reason: str | None
    score: float | None
    fingerprint: str | None
    activation: str | None
    answered_by: str | None
    """The model that answered, else the model group."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ruling:
    """What one activation's policy says of a request."""

    activation: Activated
    decision: Decision | None
    why_not: str | None
    """Why there is no decision."""
    threshold: str | None
    """That the score was compared with."""
    scored_now: bool
    """The score was computed just now and is not stored."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """A request of the database."""

    id: str
    """In its log."""
    time: datetime | None
    team: str | None
    model_group: str | None
    conversation: str | None
    status: str | None
    cache_hit: bool | None
    weight: float
    """How many requests of the traffic it stands for."""
    exclusion: str | None
    """Why it has no prompt to score."""
    others: int
    """Further requests with this id."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """Why a request went where it went, and where it would go now."""

    route: str
    request: Stored | None
    """None of what came on standard input."""
    prompt: str | None
    """The text that is scored; None where there is none, or it was purged."""
    logged: Logged | None
    then: Ruling | None
    """By what ran when the request came; None where that is what runs now, or is not known."""
    now: Ruling | None
    """By what runs now; None where nothing does."""


def explain_request(location: Location, id: str, route: str | None) -> Explanation:
    """Why a stored request went where it went.

    Args:
        id: the log's own of the request, or of its call.
        route: None is the one that the log names, else the only one to which the request belongs.

    Raises:
        InputError: there is no such request.
        UsageError: several routes could be meant, and none is named.
    """
    with open_store(location) as store, store.read() as connection:
        rows = requests_with_id(connection, id)
        if not rows:
            raise InputError(_not_there(connection, id))
        row = rows[0]
        stored = _route_of(connection, row, route)
        text = None
        if row.prompt_id is not None:
            text = texts(connection, [row.prompt_id]).get(row.prompt_id)
        log = [] if stored is None else routes.activations(connection, stored.id)
        now = log[-1] if log else None
        then = _ran_then(log, row)

        def ruling(activation: Activation | None) -> Ruling | None:
            if activation is None or stored is None:
                return None
            ran = activated(connection, activation, stored.name, active=activation is now)
            return _ruling_of(connection, ran, row)

        return Explanation(
            route=in_use(connection, stored).name,
            request=_stored(row, len(rows) - 1),
            prompt=text,
            logged=_logged(row),
            then=None if then is now else ruling(then),
            now=ruling(now),
        )


def explain_body(
    location: Location, data: bytes, route: str | None, segment: str | None
) -> Explanation:
    """Where a request would go now, scored by the router of what the route runs.

    Args:
        data: a request body or turns in JSON, or a text.
        segment: the part of the traffic that it belongs to, where the policy has segments.

    Raises:
        InputError: there is nothing to explain, or the route runs nothing.
        RoutectlError: the policy's router cannot be opened.
    """
    if not data.strip():
        raise InputError(
            "standard input is empty: give a JSON body or a text, as in `routectl explain - < "
            "body.json`"
        )
    with open_store(location) as store, store.read() as connection:
        stored = picked_route(connection, route)
        log = [] if stored is None else routes.activations(connection, stored.id)
        if stored is None or not log:
            name = in_use(connection, stored).name
            raise InputError(
                f"route {name!r} runs nothing, so nothing decides a request: `routectl activate` "
                "makes it run a calibration"
            )
        ran = activated(connection, log[-1], stored.name, active=True)
    body, given = body_of(data), RequestFacts(segment=segment)
    decision = decide_at_once(stored.name, _as_live(ran), body, _scorer(ran.policy), given)
    return Explanation(
        route=stored.name,
        request=None,
        prompt=deciding_text(ran.policy, body),
        logged=None,
        then=None,
        now=Ruling(
            activation=ran,
            decision=decision,
            why_not=None,
            threshold=_threshold(ran.policy, decision, segment),
            scored_now=decision.score is not None,
        ),
    )


def _as_live(ran: Activated) -> ActiveRoute:
    return ActiveRoute(ran.policy, ran.strong_fraction)


def _scorer(policy: Policy) -> Callable[[str], list[float]]:
    """Scores a text by a policy's routers, which are opened when they are asked."""

    def score(text: str) -> list[float]:
        scores = []
        for pinned in policy.routers:
            router = open_pinned(pinned).load()
            values, _ = checked_scores(pinned.spec.name, router, [text])
            scores.append(float(values[0]))
        return scores

    return score


def _route_of(connection: Connection, row: Request, name: str | None) -> Route | None:
    """The route that a request belongs to.

    Raises:
        UsageError: the log names none, and it could be one of several.
    """
    stored = routes.routes(connection)
    if name is not None or len(stored) < 2:
        return picked_route(connection, name)
    if row.proxy_route is not None:
        for one in stored:
            if row.proxy_route in routes.names_of(connection, one):
                return one
    having = [
        one
        for one in stored
        if is_in(connection, row.id, in_use(connection, one).population(Population()))
    ]
    if len(having) == 1:
        return having[0]
    names = first_names([one.name for one in having or stored])
    raise UsageError(
        f"the request could be of several routes ({names}), so name one with --route"
        if having
        else f"the request is of no route's population, so name a route with --route; they are "
        f"{names}"
    )


def _ran_then(log: Sequence[Activation], row: Request) -> Activation | None:
    """The activation that the log names, else the one that ran when the request came in."""
    for activation in log:
        if row.proxy_activation == IdKind.ACTIVATION.ref(activation.id):
            return activation
    if row.time is None:
        return None
    came = datetime.fromtimestamp(row.time, UTC)
    return next((one for one in reversed(log) if one.created_at <= came), None)


def _ruling_of(connection: Connection, ran: Activated, row: Request) -> Ruling:
    policy, scored_now, why_not = ran.policy, False, None
    facts = _facts(policy, row)
    scores: list[float] | None = None
    if policy.rule == THRESHOLD and row.extraction_version != policy.extraction_version:
        why_not = (
            f"it decides on texts of version {policy.extraction_version} of the text extraction, "
            f"and the stored text is of version {row.extraction_version}"
        )
    elif policy.rule == THRESHOLD and row.exclusion not in (None, Exclusion.NO_TEXT):
        why_not = f"the log has no text to score ({row.exclusion})"
    elif policy.rule == THRESHOLD and row.prompt_id is not None:
        prompt = row.prompt_id
        if policy.unit == CONVERSATION and row.conversation_key is not None:
            prompt = first_prompt(connection, row.conversation_key, row.extraction_version)
        scores = _stored_scores(connection, policy, prompt)
        text = None if scores is not None else texts(connection, [prompt]).get(prompt)
        if scores is None and text is None:
            why_not = "its text was purged before the policy's router scored it"
        elif scores is None and text is not None:
            try:
                scores, scored_now = _scorer(policy)(text), True
            except RoutectlError as error:
                why_not = f"it has no stored score, and {error}"
    decision = None
    if why_not is None:
        if scores is not None or policy.rule != THRESHOLD:
            decisions = decide(policy, [scores or [float("nan")]], facts)
        else:
            share = _as_live(ran).strong_fraction
            decisions = without_score(
                policy,
                share,
                (row.conversation or row.source_id).encode("utf-8"),
                Reason.NO_TEXT,
                facts,
            )
        decision = decision_of(ran.route, policy, decisions, scores)
    return Ruling(
        activation=ran,
        decision=decision,
        why_not=why_not,
        threshold=None if decision is None else _threshold(policy, decision, _segment(policy, row)),
        scored_now=scored_now,
    )


def _segment(policy: Policy, row: Request) -> str | None:
    """The segment of a request, by the field that the policy tells them by."""
    return None if policy.segment_field is None else getattr(row, policy.segment_field)


def _threshold(policy: Policy, decision: Decision, segment: str | None) -> str | None:
    """The threshold that a decision's score was compared with, if one was."""
    if decision.would_be_reason == Reason.THRESHOLD:
        thresholds = policy.thresholds
    elif decision.would_be_reason == Reason.SEGMENT_THRESHOLD and segment is not None:
        thresholds = policy.segments[segment]
    else:
        return None
    named = {"weak": 0, "strong": len(policy.models) - 1}
    place = named[decision.would_be] if decision.would_be in named else int(decision.would_be)
    # Below the lowest one it is the lowest that it did not meet.
    return thresholds[max(place - 1, 0)]


def _stored_scores(connection: Connection, policy: Policy, prompt_id: int) -> list[float] | None:
    """A prompt's score by each of a policy's routers; None where one is missing."""
    scores = []
    for router in router_ids(connection, policy):
        rates = {} if router is None else win_rates(connection, router, [prompt_id])
        if prompt_id not in rates:
            return None
        scores.append(rates[prompt_id])
    return scores


def _facts(policy: Policy, row: Request) -> Facts:
    return Facts(
        segment=[_segment(policy, row)],
        conversation=[row.conversation],
        end_user=[row.end_user],
        request_id=[row.source_id],
        needs_strong=needs_strong(
            policy.limits.values(),
            tokens=[float("nan") if row.tokens_in is None else row.tokens_in],
            images=[row.images or 0],
            tools=[row.tools or 0],
            response_format=[row.response_format is not None],
        ),
    )


def _stored(row: Request, others: int) -> Stored:
    return Stored(
        id=row.source_id,
        time=None if row.time is None else datetime.fromtimestamp(row.time, UTC),
        team=row.team,
        model_group=row.model_group,
        conversation=row.conversation,
        status=row.status,
        cache_hit=row.cache_hit,
        weight=row.weight,
        exclusion=row.exclusion,
        others=others,
    )


def _logged(row: Request) -> Logged:
    return Logged(
        decision=row.proxy_decision,
        model=row.proxy_model,
        reason=row.proxy_reason,
        score=row.proxy_score,
        fingerprint=row.proxy_fingerprint,
        activation=row.proxy_activation,
        answered_by=row.model or row.model_group,
    )


def _not_there(connection: Connection, id: str) -> str:
    """That a request is not stored, and why it may not be."""
    text = f"no request of this database has the id {id!r}"
    taken = [one for one in samples.samples(connection) if one.kept < one.seen and one.sample_size]
    if not taken:
        return f"{text}: import the log that has it, or take the id that the log gives it"
    named = ", ".join(f"s{one.id} kept {one.kept:,} of {one.seen:,}" for one in taken[:_SAMPLES])
    return (
        f"{text}: imports with --sample keep a part of the traffic ({named}) and may have left it "
        "out; import its log without --sample, or give its body to `routectl explain -`"
    )
