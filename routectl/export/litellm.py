"""What LiteLLM's configuration takes: a complexity router for each route, decided by routectl."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from routectl.errors import RoutectlError
from routectl.export.routes import ActiveRoute

PLUGIN = "routectl.proxy.litellm_hook.plugin"
"""The object that is classifier and callback."""

WEAK_TIER, STRONG_TIER = "SIMPLE", "REASONING"
"""LiteLLM's names for the cheapest and the dearest tier."""

CALLBACK = f'litellm_settings: {{callbacks: ["{PLUGIN}"]}}'
"""What the operator must add to their own settings: included ones would replace them whole."""

UPSTREAM, UPSTREAM_KEY = "ROUTECTL_UPSTREAM", "ROUTECTL_UPSTREAM_KEY"

_HEAD = "# Written by `routectl export --format litellm`.\n"
_TIMEOUT_MS = 60_000
"""Above every deadline of the plug-in's own, after which the policy's fallback decides: LiteLLM's
would send the request to the strong model and log no decision."""
_TIMEOUTS_MS = (_TIMEOUT_MS, 10_000)
"""That and those of earlier versions."""
POLICY_OVERRIDES: Mapping[str, tuple[object, str]] = {
    "route_housekeeping_to_cheapest_tier": (
        False,
        "LiteLLM decides some requests of {route} by itself",
    ),
    "escalation_keywords": (
        [],
        "a client of {route} that writes LITELLM ESCALATE gets the stronger model",
    ),
    "max_tokens_from_tier_model": (
        False,
        "LiteLLM replaces the longest answer that a client of {route} asks for by the model's own",
    ),
    "context_compaction": (
        False,
        "LiteLLM replaces long conversations of {route} by a summary that one more call writes",
    ),
}
"""What LiteLLM's router does by default that overrides the policy or the request: the setting, the
value that turns it off, and what happens otherwise. A release that lacks one of them passes over
it."""
_EARLIER_OVERRIDES = ("route_housekeeping_to_cheapest_tier",)
"""Those that earlier versions wrote."""
_SETTINGS: Mapping[str, object] = {
    "litellm_settings": {"callbacks": [PLUGIN]},
    "general_settings": {"master_key": "os.environ/LITELLM_MASTER_KEY"},
}
"""Of a whole configuration."""


def litellm_fragment(routes: Mapping[str, ActiveRoute]) -> str:
    """A YAML document with `model_list`, for `include:`.

    Raises:
        RoutectlError: a route declares no models, or more than two, or its segments are by model
            group, of which LiteLLM has one for all of a route.
    """
    return _written({"model_list": _entries(routes)})


def litellm_config(routes: Mapping[str, ActiveRoute]) -> str:
    """A whole configuration, to try the proxy with: routes, their deployments, callback, key.

    Each deployment is an OpenAI-compatible endpoint whose address and key are environment
    variables, by `variable`.

    Raises:
        RoutectlError: as `litellm_fragment`; or two models would share their variables.
    """
    entries = _entries(routes)
    models = sorted({str(model) for route in routes.values() for model in route.policy.models})
    if len({variable(UPSTREAM, model) for model in models}) < len(models):
        raise RoutectlError(
            "two models differ in signs alone, so their environment variables would be the same: "
            "write the configuration by hand"
        )
    for model in models:
        entries.append(_deployment(model))
    return _written({"model_list": entries, **_SETTINGS})


def variable(prefix: str, model: str) -> str:
    """The environment variable of a model's address or key, such as ROUTECTL_UPSTREAM_GPT_4O."""
    return f"{prefix}_{re.sub('[^A-Z0-9]+', '_', model.upper())}"


def _written(config: Mapping[str, object]) -> str:
    import yaml

    return _HEAD + str(yaml.safe_dump(dict(config), sort_keys=False))


def _entries(routes: Mapping[str, ActiveRoute]) -> list[dict[str, object]]:
    entries: list[dict[str, object]] = []
    for name, route in routes.items():
        models = route.policy.models
        if len(models) != 2 or None in models:
            raise RoutectlError(
                f"the route {name!r} does not declare two models, which LiteLLM's configuration "
                "names: run `routectl route set`, calibrate and activate it again"
            )
        if route.policy.segment_field == "model_group":
            raise RoutectlError(
                f"the segments of the route {name!r} are by model group, and behind LiteLLM all "
                "of its requests have its name for one: calibrate it --by team or --by key_alias"
            )
        weak, strong = models
        entries.append(_router(name, weak, strong))
    return entries


def _router(
    name: str,
    weak: str | None,
    strong: str | None,
    timeout_ms: int = _TIMEOUT_MS,
    overrides: Iterable[str] = POLICY_OVERRIDES,
) -> dict[str, object]:
    """The entry of a route."""
    return {
        "model_name": name,
        "litellm_params": {
            "model": f"auto_router/complexity_router/{name}",
            "complexity_router_default_model": strong,
            "complexity_router_config": {
                "classifier_type": "custom",
                "classifier_plugin": PLUGIN,
                "classifier_plugin_timeout_ms": timeout_ms,
                "classifier_fallback": "default_model",
                "default_model": strong,
                "tiers": {WEAK_TIER: weak, STRONG_TIER: strong},
                **{setting: POLICY_OVERRIDES[setting][0] for setting in overrides},
            },
        },
    }


def _deployment(model: str) -> dict[str, object]:
    """The entry of a model in a whole configuration."""
    params = {
        "model": f"openai/{model}",
        "api_base": f"os.environ/{variable(UPSTREAM, model)}",
        "api_key": f"os.environ/{variable(UPSTREAM_KEY, model)}",
    }
    return {"model_name": model, "litellm_params": params}


def is_litellm_fragment(content: bytes) -> bool:
    """Whether all of a file was written as `litellm_fragment` or `litellm_config`.

    What was added to it or changed by hand makes it somebody else's.
    """
    import yaml

    if not content.startswith(_HEAD.encode()):
        return False
    try:
        text = content.decode()
        config = yaml.safe_load(text)
        if not isinstance(config, dict) or _written(config) != text:
            return False
    except (ValueError, RecursionError, yaml.YAMLError):
        return False
    entries = config.pop("model_list", None)
    return (
        config in ({}, _SETTINGS) and isinstance(entries, list) and all(map(_is_written, entries))
    )


def _is_written(entry: object) -> bool:
    """Whether an entry of `model_list` is one that is written here."""
    if not isinstance(entry, dict):
        return False
    try:
        name, params = entry["model_name"], entry["litellm_params"]
        if "complexity_router_config" not in params:
            return bool(entry == _deployment(name))
        tiers = params["complexity_router_config"]["tiers"]
        weak, strong = tiers[WEAK_TIER], tiers[STRONG_TIER]
    except (KeyError, TypeError, AttributeError):
        return False
    earlier = (_router(name, weak, strong, ms, _EARLIER_OVERRIDES) for ms in _TIMEOUTS_MS)
    return entry in (_router(name, weak, strong), *earlier)
