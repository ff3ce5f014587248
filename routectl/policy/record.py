"""The record of a policy: what decides a request of a route, as it is stored and exported.

A calibration stores one, `activate` completes a copy of it, and exports say it. Stored policies
never change, so the record is made for K models, although two are all that is filled in today.
"""

from __future__ import annotations

import contextlib
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from routectl.errors import InputError, RoutectlError, UsageError
from routectl.escaping import quoted_names
from routectl.records import Limits, ModelPair, RouterSpec

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


CLIENT_PREFIX = "router-"
"""How a model name begins that has a threshold of the client's own."""
_LONGEST_THRESHOLD = 40
"""Characters of a client's: far more than any decimal that tells two scores apart."""


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

    def with_threshold_of(self, model: str) -> Policy:
        """The policy with the threshold that a client's model name has, in all segments.

        An unconditional policy stays as it is: whoever made all requests weak meant all of them.

        Args:
            model: router-ROUTER-THRESHOLD, as RouteLLM's clients write it.

        Raises:
            UsageError: it names another router or no plain decimal in [0, 1], or the policy is
                not one threshold between two models.
        """
        if self.rule != THRESHOLD:
            return self
        if len(self.models) != 2:
            raise UsageError("a client's threshold takes a route between two models")
        prefix = config_string(self.routers[0].spec.name, "")
        text = model.removeprefix(prefix)
        if model.startswith(prefix) and len(text) <= _LONGEST_THRESHOLD:
            with contextlib.suppress(InputError):
                return replace(self, thresholds=(text,), segments={}, segment_field=None)
        raise UsageError(
            f"a model name with a threshold is {prefix}T, with T a plain decimal from 0 to 1"
        )

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


def _is_canary(mode: str) -> bool:
    match = _CANARY.fullmatch(mode)
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
