"""What a log says of one call, on its way from the traffic to the store.

Not in `records`, because only what reads logs needs msgspec.
"""

from __future__ import annotations

from datetime import datetime
from typing import Literal

import msgspec

from routectl.records import Exclusion

MOST_TOKENS = 10**9
"""Of one call, in and out each: far above any real one, and sums of many stay exact."""
MOST_DOLLARS = 1e6
"""Of one call, up or down."""
FIRST_TIME, LAST_TIME = 0.0, 7_258_118_400.0
"""1970 and 2200, in seconds since 1970: a call's time is from the one on and before the other."""

OVERRIDDEN, FALLBACK, CACHE_HIT, CLIENT_THRESHOLD = NOT_DECIDED = (
    "overridden",
    "fallback",
    "cache_hit",
    "client_threshold",
)
"""Values of `proxy_reason` where something else than the route's policy decided: the gateway's own
router, another model's failure, its cache, the client."""


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
    images: int | None = None
    """Images in the whole conversation; None for none, and where the log does not say."""
    tools: int | None = None
    """Tools that the model was offered; likewise."""
    response_format: str | None = None
    """What the answer had to be, other than text: json_object, json_schema."""
