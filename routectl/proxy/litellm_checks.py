"""What LiteLLM is asked of a request before it routes it: what does its model name mean, may this
key call the route, and can its router read the body?"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from fastapi import HTTPException

_RATES = ("model_rpm_limit", "model_tpm_limit")
_OF_THE_ENTRY = ("guardrails", "default_api_key_rpm_limit", "default_api_key_tpm_limit")
"""Settings of a model's entry that LiteLLM looks up by the name that a client called."""


def refusal(status: int, message: str) -> HTTPException:
    """What a client gets in place of an answer."""
    return HTTPException(status_code=status, detail=message)


def is_deployed(model: str) -> bool:
    """Whether the proxy's own configuration has a model of that name."""
    from litellm.proxy import proxy_server

    router = proxy_server.llm_router
    return router is not None and model in router.get_model_names()


def unaliased(model: str) -> str:
    """The model that an alias of the router's settings stands for; any other name as it is."""
    from litellm.proxy import proxy_server

    aliases = getattr(proxy_server.llm_router, "model_group_alias", None) or {}
    target = aliases.get(model)
    name = target.get("model") if isinstance(target, dict) else target
    return name if isinstance(name, str) else model


async def require_access(key: Any, route: str) -> None:
    """Refuse a key that may not call the route by its own name, or that is limited by model.

    LiteLLM has checked the key, budgets, rates and guardrails for the name that the client called,
    which none of them knows. Whether the key may call the route it tells here; that of the limits
    it would have to count.

    Args:
        key: the authenticated one.
    """
    from litellm.proxy import proxy_server

    router = proxy_server.llm_router
    try:
        from litellm.proxy.auth.auth_checks import can_key_call_resolved_model
    except ImportError:
        message = "This LiteLLM cannot tell whether a key may call a route: upgrade it."
        raise refusal(403, message) from None
    await can_key_call_resolved_model(
        model=route, llm_model_list=router.model_list, valid_token=key, llm_router=router
    )
    if any(_limits_by_model(vars(key))) or _has_rules_of_its_own(router, route):
        message = f"Call {route}: limits by model do not bind a model name with a threshold."
        raise refusal(403, message)


def _limits_by_model(key: Mapping[str, Any]) -> Iterator[object]:
    """Budgets and rates of a key, its user, team and so on, that are of single models."""
    for name, value in key.items():
        if name.endswith(("model_max_budget", "_limit_per_model")):
            yield value
        elif name.endswith("metadata") and isinstance(value, dict):
            yield from (value.get(rate) for rate in _RATES)


def _has_rules_of_its_own(router: Any, route: str) -> bool:
    entries = [entry["litellm_params"] for entry in router.get_model_list(model_name=route) or ()]
    return any(entry.get(name) for entry in entries for name in _OF_THE_ENTRY)


def require_readable(data: Mapping[str, Any]) -> None:
    """Refuse a body whose turns the complexity router cannot read: it would answer 500."""
    try:
        from litellm.litellm_core_utils.prompt_templates.factory import resolve_structured_messages
    except ImportError:
        return
    try:
        # As the router calls it, which has no model among its arguments.
        rest = {name: value for name, value in data.items() if name != "model"}
        turns = resolve_structured_messages(messages=data.get("messages"), request_kwargs=rest)
        is_readable = all(isinstance(part, dict) for part in (*(turns or ()), *_items(data)))
    except Exception:  # whatever it is, the router would meet it, too
        is_readable = False
    if not is_readable:
        raise refusal(400, "The request's messages or input cannot be read: their shape is wrong.")


def stream_usage(
    data: Mapping[str, Any], call_type: Any, models: Iterable[str | None], team: str | None
) -> Mapping[str, object]:
    """What LiteLLM adds to a stream so that its provider says the tokens, and the client is not
    shown them unasked.

    LiteLLM asks whether the called name's deployments can do that, and a route has none: the log
    would have no tokens and no costs, and budgets would not count. So it is asked of the models.

    Args:
        call_type: LiteLLM's name of the API.
        models: those of the route.
        team: the authenticated key's.
    """
    if data.get("_litellm_strip_stream_usage"):  # LiteLLM did it by itself
        return {}
    try:
        from litellm.proxy import common_request_processing, proxy_server

        is_supported = common_request_processing.model_deployments_support_stream_options
        updates = common_request_processing.stream_usage_tracking_updates
    except (ImportError, AttributeError):  # of a release that asks for no usage by itself
        return {}
    router = proxy_server.llm_router
    # One of them is enough: for a provider that knows no such wish, LiteLLM leaves it out.
    added: Mapping[str, object] = updates(
        data=data,
        general_settings=proxy_server.general_settings,
        route_type=getattr(call_type, "value", call_type),
        supports_stream_options=lambda: any(is_supported(model, router, team) for model in models),
    )
    return added


def _items(data: Mapping[str, Any]) -> Iterator[object]:
    """A Responses call's items with their parts, which the router looks at one by one, too."""
    items = data.get("input")
    for item in items if isinstance(items, list) else ():
        yield item
        content = item.get("content") if isinstance(item, dict) else None
        yield from content if isinstance(content, list) else ()
