"""What a log says of one call, on its way from the traffic to the store.

Not in `records`, because only what reads logs needs msgspec.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Literal

import msgspec

from routectl.policy import Reason
from routectl.records import Exclusion

MOST_TOKENS = 10**9
"""Of one call, in and out each: far above any real one, and sums of many stay exact."""
MOST_DOLLARS = 1e6
"""Of one call, up or down."""
FIRST_TIME, LAST_TIME = 0.0, 7_258_118_400.0
"""1970 and 2200, in seconds since 1970: a call's time is from the one on and before the other."""

OVERRIDDEN, FALLBACK, CACHE_HIT = ("overridden", "fallback", "cache_hit")
"""Values of `proxy_reason` that no policy gives: the gateway's own router decided; the model that
the policy named failed, and the gateway took another; the gateway's cache answered."""

WITHOUT_SCORE = frozenset({Reason.NO_TEXT, Reason.NO_SCORE, Reason.TIMEOUT})
"""Reasons of a decision by the policy's fallback."""
_KEPT_FROM_THE_RULE = frozenset({Reason.SHADOW, Reason.CANARY_OUT})


class DecidedBy(StrEnum):
    """Who decided a call, by its log: `decided_by` tells."""

    POLICY = "policy"
    """A policy of ours, by its rule and mode."""
    POLICY_FALLBACK = "policy_fallback"
    """A policy of ours, without a score."""
    FAILED_OVER = FALLBACK
    """A policy of ours, whose model failed: the gateway took another one."""
    CLIENT = Reason.CLIENT_THRESHOLD.value
    """The client, by a threshold of its own."""
    CACHE = CACHE_HIT
    """Nobody now: the answer is an older one."""
    OTHER = OVERRIDDEN
    """Something else, such as the gateway's own router."""
    NOTHING = "nothing"
    """The log has no decision."""


BY_POLICY = frozenset({DecidedBy.POLICY, DecidedBy.POLICY_FALLBACK, DecidedBy.FAILED_OVER})
"""A policy of ours decided, whoever answered then."""


def decided_by(
    *,
    route: str | None,
    activation: str | None,
    decision: str | None,
    reason: str | None,
    would_be_reason: str | None,
) -> DecidedBy:
    """Who decided a call, by the fields of `TrafficRequest` that begin with `proxy_`.

    An import's counts, `status`, `drift`, `savings` and `doctor` all ask here.
    """
    if reason in (OVERRIDDEN, FALLBACK, CACHE_HIT, Reason.CLIENT_THRESHOLD):
        return DecidedBy(reason)
    if route is None and activation is None:
        # What names neither is no record of ours.
        return DecidedBy.NOTHING if decision is None else DecidedBy.OTHER
    if decision is None:
        return DecidedBy.NOTHING
    _, reason = by_rule(decision, reason, None, would_be_reason)
    return DecidedBy.POLICY_FALLBACK if reason in WITHOUT_SCORE else DecidedBy.POLICY


def by_rule(
    decision: str | None, reason: str | None, would_be: str | None, would_be_reason: str | None
) -> tuple[str | None, str | None]:
    """Decision and reason of the policy's rule, also in a shadow and outside a canary.

    None and None where the log does not say what the rule would have done.
    """
    if reason in _KEPT_FROM_THE_RULE:
        return would_be, would_be_reason
    return decision, reason


class TrafficRequest(msgspec.Struct, frozen=True, gc=False):
    """One call in the traffic, as a reader found it in a log.

    Exactly one of `text` and `exclusion` is None. A struct, because there are millions: a frozen
    dataclass takes many times as long to make.
    """

    source_kind: str
    """The log format's name, e.g. "litellm". Source ids are unique within it."""
    source_id: str
    """The log's own row id, else a digest of source, content and ordinal."""
    text: str | None
    """The prompt: what `extraction.extract` returned for this request."""
    exclusion: Exclusion | None = None
    time: datetime | None = None
    """When the request came in; always in UTC and aware."""
    model_group: str | None = None
    call_type: str | None = None
    status: Literal["success", "failure"] | None = None
    cache_hit: bool | None = None
    team: str | None = None
    key_alias: str | None = None
    end_user: str | None = None
    tags: tuple[str, ...] = ()
    conversation: str | None = None
    """Id of the conversation that the request belongs to, where the log knows one."""
    call_id: str | None = None
    """Id that all attempts (retries) of one request share, where the log knows one."""
    tokens_in: int | None = None
    tokens_out: int | None = None
    cost: float | None = None
    """What the proxy booked for the call, in US dollars."""
    model: str | None = None
    """The model that answered, where it has another name than the model group."""
    proxy_decision: str | None = None
    """The proxy's own routing decision, where the log has it: strong or weak of routectl's
    plug-in, else the model that was chosen."""
    proxy_score: float | None = None
    proxy_fingerprint: str | None = None
    proxy_route: str | None = None
    """The route whose policy decided, by its name."""
    proxy_activation: str | None = None
    """Id of the activation that the proxy ran."""
    proxy_model: str | None = None
    """The model that the decision named."""
    proxy_reason: str | None = None
    proxy_extraction_version: int | None = None
    proxy_would_be: str | None = None
    """The decision that the policy makes live: in a shadow and outside a canary another one."""
    proxy_would_be_reason: str | None = None
    images: int | None = None
    """Images in the whole conversation; None for none, and where the log does not say."""
    tools: int | None = None
    """Tools that the model was offered; likewise."""
    response_format: str | None = None
    """What the answer had to be, other than text: json_object, json_schema."""
