"""A LiteLLM proxy's configuration, as `routectl doctor` looks at it before the proxy starts.

Included files are merged as LiteLLM does: lists grow, and every other value is replaced whole.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from routectl.documents import read_document
from routectl.errors import InputError
from routectl.export.litellm import PLUGIN, POLICY_OVERRIDES

_OLDEST = (1, 99)
_NEVER = ("1.82.7", "1.82.8", "1.107.0")
"""Malicious or withdrawn releases of LiteLLM."""
_MOST_FILES = 100
_CUSTOM_AUTH_CHECKS = (
    ("litellm_settings", "enable_post_custom_auth_checks"),
    ("general_settings", "custom_auth_run_common_checks"),
)
"""Section and name of what LiteLLM wants, both, to check keys that `custom_auth` let in."""


def version_fault(version: str) -> str | None:
    """Why a release of LiteLLM cannot be taken; None where it can."""
    if version in _NEVER:
        return f"{version} is a malicious or withdrawn release"
    numbers = tuple(int(part) for part in version.split(".")[:2] if part.isdigit())
    if numbers < _OLDEST:
        return f"{version} has no classifier plug-in: 1.99 has it"
    return None


@dataclass(frozen=True, slots=True)
class Fault:
    """What would not work as it should, and the setting that changes it."""

    check: str
    """callback, routes, deployments, budgets, logging or keys."""
    what: str
    setting: str


@dataclass(frozen=True, slots=True)
class LitellmConfig:
    """A configuration with all that it includes."""

    values: Mapping[str, Any]
    replaced: tuple[str, ...]
    """Sections that an included file replaces whole."""

    @classmethod
    def read(cls, path: Path) -> LitellmConfig:
        """Read a file and what it includes.

        Raises:
            InputError: one cannot be read, or is no YAML mapping.
        """
        values = _load(path)
        replaced: list[str] = []
        waiting = _included(values, path)
        seen = {path.resolve()}
        while waiting:
            one = waiting.pop(0)
            if one.resolve() in seen:
                continue
            seen.add(one.resolve())
            if len(seen) > _MOST_FILES:
                raise InputError(f"{path} includes more than {_MOST_FILES} files")
            more = _load(one)
            waiting += _included(more, one)
            for key, value in more.items():
                held = values.get(key)
                if isinstance(value, list) and isinstance(held, list):
                    values[key] = [*held, *value]
                elif key != "include":
                    if held is not None:
                        replaced.append(key)
                    values[key] = value
        return cls(values, tuple(replaced))

    def faults(self, routes: Mapping[str, tuple[str | None, ...]]) -> Iterator[Fault]:
        """What is wrong with it for these routes.

        Args:
            routes: models from weak to strong, by the route's name.
        """
        yield from self._settings()
        for name, models in routes.items():
            yield from self._route(name, models)
        yield from self._budgets(routes)

    def _settings(self) -> Iterator[Fault]:
        settings = self._section("litellm_settings")
        callbacks = settings.get("callbacks")
        if "litellm_settings" in self.replaced:
            yield Fault(
                "callback",
                "an included file replaces litellm_settings whole, with the callbacks in it",
                "take litellm_settings out of the included file",
            )
        if PLUGIN not in (callbacks if isinstance(callbacks, list) else [callbacks]):
            yield Fault(
                "callback",
                "our callback is not named, so no decision is logged",
                f'litellm_settings: {{callbacks: ["{PLUGIN}"]}}',
            )
        if settings.get("turn_off_message_logging") is True:
            yield Fault(
                "logging",
                "the log will hold no prompts, so nothing can be calibrated from it",
                "litellm_settings: {turn_off_message_logging: false}",
            )
        missing = [
            f"{section}: {{{name}: true}}"
            for section, name in _CUSTOM_AUTH_CHECKS
            if self._section(section).get(name) is not True
        ]
        if self._section("general_settings").get("custom_auth") and missing:
            yield Fault(
                "keys",
                "custom_auth checks neither the models nor the budgets of a key by itself",
                ", ".join(missing),
            )

    def _route(self, name: str, models: tuple[str | None, ...]) -> Iterator[Fault]:
        export = "routectl export --format litellm"
        routers = [
            params["complexity_router_config"]
            for params in self._deployments(name)
            if isinstance(params.get("complexity_router_config"), dict)
        ]
        if not routers:
            yield Fault(
                "routes",
                f"no entry of model_list is the route {name}",
                f"include: [FILE] with what `{export}` writes",
            )
            return
        config = routers[0]
        if (config.get("classifier_type"), config.get("classifier_plugin")) != ("custom", PLUGIN):
            yield Fault(
                "routes",
                f"the route {name} is not decided by routectl",
                f"write its entry anew with `{export}`",
            )
        for key, (value, what) in POLICY_OVERRIDES.items():
            if key not in config or config[key] != value:
                setting = f"complexity_router_config: {{{key}: {json.dumps(value)}}}"
                yield Fault("routes", what.format(route=name), setting)
        tiers = config.get("tiers")
        named = _models_of(tiers)
        if None not in models and not named >= {models[0], models[-1]}:
            yield Fault(
                "routes",
                f"the tiers of {name} are not its models ({', '.join(map(str, models))})",
                f"write its entry anew with `{export}`",
            )
        for model in sorted(named):
            if not self._deployments(model):
                yield Fault(
                    "deployments",
                    f"the route {name} names the deployment {model}, which model_list lacks",
                    f"model_list: [{{model_name: {model}, litellm_params: ...}}]",
                )

    def _budgets(self, routes: Mapping[str, tuple[str | None, ...]]) -> Iterator[Fault]:
        """Budgets that routed calls never meet: LiteLLM checks them by the name that is called."""
        models = {model for names in routes.values() for model in names if model} - set(routes)
        limited = {
            model
            for model in models
            for params in self._deployments(model)
            if params.get("max_budget") is not None
        }
        for budgets in _values_of(self.values, "model_max_budget"):
            limited |= models & set(budgets if isinstance(budgets, dict) else ())
        for model in sorted(limited):
            yield Fault(
                "budgets",
                f"a budget is on {model}, and calls of a route are not held to it",
                f"put it on the route ({', '.join(routes)}), with model_max_budget of the keys",
            )

    def _section(self, name: str) -> Mapping[str, Any]:
        section = self.values.get(name)
        return section if isinstance(section, dict) else {}

    def _deployments(self, name: str) -> list[Mapping[str, Any]]:
        """`litellm_params` of the entries with this name."""
        entries = self.values.get("model_list")
        return [
            entry["litellm_params"]
            for entry in (entries if isinstance(entries, list) else ())
            if isinstance(entry, dict)
            and entry.get("model_name") == name
            and isinstance(entry.get("litellm_params"), dict)
        ]


def _load(path: Path) -> dict[str, Any]:
    import yaml

    try:
        values = yaml.safe_load(read_document(path))
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from None
    except (yaml.YAMLError, RecursionError, ValueError):
        raise InputError(f"{path} is no YAML") from None
    if not isinstance(values, dict):
        raise InputError(f"{path} is no YAML mapping, which a configuration of LiteLLM is")
    return values


def _included(values: Mapping[str, Any], path: Path) -> list[Path]:
    names = values.get("include")
    return [path.parent / str(name) for name in names] if isinstance(names, list) else []


def _models_of(tiers: object) -> set[str]:
    """The deployments that tiers name: one each, or a list of them."""
    values = list(tiers.values()) if isinstance(tiers, dict) else []
    named = [name for value in values for name in (value if isinstance(value, list) else [value])]
    return {name for name in named if isinstance(name, str)}


def _values_of(value: object, key: str) -> Iterator[object]:
    """Each value under a key, however deep.

    What YAML's aliases name several times is looked at once: one may even hold itself.
    """
    waiting, seen = [value], set()
    while waiting:
        one = waiting.pop()
        if not isinstance(one, dict | list) or id(one) in seen:
            continue
        seen.add(id(one))
        if isinstance(one, dict):
            if key in one:
                yield one[key]
            waiting += one.values()
        else:
            waiting += one
