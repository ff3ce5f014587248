"""The decision: which model answers a request, by a policy.

Whoever decides, decides through `decide`: calibration, proxy, comparisons and drift. It is made for
K models, as the record is.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING

from routectl.errors import RouterError
from routectl.policy.record import (
    ALWAYS_STRONG,
    LIVE,
    SHADOW,
    THRESHOLD,
    Policy,
    threshold_value,
)
from routectl.records import Limits

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import ArrayLike, NDArray


class Reason(StrEnum):
    """Why a request gets its model."""

    THRESHOLD = "threshold"
    """Its score, against the policy's thresholds."""
    SEGMENT_THRESHOLD = "segment_threshold"
    """Its score, against the thresholds of its segment."""
    CLIENT_THRESHOLD = "client_threshold"
    """Its score, against a threshold that the client named in place of the policy's."""
    NEEDS_STRONG = "needs_strong"
    """The weaker models cannot take it, whatever its score is."""
    SHADOW = "shadow"
    """The policy only watches, so the strongest model answers."""
    CANARY_OUT = "canary_out"
    """The policy decides a part of the traffic, and it is in the other one: the strongest model
    answers."""
    ALWAYS_STRONG = "always_strong"
    """The policy is unconditional."""
    ALWAYS_WEAK = "always_weak"
    """The policy is unconditional."""
    NO_TEXT = "no_text"
    """It has no human text to score, so the fallback decides."""
    NO_SCORE = "no_score"
    """Its text could not be scored, so the fallback decides."""
    TIMEOUT = "timeout"
    """Its score came too late, so the fallback decides."""


def meets(scores: NDArray[np.float64], threshold: float | NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which scores reach a threshold. A calibration's figures and `decide` both ask here."""
    return scores >= threshold


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Facts:
    """What is known of n requests besides their scores; None where nothing is known of any."""

    segment: Sequence[str | None] | None = None
    conversation: Sequence[str | None] | None = None
    """What a canary draws by, so that a conversation keeps its model."""
    end_user: Sequence[str | None] | None = None
    """What is drawn by where there is no conversation."""
    request_id: Sequence[str | None] | None = None
    """What is drawn by where there is neither. A request without any of them is in no canary."""
    needs_strong: ArrayLike | None = None
    """bool[n]: the weaker models cannot take the request (context length, images, tools, response
    format)."""


@dataclass(frozen=True, slots=True, eq=False)
class Decisions:
    """The model of each of n requests."""

    model: NDArray[np.int64]
    """Index into the policy's models: 0 is the weakest."""
    name: NDArray[np.object_]
    """The same by name; None where nobody declared one."""
    probability: NDArray[np.float64]
    """With which the policy serves this model to this request. 1.0: it always does."""
    reason: NDArray[np.object_]
    """A `Reason` each."""
    would_be: NDArray[np.int64]
    """Index of the model that the policy would give it live: another one than `model` only in a
    shadow and outside a canary."""
    would_be_reason: NDArray[np.object_]
    """A `Reason` each, of that."""


def decide(policy: Policy, scores: ArrayLike, facts: Facts | None = None) -> Decisions:
    """Which model answers each request.

    A request gets the dearest model whose threshold its score meets (score >= threshold), and the
    weakest where it meets none. One that needs the strong model gets the strongest. A policy that
    is unconditional gives every request its model. Any other, in a shadow, gives every request the
    strongest model; a canary gives it to the requests outside its share, which are the same ones
    in every process, and the same and fewer as the share grows.

    Args:
        policy: one that is not activated yet is decided as if it were live.
        scores: float64[n, K-1], the k-th column for model k+1; float64[n, 1] or float64[n] is
            one score that is compared with every threshold (a ladder). NaN where a request
            needs the strong model and was not scored. Of an unconditional policy only n is read.
        facts: of the same n requests.

    Raises:
        RouterError: a request that its score should decide has none (NaN).
        ValueError: scores or facts are of another shape.
    """
    import numpy as np

    facts = facts or Facts()
    scores = np.asarray(scores, dtype=np.float64)
    count, strongest = len(scores), len(policy.models) - 1
    if policy.rule != THRESHOLD:
        index = strongest if policy.rule == ALWAYS_STRONG else 0
        model = np.full(count, index, dtype=np.int64)
        return _decisions(policy, model, np.full(count, Reason(policy.rule), dtype=object))
    if scores.ndim == 1:
        scores = scores[:, np.newaxis]
    if scores.ndim != 2 or scores.shape[1] not in (1, strongest):
        raise ValueError(f"{len(policy.models)} models take scores[n, {strongest}] or [n, 1].")
    needs_strong = np.zeros(count, dtype=np.bool_)
    if facts.needs_strong is not None:
        needs_strong |= np.asarray(facts.needs_strong, dtype=np.bool_)
    unscored = int(np.count_nonzero(np.isnan(scores).any(axis=1) & ~needs_strong))
    if unscored:
        raise RouterError(f"{unscored:,} of {count:,} scores are NaN, which decides nothing")

    thresholds = np.tile(_values(policy.thresholds), (count, 1))
    reason = np.full(count, Reason.THRESHOLD, dtype=object)
    if facts.segment is not None:
        if len(facts.segment) != count:
            raise ValueError("Scores and segments must be of one length.")
        rows: dict[str | None, list[int]] = {}
        for row, segment in enumerate(facts.segment):
            rows.setdefault(segment, []).append(row)
        for segment, texts in policy.segments.items():
            if segment in rows:
                thresholds[rows[segment]] = _values(texts)
                reason[rows[segment]] = Reason.SEGMENT_THRESHOLD
    if strongest == 1:
        model = meets(scores[:, 0], thresholds[:, 0]).astype(np.int64)
    else:
        met = meets(scores, thresholds)
        dearest = strongest - np.argmax(met[:, ::-1], axis=1)
        model = np.where(met.any(axis=1), dearest, 0)
    model[needs_strong], reason[needs_strong] = strongest, Reason.NEEDS_STRONG
    return _in_mode(policy, _decisions(policy, model, reason), facts)


def without_score(
    policy: Policy,
    strong_fraction: float | None,
    request: bytes,
    reason: Reason,
    facts: Facts | None = None,
) -> Decisions:
    """What a request gets that has no score, by the policy's fallback and mode.

    Args:
        strong_fraction: the calibrated share, which `share` sends to the strong model, where the
            policy sets no fallback, too. Without it such a request is strong.
        request: what is drawn by, so that every process decides a request alike.
        facts: of the one request.
    """
    import numpy as np

    strongest = len(policy.models) - 1
    share = {"strong": 1.0, "weak": 0.0}.get(policy.fallback or "share", strong_fraction)
    share = 1.0 if share is None else share
    is_strong = _drawn(request) < share
    decisions = _decisions(
        policy,
        np.array([strongest if is_strong else 0]),
        np.array([reason], dtype=object),
    )
    probability = np.array([share if is_strong else 1.0 - share])
    return _in_mode(policy, replace(decisions, probability=probability), facts or Facts())


def needs_strong(
    limits: Iterable[Limits],
    *,
    tokens: ArrayLike,
    images: ArrayLike,
    tools: ArrayLike,
    response_format: ArrayLike,
) -> NDArray[np.bool_]:
    """Which of n requests one of the weaker models cannot take.

    Args:
        limits: of the weaker models.
        tokens: float64[n], of the whole request; NaN where unknown, which any model takes.
        images, tools: int64[n], how many it holds or offers.
        response_format: bool[n], whether the answer must be something other than text.
    """
    import numpy as np

    needs = np.zeros(len(np.asarray(tokens)), dtype=np.bool_)
    for model in limits:
        if model.context is not None:
            needs |= np.asarray(tokens, dtype=np.float64) > model.context
        for is_taken, asked in (
            (model.images, images),
            (model.tools, tools),
            (model.response_format, response_format),
        ):
            if not is_taken:
                needs |= np.asarray(asked) > 0
    return needs


def _in_mode(policy: Policy, decisions: Decisions, facts: Facts) -> Decisions:
    """What is served of decisions that the policy made by its rule."""
    import numpy as np

    mode, strongest = policy.mode, len(policy.models) - 1
    if policy.rule != THRESHOLD or mode in (None, LIVE):
        return decisions
    count = len(decisions.model)
    if mode == SHADOW:
        share, is_outside = 0.0, np.ones(count, dtype=np.bool_)
    else:
        share = float(str(mode).removeprefix("canary="))
        ids = [_draws_by(facts, row) for row in range(count)]
        is_outside = np.array([i is None or _drawn(i) >= share for i in ids], dtype=np.bool_)
    outside_reason = Reason.SHADOW if mode == SHADOW else Reason.CANARY_OUT
    model = np.where(is_outside, strongest, decisions.model)
    # With what probability the policy itself gives a request the model that it is served.
    own = np.where(model == decisions.model, decisions.probability, 1.0 - decisions.probability)
    return Decisions(
        model,
        _names(policy)[model],
        share * own + (1.0 - share) * (model == strongest),
        np.where(is_outside, np.array(outside_reason, dtype=object), decisions.reason),
        decisions.model,
        decisions.reason,
    )


def _draws_by(facts: Facts, row: int) -> bytes | None:
    """What a canary draws a request by, if it has anything."""
    for kind in ("conversation", "end_user", "request_id"):
        ids = getattr(facts, kind)
        if ids is not None and ids[row] is not None:
            # Another draw than that of the fallback.
            return f"canary {kind} {ids[row]}".encode("utf-8", "surrogatepass")
    return None


def _drawn(by: bytes) -> float:
    """A number in [0, 1) that is the same in every process: 52 bits of a digest."""
    return (int.from_bytes(hashlib.sha256(by).digest()[:8], "big") >> 12) / 2**52


def _decisions(policy: Policy, model: NDArray[np.int64], reason: NDArray[np.object_]) -> Decisions:
    import numpy as np

    return Decisions(model, _names(policy)[model], np.ones(len(model)), reason, model, reason)


def _names(policy: Policy) -> NDArray[np.object_]:
    import numpy as np

    return np.array(policy.models, dtype=object)


def _values(thresholds: Sequence[str]) -> list[float]:
    return [threshold_value(text) for text in thresholds]
