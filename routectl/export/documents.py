"""A policy as a document for programs: env, JSON or YAML."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from routectl.errors import RoutectlError, UsageError
from routectl.policy import LIVE, REQUEST, THRESHOLD, Policy, named_pair

_BEGINNINGS = (
    rb"router-\S+-\d+(\.\d+)?\s*\Z",
    rb"ROUTECTL_[A-Z_]+=",
    rb"\{\s*\"config_string\":",
    rb"config_string:",
)
"""Of the files that are written, format by format. A document begins with its first value."""

_Values = dict[str, str | float | int | Mapping[str, str] | None]


@dataclass(frozen=True, slots=True)
class Exported:
    """What a proxy should carry out, and what it achieved."""

    policy: Policy
    recorded: bool
    """The policy is stored. What is older than the record is exported with the keys of then."""
    strong_fraction: float | None
    """Of the sample that the threshold was chosen on; None where there is no threshold."""
    expires_at: datetime | None = None
    """When somebody has to look at the activation again; None: never."""


def document(exported: Exported, format: str) -> str:
    """The policy as "env", "json" or "yaml", ending in a newline."""
    return _WRITERS[format](_values(exported))


def is_exported(head: bytes) -> bool:
    """Whether a file that begins so was written by `routectl export`, in any of its formats."""
    return any(re.match(pattern, head) for pattern in _BEGINNINGS)


def _values(exported: Exported) -> _Values:
    policy = exported.policy
    try:
        config: str | None = policy.live_config_string()
    except RoutectlError:
        config = None
    router = policy.routers[0] if policy.routers else None
    # An unconditional policy names a router, for the config string, and scores with none.
    scoring = router if policy.rule == THRESHOLD else None
    pair = None if scoring is None else named_pair(scoring.spec)
    mapping = {} if scoring is None else scoring.spec.mapping
    values: _Values = {
        "config_string": config,
        "mode": policy.rule,
        "router": None if router is None else router.spec.name,
        "threshold": policy.thresholds[0] if policy.thresholds else None,
        "fingerprint": None if scoring is None else scoring.fingerprint,
        "strong_model": None if pair is None else pair.strong,
        "weak_model": None if pair is None else pair.weak,
        "scored_as": _pairs(mapping) or None,
        "strong_fraction": exported.strong_fraction,
        "route": policy.route,
        "calibration_id": policy.calibration_id,
        "activation_id": policy.activation_id,
    }
    if exported.recorded:
        values |= {
            "checkpoint": None if scoring is None else scoring.spec.checkpoint,
            "mapping": dict(mapping),
            "extraction_version": policy.extraction_version,
            "policy_version": policy.to_json()["version"],
        }
        # Where there are segments, `threshold` is only the default's.
        if policy.segments:
            first = {name: thresholds[0] for name, thresholds in policy.segments.items()}
            values |= {"segment_field": policy.segment_field, "segments": first}
        if policy.unit != REQUEST:
            values["unit"] = policy.unit
        # Not of what runs live without a fallback: that is exported as it always was.
        if policy.mode not in (None, LIVE) or policy.fallback is not None:
            values |= {"policy_mode": policy.mode, "fallback": policy.fallback}
        if policy.limits:
            values |= {"limits": {model: str(limits) for model, limits in policy.limits.items()}}
    if exported.expires_at is not None:
        values["expires_at"] = exported.expires_at.astimezone(UTC).isoformat()
    return values


def _pairs(mapping: Mapping[str, str]) -> str:
    return ",".join(f"{new}={scored_as}" for new, scored_as in mapping.items())


def _env(values: _Values) -> str:
    for name, value in values.items():
        if not str(value).isprintable():
            # Not every reader of such a file knows quotes, and to one that does not a line break
            # begins the next variable.
            raise UsageError(
                f"the {name.replace('_', ' ')} holds characters that no line of an env file can "
                "hold: export it as json or yaml"
            )
    texts = {
        # A segment's name may hold what separates pairs.
        name: json.dumps(value)
        if name == "segments"
        else _pairs(value) or None
        if isinstance(value, Mapping)
        else value
        for name, value in values.items()
    }
    return "".join(
        f"ROUTECTL_{name.upper()}={shlex.quote(str(text))}\n"
        for name, text in texts.items()
        if text is not None
    )


def _json(values: _Values) -> str:
    return json.dumps(values, indent=2) + "\n"


def _yaml(values: _Values) -> str:
    import yaml

    return str(yaml.safe_dump(values, sort_keys=False))


_WRITERS: dict[str, Callable[[_Values], str]] = {
    "env": _env,
    "json": _json,
    "yaml": _yaml,
}
