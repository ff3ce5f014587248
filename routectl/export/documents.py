"""A decision as a document for programs: env, JSON or YAML."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable

from routectl.errors import RoutectlError
from routectl.export.config_string import config_string
from routectl.export.decision import Decision


def document(decision: Decision, format: str) -> str:
    """The decision as "env", "json" or "yaml", ending in a newline."""
    return _WRITERS[format](_values(decision))


def _values(decision: Decision) -> dict[str, str | float | int | None]:
    try:
        config: str | None = config_string(decision)
    except RoutectlError:
        config = None
    pair = decision.model_pair
    return {
        "config_string": config,
        "mode": decision.mode,
        "router": decision.router,
        "threshold": decision.threshold,
        "fingerprint": decision.fingerprint,
        "strong_model": None if pair is None else pair.strong,
        "weak_model": None if pair is None else pair.weak,
        "scored_as": ",".join(f"{new}={known}" for new, known in decision.scored_as.items())
        or None,
        "strong_fraction": decision.strong_fraction,
        "route": decision.route,
        "calibration_id": decision.calibration_id,
        "activation_id": decision.activation_id,
    }


def _env(values: dict[str, str | float | int | None]) -> str:
    return "".join(
        f"ROUTECTL_{name.upper()}={shlex.quote(str(value))}\n"
        for name, value in values.items()
        if value is not None
    )


def _json(values: dict[str, str | float | int | None]) -> str:
    return json.dumps(values, indent=2) + "\n"


def _yaml(values: dict[str, str | float | int | None]) -> str:
    import yaml

    return str(yaml.safe_dump(values, sort_keys=False))


_WRITERS: dict[str, Callable[[dict[str, str | float | int | None]], str]] = {
    "env": _env,
    "json": _json,
    "yaml": _yaml,
}
