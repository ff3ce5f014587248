"""The policy: what decides which model answers a request of a route.

A calibration stores one, `activate` completes a copy of it, exports say it, and whoever decides,
decides through `decide`. Stored policies never change, so the record and the function are made for
K models, although two are all that is filled in today.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from routectl.errors import InputError, RoutectlError, RouterError
from routectl.escaping import quoted_names
from routectl.records import Limits, ModelPair, RouterSpec

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import ArrayLike, NDArray

POLICY_VERSION = 3
"""Newest version of the record; a reader refuses newer ones. A policy is written as the oldest
version that can say it, so that one which uses nothing new is the same record for ever."""

_NEWER: Mapping[str, tuple[int, Any]] = {
    "limits": (2, {}),
    "segment_field": (3, None),
    "unit": (3, "request"),
}
"""Key that version 1 does not have -> the version that brought it, and its value that says no more
than the versions before."""

THRESHOLD, ALWAYS_STRONG, ALWAYS_WEAK = RULES = ("threshold", "always_strong", "always_weak")
FALLBACKS = ("strong", "weak", "share")

SEGMENT_FIELDS = ("team", "key_alias", "model_group")
"""What segments can be of: a request's field of that name, as a log has it."""

REQUEST, CONVERSATION = UNITS = ("request", "conversation")
"""What is decided at once. Of a conversation its first human text is scored, and the rest of it
follows; of a request its last one."""

LIVE, SHADOW = "live", "shadow"
_CANARY = re.compile(r"canary=((?:0|1)(?:\.[0-9]+)?)")
_DECIMAL = re.compile(r"-?[0-9]+(?:\.[0-9]+)?")


class Reason(StrEnum):
    """Why a request gets its model."""

    THRESHOLD = "threshold"
    """Its score, against the policy's thresholds."""
    SEGMENT_THRESHOLD = "segment_threshold"
    """Its score, against the thresholds of its segment."""
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


@dataclass(frozen=True, slots=True)
class PinnedRouter:
    """A router at one fingerprint: which one, and how to open it again."""

    spec: RouterSpec
    fingerprint: str
    """What must come out when the spec is opened; another one scores otherwise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What decides a request of a route.

    Raises:
        InputError: the parts do not fit together, or a threshold is no plain decimal.
    """

    rule: str = THRESHOLD
    """threshold, always_strong or always_weak. The last two look at no score and no fact."""
    models: tuple[str | None, ...]
    """The route's models from weak to strong, K of them; None where nobody declared one."""
    routers: tuple[PinnedRouter, ...]
    """One whose score is compared with every threshold, or K-1, one for each. Of an unconditional
    policy: those of the route before, the first of which a config string can name."""
    thresholds: tuple[str, ...] = ()
    """K-1 decimals, the k-th for model k+1: exactly the text that is exported. Empty where the
    rule is unconditional. Between two models it lies in [0, 1]."""
    segments: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Segment -> its own K-1 thresholds; `thresholds` hold for all others."""
    segment_field: str | None = None
    """Which field of a request the segments are values of, one of `SEGMENT_FIELDS`; None where
    there are none, and in a record of version 1: whoever decides then names the segment."""
    unit: str = REQUEST
    """request or conversation: whose text is scored."""
    limits: Mapping[str, Limits] = field(default_factory=dict)
    """Model, other than the strongest -> what it cannot take."""
    extraction_version: int
    """Of the text that the routers score."""
    mode: str | None = None
    """live, shadow or canary=SHARE; None until it is activated."""
    fallback: str | None = None
    """What is served where no score can be had: strong, weak or share (the strong fraction of the
    calibration, drawn); None where it is not set."""
    route: str | None = None
    calibration_id: int | None = None
    activation_id: int | None = None

    def __post_init__(self) -> None:
        problem = next(self._problems(), None)
        if problem is not None:
            raise InputError(f"this is no policy that can be carried out: {problem}")

    def _problems(self) -> Iterator[str]:
        models, cuts = len(self.models), len(self.models) - 1
        if models < 2:
            yield f"it takes two models or more, not {models}"
        if self.rule not in RULES:
            yield f"the rule {quoted_names([self.rule], 1)} is none of {', '.join(RULES)}"
        if self.mode not in (None, LIVE, SHADOW) and not _is_canary(self.mode):
            yield f"the mode {quoted_names([self.mode], 1)} is not live, shadow or canary=SHARE"
        if self.fallback not in (None, *FALLBACKS):
            fallback = quoted_names([str(self.fallback)], 1)
            yield f"the fallback {fallback} is none of {', '.join(FALLBACKS)}"
        if self.extraction_version < 1:
            yield f"there is no extraction version {self.extraction_version}"
        if self.unit not in UNITS:
            yield f"the unit {quoted_names([self.unit], 1)} is none of {', '.join(UNITS)}"
        if self.segment_field not in (None, *SEGMENT_FIELDS):
            name = quoted_names([str(self.segment_field)], 1)
            yield f"the segments' field {name} is none of {', '.join(SEGMENT_FIELDS)}"
        if not self.limits.keys() <= set(self.models[:-1]):
            yield "its limits are of other models than its weaker ones"
        for model, limits in self.limits.items():
            if limits.context is not None and limits.context < 1:
                yield f"the context of {quoted_names([model], 1)} is no number of tokens"
        if self.rule != THRESHOLD:
            if self.thresholds or self.segments or self.segment_field or self.unit != REQUEST:
                yield f"the rule {self.rule} takes no thresholds"
            return
        if self.segment_field is not None and not self.segments:
            yield f"it names the field {self.segment_field} and no segment"
        if len(self.routers) not in (1, cuts):
            yield f"{models} models take one router or {cuts}, not {len(self.routers)}"
        yield from _threshold_problems(self.thresholds, cuts, "")
        for segment, thresholds in self.segments.items():
            yield from _threshold_problems(
                thresholds, cuts, f" in segment {quoted_names([segment], 1)}"
            )

    @property
    def _subject(self) -> str:
        """What a sentence says of: a calibration's policy is of no route yet."""
        return "this policy" if self.route is None else f"route {self.route!r}"

    def config_string(self) -> str:
        """The policy as one config string.

        RouteLLM splits it at the first two hyphens and reads the rest as a float in [0, 1]; a
        request goes to the strong model iff its score is at least that. Threshold 0 is therefore
        always-strong, and nothing is always-weak: a score can equal 1.

        Raises:
            RoutectlError: no config string says this policy.
        """
        if self.rule == ALWAYS_WEAK:
            raise RoutectlError(
                f"{self._subject} is set to always-weak, which no config string can say "
                "(a score of 1.0 passes every threshold): take --format env, json or yaml and send "
                "the route to its weak model in the proxy"
            )
        if self.rule == ALWAYS_STRONG:
            if not self.routers:
                raise RoutectlError(
                    f"{self._subject} is set to always-strong and never had a router to name "
                    "in a config string: take --format env, json or yaml"
                )
            return config_string(self.routers[0].spec.name, "0.0")
        if len(self.models) > 2 or self.segments:
            raise RoutectlError(
                "a config string says one threshold between two models, and this policy has "
                "segments or more models: take --format json or yaml"
            )
        if self.unit != REQUEST:
            raise RoutectlError(
                "a config string scores the last text of each request, and this policy the first "
                "one of its conversation: take --format json or yaml"
            )
        return config_string(self.routers[0].spec.name, self.thresholds[0])

    def live_config_string(self) -> str:
        """The policy as one config string, for whoever carries out just that.

        Raises:
            RoutectlError: no config string says this policy: as `config_string`, or its mode is not
                live, or it has limits, which the string would leave out.
        """
        if self.mode not in (None, LIVE):
            raise RoutectlError(
                f"{self._subject} runs in mode {self.mode}, which no config string can say "
                "(whoever takes it would send every request by it): take --format env, json or yaml"
            )
        if self.limits and self.rule == THRESHOLD:
            raise RoutectlError(
                f"{self._subject} declares what {quoted_names(list(self.limits), 3)} cannot "
                "take, which no config string can say (whoever takes it would send such requests "
                "there, too): take --format env, json or yaml"
            )
        return self.config_string()

    def to_json(self) -> dict[str, Any]:
        """As plain JSON values, with the record's version."""
        import msgspec

        values = msgspec.json.decode(msgspec.json.encode(self))
        version = max(
            (since for key, (since, usual) in _NEWER.items() if values[key] != usual), default=1
        )
        later = [key for key, (since, _) in _NEWER.items() if since > version]
        return {"version": version, **{k: v for k, v in values.items() if k not in later}}

    @classmethod
    def from_json(cls, value: object) -> Policy:
        """The policy that `to_json` wrote.

        Raises:
            InputError: it is of a newer version, has other keys, or cannot be carried out.
        """
        import msgspec

        version = value.get("version") if isinstance(value, dict) else None
        if not isinstance(value, dict) or type(version) is not int or version < 1:
            raise InputError("this is no policy: it is no JSON object with a version")
        if version > POLICY_VERSION:
            raise InputError(
                f"a policy of version {version} cannot be read, because this routectl reads up to "
                f"{POLICY_VERSION}: install a newer routectl"
            )
        try:
            policy = msgspec.convert({k: v for k, v in value.items() if k != "version"}, cls)
        except msgspec.ValidationError:
            raise InputError(
                f"this is no policy that can be read: a value is not what version {version} has"
            ) from None
        # A key that is not known, or is not there, may change what the policy means.
        written = policy.to_json()
        if written != value:
            other = sorted(written.keys() ^ value.keys())
            keys = quoted_names(other, 8) if other else "in its routers or limits"
            raise InputError(
                f"this is no policy that can be read: it has other keys than version {version} "
                f"has ({keys})"
            )
        return policy


def config_string(router: str, threshold: str) -> str:
    """What a RouteLLM proxy takes as a model name. Nothing else in routectl makes one."""
    return f"router-{router}-{threshold}"


def named_pair(spec: RouterSpec) -> ModelPair | None:
    """The models as the user named them: those that are scored as others, under their own name."""
    if spec.model_pair is None:
        return None
    names = {scored: named for named, scored in spec.mapping.items()}
    strong, weak = spec.model_pair.strong, spec.model_pair.weak
    return ModelPair(names.get(strong, strong), names.get(weak, weak))


def threshold_value(text: str) -> float:
    """The number that a threshold's text is compared as."""
    return float(text)


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


def _is_canary(mode: str | None) -> bool:
    match = _CANARY.fullmatch(mode or "")
    return match is not None and 0.0 < float(match[1]) < 1.0


def _threshold_problems(thresholds: Sequence[str], cuts: int, where: str) -> Iterator[str]:
    if len(thresholds) != cuts:
        yield f"{cuts + 1} models take {cuts} thresholds, and there are {len(thresholds)}{where}"
    for text in thresholds:
        # Between two models a threshold is what RouteLLM reads: a number in [0, 1].
        if (
            not _DECIMAL.fullmatch(text)
            or not math.isfinite(threshold_value(text))
            or (cuts == 1 and (text.startswith("-") or threshold_value(text) > 1.0))
        ):
            between = " between 0 and 1" if cuts == 1 else ""
            yield f"the threshold {text!r}{where} is no plain decimal{between}"
