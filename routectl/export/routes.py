"""routes.json: what each route runs, all that a proxy needs to decide. It holds no prompt."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from routectl import __version__
from routectl.errors import InputError
from routectl.policy import Policy

ROUTES_VERSION = 1
"""Version of the document; a reader refuses newer ones."""

_FORMAT = "routectl-routes"
_KEYS = {"format", "version", "written_by", "routes"}
_ROUTE_KEYS = {"strong_fraction", "policy"}


@dataclass(frozen=True, slots=True)
class ActiveRoute:
    """A route as it runs."""

    policy: Policy
    strong_fraction: float | None
    """What its calibration achieved on the sample, in [0, 1]: the share that a request without a
    score is sent to the strong model with. None where the policy is unconditional."""


def routes_document(routes: Mapping[str, ActiveRoute]) -> str:
    """The document for these routes by name, ending in a newline."""
    value = {
        "format": _FORMAT,
        "version": ROUTES_VERSION,
        "written_by": f"routectl {__version__}",
        "routes": {
            name: {"strong_fraction": route.strong_fraction, "policy": route.policy.to_json()}
            for name, route in routes.items()
        },
    }
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"


def is_routes_document(content: bytes) -> bool:
    """Whether all of a file was written as `routes_document`: it can be read, with no other key."""
    try:
        read_routes(content)
    except InputError:
        return False
    value = json.loads(content)
    return value.keys() == _KEYS and all(
        route.keys() == _ROUTE_KEYS for route in value["routes"].values()
    )


def read_routes(data: bytes) -> dict[str, ActiveRoute]:
    """The routes of a document by name, at least one.

    Raises:
        InputError: it is none, is of a newer version, or holds what cannot be carried out.
    """
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        raise InputError("it is no JSON") from None
    if not isinstance(value, dict) or value.get("format") != _FORMAT:
        raise InputError("it is no document of `routectl export --format routes`")
    version, routes = value.get("version"), value.get("routes")
    if type(version) is not int or not isinstance(routes, dict) or not routes:
        raise InputError("it has no version or names no route")
    if version > ROUTES_VERSION:
        raise InputError(
            f"it is of version {version}, and this routectl reads up to {ROUTES_VERSION}: install "
            "a newer routectl"
        )
    return {name: _route(name, entry) for name, entry in routes.items()}


def _route(name: str, entry: object) -> ActiveRoute:
    if not isinstance(entry, dict):
        raise InputError(f"its route {name!r} is no JSON object")
    share = entry.get("strong_fraction")
    if share is not None and not (type(share) in (int, float) and 0 <= share <= 1):
        raise InputError(f"the strong fraction of its route {name!r} is not between 0 and 1")
    policy = Policy.from_json(entry.get("policy"))
    if policy.activation_id is None or policy.mode is None:
        raise InputError(f"the policy of its route {name!r} was never activated")
    return ActiveRoute(policy, None if share is None else float(share))
