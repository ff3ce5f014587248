"""Policies, and strategies that draw them, for the tests of the record and of the decision."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from routectl.policy import (
    PinnedRouter,
    Policy,
)
from routectl.records import Limits, ModelPair, RouterSpec

SPEC = RouterSpec("mf", "mf_9", ModelPair("gpt-4", "mixtral"), {"gpt-5": "gpt-4"})
ROUTER = PinnedRouter(SPEC, "f" * 64)
UNIT = st.floats(0, 1)
SEGMENTS = ("search", "support", None)


def two_models(threshold: str = "0.5", **parts: Any) -> Policy:
    values: dict[str, Any] = {
        "models": ("small", "large"),
        "routers": (ROUTER,),
        "thresholds": (threshold,),
        "extraction_version": 1,
    }
    return Policy(**values | parts)


def decimal(low: float, high: float) -> st.SearchStrategy[str]:
    """Thresholds, some of which scores meet exactly."""
    return st.floats(low, high).map(lambda value: f"{value:.3f}")


LIMITS = st.builds(
    Limits,
    context=st.none() | st.integers(1, 10**6),
    images=st.booleans(),
    tools=st.booleans(),
    response_format=st.booleans(),
)


SEGMENTED = {"segments": {"search": ("0.2",)}, "segment_field": "team"}


def version_of(policy: Policy) -> int:
    """The oldest version of the record that says the policy."""
    if policy.segment_field is not None or policy.unit != "request":
        return 3
    return 2 if policy.limits else 1


@st.composite
def policies(draw: st.DrawFn) -> Policy:
    """Any policy: K models, segments, all rules, modes and fallbacks."""
    models = draw(st.lists(st.none() | st.text(max_size=5), min_size=2, max_size=5).map(tuple))
    cuts = len(models) - 1
    low, high = (0.0, 1.0) if cuts == 1 else (-2.0, 2.0)
    thresholds = st.tuples(*[decimal(low, high)] * cuts)
    rule = draw(st.sampled_from(["threshold", "always_strong", "always_weak"]))
    unconditional = rule != "threshold"
    segments = {}
    if not unconditional:
        segments = draw(st.dictionaries(st.sampled_from(["search", "support"]), thresholds))
    return Policy(
        rule=rule,
        models=models,
        routers=(ROUTER,) * draw(st.sampled_from([1, cuts])),
        thresholds=() if unconditional else draw(thresholds),
        segments=segments,
        segment_field=draw(st.sampled_from([None, "team", "key_alias"])) if segments else None,
        unit="request" if unconditional else draw(st.sampled_from(["request", "conversation"])),
        limits=draw(
            st.dictionaries(
                st.sampled_from([model for model in models[:-1] if model] or ["none"]), LIMITS
            )
        )
        if any(models[:-1])
        else {},
        extraction_version=draw(st.integers(1, 9)),
        mode=draw(st.sampled_from([None, "live", "shadow", "canary=0.05"])),
        fallback=draw(st.sampled_from([None, "strong", "weak", "share"])),
        route=draw(st.none() | st.just("smart")),
        calibration_id=draw(st.none() | st.integers(1, 99)),
        activation_id=draw(st.none() | st.integers(1, 99)),
    )
