"""A policy as a document for programs: env, JSON or YAML."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from routectl.errors import RoutectlError, UsageError
from routectl.policy import CLIENT_PREFIX, LIVE, REQUEST, THRESHOLD, Policy, named_pair

_CONFIG_STRING = re.compile(rf"{CLIENT_PREFIX}\S+-\d+(\.\d+)?\s*")
_ENV_LINE = re.compile(r"ROUTECTL_([A-Z_]+)=(.+)")
_BASE_KEYS = ("config_string", "mode", "router", "threshold", "fingerprint")
"""Of every document in JSON or YAML, of whatever version."""
_KEYS = (
    *_BASE_KEYS,
    *("strong_model", "weak_model", "scored_as", "strong_fraction"),
    *("route", "calibration_id", "activation_id"),
    *("checkpoint", "mapping", "extraction_version", "policy_version"),
    *("segment_field", "segments", "unit", "policy_mode", "fallback", "limits", "expires_at"),
)
"""All that a document of any version has, in their order."""

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


def is_exported(content: bytes) -> bool:
    """Whether all of a file was written by `routectl export`, as a string, env, JSON or YAML.

    What was added to one of them by hand, even a comment, makes it somebody else's.
    """
    try:
        text = content.decode()
    except UnicodeDecodeError:
        return False
    return _CONFIG_STRING.fullmatch(text) is not None or any(
        is_form_of(text) for is_form_of in (_is_env, _is_json, _is_yaml)
    )


def _is_env(text: str) -> bool:
    matches = [_ENV_LINE.fullmatch(line) for line in text.removesuffix("\n").split("\n")]
    written = [match.groups() for match in matches if match is not None]
    names = [name.lower() for name, _ in written]
    return (
        len(written) == len(matches)
        and "mode" in names
        and names == [key for key in _KEYS if key in names]
        and all(_is_quoted(value) for _, value in written)
    )


def _is_quoted(value: str) -> bool:
    try:
        return [shlex.quote(part) for part in shlex.split(value)] == [value]
    except ValueError:
        return False


def _is_json(text: str) -> bool:
    if not text.startswith("{"):
        return False
    try:
        values = json.loads(text)
        return _has_our_keys(values) and _json(values) == text
    except (ValueError, RecursionError):
        return False


def _is_yaml(text: str) -> bool:
    import yaml

    # The parser is slow, and takes nearly every text.
    if not text.startswith("config_string:"):
        return False
    try:
        values = yaml.safe_load(text)
        return _has_our_keys(values) and _yaml(values) == text
    except (ValueError, RecursionError, yaml.YAMLError):
        return False


def _has_our_keys(values: object) -> bool:
    return isinstance(values, dict) and set(_BASE_KEYS) <= values.keys() <= set(_KEYS)


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
