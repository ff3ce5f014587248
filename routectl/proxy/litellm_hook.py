"""Inside LiteLLM's proxy: the classifier of its complexity router, and a callback of the proxy.

One object is both. As a callback it puts an empty record into the request's metadata, in place of
whatever a client sent there; as the classifier it decides by routes.json (ROUTECTL_ROUTES), and
fills the record, which LiteLLM then writes to its log. `routectl export --format litellm` writes
the configuration that names it.

LiteLLM copies only the top level of a request's metadata between the two calls, so the record that
the classifier fills is the one that is logged. A test holds it to that.
"""

from __future__ import annotations

import logging
import os
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from litellm.integrations.custom_logger import CustomLogger

from routectl.callers import user_and_session
from routectl.errors import InputError, UsageError
from routectl.export import STRONG_TIER, WEAK_TIER
from routectl.export.litellm_check import version_fault
from routectl.field_text import text
from routectl.policy import THRESHOLD
from routectl.proxy.decider import Decider, RequestFacts
from routectl.proxy.litellm_checks import (
    is_deployed,
    refusal,
    require_access,
    require_readable,
    stream_usage,
    unaliased,
)
from routectl.proxy.running import Running

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from routectl.export import ActiveRoute

log = logging.getLogger("routectl.proxy")

ROUTES, ALLOW_CLIENT_THRESHOLD = "ROUTECTL_ROUTES", "ROUTECTL_ALLOW_CLIENT_THRESHOLD"
_METADATA = ("litellm_metadata", "metadata")
"""Where LiteLLM keeps its own of a request: the first one that is there."""
_LOGGED, _RECORD = "spend_logs_metadata", "routectl"


class _Record(dict[str, Any]):
    """What is logged of a decision, and what it needs to know that is not logged."""

    __slots__ = ("called", "facts")
    called: str
    """The model that the client named: the route, or where that is allowed, a threshold for it."""
    facts: RequestFacts

    def __reduce__(self) -> tuple[type, tuple[dict[str, Any]]]:
        # A copy is what is logged: the facts hold the whole request.
        return dict, (dict(self),)


class RoutectlPlugin(CustomLogger):  # type: ignore[misc, unused-ignore]
    """Decides for LiteLLM."""

    def __init__(self) -> None:
        """Begin to load routers, in a thread: a worker that takes longer than five seconds to
        start is ended by uvicorn.

        Raises:
            InputError: this LiteLLM cannot route by a plug-in; the proxy does not start then.
        """
        super().__init__()
        fault = version_fault(version("litellm"))
        if fault is not None:
            raise InputError(f"LiteLLM {fault}; install it with: pip install 'routectl[litellm]'")
        self._decider: Decider | None = None
        self._models: dict[str, tuple[str | None, ...]] = {}
        """Of each route, as they were first read: LiteLLM's tiers name these until it restarts."""
        path = os.environ.get(ROUTES)
        if path:
            running = Running(Path(path), in_background=True, require=self._require_models)
            allowed = os.environ.get(ALLOW_CLIENT_THRESHOLD) or None
            self._decider = Decider(running, allow_client_threshold=allowed)
            running.watch()
        else:
            log.error("%s is not set, so nothing is decided: it is the path of routes.json", ROUTES)

    def __reduce__(self) -> str:
        # LiteLLM copies its list of models with all that is in it; this object is one for all.
        return "plugin"

    def _require_models(self, routes: Mapping[str, ActiveRoute]) -> None:
        """Refuse a policy between other models than LiteLLM's: its record would be untrue.

        An unconditional one is carried out all the same, by the tier that it names.
        """
        for name, route in routes.items():
            policy = route.policy
            if self._models.setdefault(name, policy.models) == policy.models:
                continue
            if policy.rule == THRESHOLD:
                raise InputError(
                    f"the route {name!r} is between other models than LiteLLM was started with: "
                    "run `routectl export --format litellm` again, and restart LiteLLM"
                )

    async def async_pre_call_hook(
        self, user_api_key_dict: Any, cache: Any, data: dict[str, Any], call_type: Any
    ) -> dict[str, Any]:
        """Give a request its record; one of a client's own is taken off every request."""
        called = data.get("model")
        if self._decider is not None and isinstance(called, str):
            data["model"] = await self._route(self._decider, called, user_api_key_dict)
            route = self._decider.running.routes.get(unaliased(data["model"]))
            if route is not None:
                require_readable(data)
                team = getattr(user_api_key_dict, "team_id", None)
                data.update(stream_usage(data, call_type, route.active.policy.models, team))
        held = [key for key in _METADATA if isinstance(data.get(key), dict)]
        for key in held:
            logged = data[key].get(_LOGGED)
            if isinstance(logged, dict) and _RECORD in logged:
                data[key][_LOGGED] = {k: v for k, v in logged.items() if k != _RECORD}
        if held:
            logged = data[held[0]].get(_LOGGED)
            record = _Record()
            record.called = str(called)
            record.facts = replace(_facts(data), fields=_segment_fields(user_api_key_dict, data))
            data[held[0]][_LOGGED] = {
                **(logged if isinstance(logged, dict) else {}),
                _RECORD: record,
            }
        return data

    async def _route(self, decider: Decider, model: str, key: Any) -> str:
        """The model that LiteLLM shall route: that which was called, or the route of a threshold.

        Args:
            key: the authenticated one.
        """
        if not decider.is_client_threshold(model) or is_deployed(model):
            return model
        try:
            route, _ = await decider.called(model)
        except (InputError, UsageError) as error:
            raise refusal(400, f"{error}.") from None
        await require_access(key, route)
        return route

    async def classify(self, context: Any) -> str | None:
        """The tier of a request; None where no route of that name runs."""
        record = _record(context.metadata)
        if record is None:
            log.error("a request has no record: is the plug-in among the callbacks, too?")
            return None
        if self._decider is None:
            log.error("a request was not decided: %s is not set", ROUTES)
            return None
        try:
            # What is logged is what is scored: the messages as the guardrails left them.
            body = context.raw_messages or context.structured_messages
            _log_what_is_scored(record.facts.whole, body)
            called = _called(self._decider, record.called, context.metadata)
            decision = await self._decider.decide(called, body, record.facts)
        except (InputError, UsageError) as error:
            log.error("a request was not decided: %s", error)
            return None
        record.update(decision.to_json())
        return STRONG_TIER if decision.decision == "strong" else WEAK_TIER


def _called(decider: Decider, called: str, metadata: Mapping[str, Any]) -> str:
    """The model name that decides: a client's threshold, or the route that LiteLLM came to, also
    by an alias or as the fallback of another model."""
    group = metadata.get("model_group")
    if decider.is_client_threshold(called) or not isinstance(group, str):
        return called
    return group if group in decider.running.routes else unaliased(group)


def _facts(data: Mapping[str, Any]) -> RequestFacts:
    """What the proxy knows of a request. What the client names itself is in its body."""
    own = [data[key] for key in _METADATA if isinstance(data.get(key), dict)]
    # A trace is no conversation: LiteLLM gives each call one of its own.
    ids = [data.get("litellm_session_id"), *(held.get("session_id") for held in own)]
    session = next((written for written in ids if isinstance(written, str) and written), None)
    users = [held.get("user_api_key_end_user_id") for held in own]
    user, inside = user_and_session(next((u for u in users if isinstance(u, str) and u), None))
    call_id = data.get("litellm_call_id")
    return RequestFacts(
        conversation=session or inside,
        end_user=user,
        request_id=call_id if isinstance(call_id, str) else None,
        whole=data,
    )


def _log_what_is_scored(data: object, messages: Sequence[Any]) -> None:
    """Of a Responses call LiteLLM logs what the client sent, and of others what its guardrails
    left: so a masked text would be in the log all the same, and be another one than was scored."""
    if isinstance(data, dict) and not data.get("messages"):
        logged = data.get("litellm_logging_obj")
        if logged is not None and hasattr(logged, "update_messages"):
            logged.update_messages(list(messages))


def _segment_fields(key: Any, data: Mapping[str, Any]) -> dict[str, str | None]:
    """The fields that segments can be of, as LiteLLM logs them and an import reads them.

    Args:
        key: the authenticated one: nothing of it is the client's to choose.
    """
    team, team_id, alias = (
        text(getattr(key, attribute, None)) for attribute in ("team_alias", "team_id", "key_alias")
    )
    return {"team": team or team_id, "key_alias": alias, "model_group": text(data.get("model"))}


def _record(metadata: Mapping[str, Any]) -> _Record | None:
    logged = metadata.get(_LOGGED)
    record = logged.get(_RECORD) if isinstance(logged, dict) else None
    return record if isinstance(record, _Record) else None


def __getattr__(name: str) -> RoutectlPlugin:
    """`plugin`, which the configuration of the proxy names.

    Made when it is asked for, which LiteLLM does as each worker reads the configuration: so its
    routers are loaded before requests come, and nothing is where the module is only imported.
    """
    if name != "plugin":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    made = globals()[name] = RoutectlPlugin()
    return made
