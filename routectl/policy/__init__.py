"""The policy: what decides which model answers a request of a route.

`record` is what is stored and exported of it, `decision` the one function that carries it out.
"""

from routectl.policy.decision import (
    Decisions,
    Facts,
    Reason,
    decide,
    meets,
    needs_strong,
    without_score,
)
from routectl.policy.record import (
    ALWAYS_STRONG,
    ALWAYS_WEAK,
    CLIENT_PREFIX,
    CONVERSATION,
    FALLBACKS,
    LIVE,
    POLICY_VERSION,
    REQUEST,
    SEGMENT_FIELDS,
    SHADOW,
    THRESHOLD,
    UNITS,
    PinnedRouter,
    Policy,
    config_string,
    named_pair,
    threshold_value,
)

__all__ = [
    "ALWAYS_STRONG",
    "ALWAYS_WEAK",
    "CLIENT_PREFIX",
    "CONVERSATION",
    "FALLBACKS",
    "LIVE",
    "POLICY_VERSION",
    "REQUEST",
    "SEGMENT_FIELDS",
    "SHADOW",
    "THRESHOLD",
    "UNITS",
    "Decisions",
    "Facts",
    "PinnedRouter",
    "Policy",
    "Reason",
    "config_string",
    "decide",
    "meets",
    "named_pair",
    "needs_strong",
    "threshold_value",
    "without_score",
]
