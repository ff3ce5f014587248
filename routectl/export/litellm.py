"""What LiteLLM's configuration takes: a complexity router for each route, decided by routectl."""

from __future__ import annotations

from collections.abc import Mapping

from routectl.errors import RoutectlError
from routectl.export.routes import ActiveRoute

PLUGIN = "routectl.proxy.litellm_hook.plugin"
"""The object that is classifier and callback."""

WEAK_TIER, STRONG_TIER = "SIMPLE", "REASONING"
"""LiteLLM's names for the cheapest and the dearest tier."""

CALLBACK = f'litellm_settings: {{callbacks: ["{PLUGIN}"]}}'
"""What the operator must add to their own settings: included ones would replace them whole."""

_TIMEOUT_MS = 10_000
"""Covers the loading of the router at the first request; after it, the policy's deadline is far
shorter."""


def litellm_fragment(routes: Mapping[str, ActiveRoute]) -> str:
    """A YAML document with `model_list`, for `include:`.

    Raises:
        RoutectlError: a route declares no models, or more than two, or its segments are by model
            group, of which LiteLLM has one for all of a route.
    """
    import yaml

    entries = []
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
        entries.append(
            {
                "model_name": name,
                "litellm_params": {
                    "model": f"auto_router/complexity_router/{name}",
                    "complexity_router_default_model": strong,
                    "complexity_router_config": {
                        "classifier_type": "custom",
                        "classifier_plugin": PLUGIN,
                        "classifier_plugin_timeout_ms": _TIMEOUT_MS,
                        "classifier_fallback": "default_model",
                        "default_model": strong,
                        "tiers": {WEAK_TIER: weak, STRONG_TIER: strong},
                        "route_housekeeping_to_cheapest_tier": False,
                    },
                },
            }
        )
    head = "# Written by `routectl export --format litellm`.\n"
    return head + str(yaml.safe_dump({"model_list": entries}, sort_keys=False))


def is_litellm_fragment(head: bytes) -> bool:
    """Whether a file that begins so was written as `litellm_fragment`."""
    return head.startswith(b"# Written by `routectl export --format litellm`.\n")
