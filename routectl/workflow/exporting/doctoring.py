"""`routectl doctor`: whether what decides in production is what was calibrated, link by link.

Nothing is changed, no router is loaded, and no prompt is sent anywhere.
"""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from sqlalchemy import Connection

from routectl import extraction
from routectl.documents import read_document
from routectl.endpoint import checked_host
from routectl.errors import InputError, RoutectlError, UsageError
from routectl.export import ActiveRoute, read_routes, routes_document
from routectl.export.litellm_check import LitellmConfig, version_fault
from routectl.policy import CONVERSATION, THRESHOLD
from routectl.proxy.bundle import MANIFEST, ROUTES, Bundle, read_bundle
from routectl.records import IdKind
from routectl.route import quoted
from routectl.routers import open_spec
from routectl.store import routes as stored_routes
from routectl.store.doctoring import Newest, newest_requests
from routectl.store.engine import SCHEMA_VERSION, Location, connect, schema_version
from routectl.store.models import Route
from routectl.store.opening import open_store
from routectl.workflow.exporting.run import running
from routectl.workflow.policies.activated import activated, population_of
from routectl.workflow.policies.served import served
from routectl.workflow.routes.in_use import in_use

OK, FAILED, SKIPPED = "ok", "failed", "not checked"

FEW = 0.01
"""The share of the newest requests that may lack what a log should have."""
_TIMEOUT_SECONDS = 5.0
_LONGEST_ANSWER = 1_000_000


@dataclass(frozen=True, slots=True)
class Check:
    """What was looked at, and what came of it."""

    name: str
    result: str
    """ok, failed or not checked."""
    what: str
    setting: str | None = None
    """Of a failed one: what to change."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What there is to look at, besides the database."""

    routes_file: Path | None = None
    """routes.json, or a bundle's folder."""
    config: Path | None = None
    """Of LiteLLM's proxy."""
    proxy: str | None = None
    """Its address."""


@dataclass(slots=True)
class _State:
    """What one check tells the next ones."""

    active: dict[str, ActiveRoute] = field(default_factory=dict)
    """Of the database."""
    in_file: dict[str, ActiveRoute] = field(default_factory=dict)
    """Of routes.json."""

    @property
    def models(self) -> dict[str, tuple[str | None, ...]]:
        """Models from weak to strong, by route."""
        routes = self.in_file or self.active
        return {name: route.policy.models for name, route in routes.items()}


def examine(location: Location, asked: Asked) -> list[Check]:
    """All checks, in the order in which a request is logged, calibrated and decided.

    Raises:
        UsageError: the proxy's address is none.
    """
    state = _State()
    address = None if asked.proxy is None else _address(asked.proxy)
    return [
        *_database(location, asked, state),
        *_routes_file(asked.routes_file, state),
        *_configuration(asked.config, state),
        *_proxy(address, state),
    ]


# The log and the database


def _database(location: Location, asked: Asked, state: _State) -> Iterator[Check]:
    names = ("prompts", "times", "conversations", "active", "decisions", "published")
    elsewhere = asked != Asked()
    if location.path is not None and not location.path.exists() and elsewhere:
        # A proxy's machine has none.
        yield Check("schema", SKIPPED, f"there is no database at {location}")
        return
    try:
        with connect(location) as store:
            present = schema_version(store)
        if present != SCHEMA_VERSION:
            yield _bad_schema(present)
            return
        yield Check("schema", OK, f"{SCHEMA_VERSION}, the newest")
        with open_store(location) as store, store.read() as connection:
            yield from _log(newest_requests(connection))
            rows = stored_routes.routes(connection)
            state.active = running(connection, rows)
            yield _active(state.active)
            for row in rows:
                if row.name in state.active:
                    yield from _decisions(connection, row)
            for path in dict.fromkeys(row.publish for row in rows if row.publish):
                held = running(connection, stored_routes.published_to(connection, path))
                name = next(row.name for row in rows if row.publish == path)
                yield _published(Path(path), held, name)
            yield from _left_behind(connection, rows)
    except RoutectlError as error:
        yield Check("database", FAILED, str(error), "--db or ROUTECTL_DB")
        yield from (Check(name, SKIPPED, "the database cannot be read") for name in names)


def _bad_schema(present: str | None) -> Check:
    if present is None:
        return Check("schema", FAILED, "the database holds no tables", "run `routectl init`")
    what = f"it is {present}, and this routectl has {SCHEMA_VERSION}"
    is_older = present < SCHEMA_VERSION
    remedy = "run `routectl db upgrade`" if is_older else "upgrade routectl"
    return Check("schema", FAILED, what, remedy)


def _log(newest: Newest) -> Iterator[Check]:
    total = newest.requests
    if not total:
        yield Check("prompts", FAILED, "no request was imported", "run `routectl import LOG`")
        return
    of = f"of the newest {total:,} requests"
    lacking = [
        (newest.redacted, FEW, "redacted", "litellm_settings: {turn_off_message_logging: false}"),
        (newest.truncated, FEW, "cut", "log to a callback instead of the proxy's database"),
        (newest.without_text, 0.5, "without text", "store_prompts_in_spend_logs: true"),
    ]
    bad = [part for part in lacking if part[0] > part[1] * total]
    words = ", ".join(f"{count:,} {word}" for count, _, word, _ in lacking if count)
    what = f"{of}, {words}" if words else f"all {of[3:]} have one"
    yield Check("prompts", FAILED if bad else OK, what, bad[0][3] if bad else None)
    late = newest.without_time > FEW * total
    yield Check(
        "times",
        FAILED if late else OK,
        f"{of}, {newest.without_time:,} have no time that can be read",
        "--map time=PATH of `routectl import`" if late else None,
    )
    alone = newest.without_conversation == total
    yield Check(
        "conversations",
        FAILED if alone else OK,
        f"{of}, {total - newest.without_conversation:,} name theirs",
        "have clients send litellm_session_id, or --map conversation=PATH" if alone else None,
    )


def _active(active: Mapping[str, ActiveRoute]) -> Check:
    if not active:
        return Check("active", FAILED, "no route runs anything", "run `routectl activate`")
    return Check("active", OK, _runs(active))


def _decisions(connection: Connection, row: Route) -> Iterator[Check]:
    now = datetime.now(UTC)
    active = activated(
        connection, stored_routes.activations(connection, row.id)[-1], row.name, active=True
    )
    population = population_of(in_use(connection, row), active)
    by_whom = served(connection, row, active, population, now)
    name = f"decisions of {row.name}"
    if not by_whom.requests:  # before the cut-over
        return
    of = f"of the newest {by_whom.requests:,.0f} answered requests"
    if not by_whom.is_overridden:
        yield Check(name, OK, f"{of}, {by_whom.not_by_policy:,.0f} were not decided by routectl")
        return
    what = f"{of}, {by_whom.not_by_policy:,.0f} were decided by something else than routectl"
    yield Check(
        name,
        FAILED,
        what,
        "ROUTECTL_ROUTES where the proxy runs, and callbacks in litellm_settings; its own log says "
        "what routectl could not do",
    )


def _runs(routes: Mapping[str, ActiveRoute]) -> str:
    return ", ".join(
        f"{name} runs {IdKind.ACTIVATION.ref(route.policy.activation_id)}"
        for name, route in routes.items()
    )


def _says(written: Mapping[str, ActiveRoute], held: Mapping[str, ActiveRoute]) -> str:
    """What a file says in place of the database."""
    says, runs = _runs(written), _runs(held)
    if says == runs:
        return f"says that {says}, by another policy than the database's"
    return f"says that {says}, and the database that {runs}"


def _published(path: Path, held: Mapping[str, ActiveRoute], name: str) -> Check:
    remedy = f"run `routectl route set {quoted(name)} --publish {quoted(str(path))}`"
    if not held:
        return Check("published", SKIPPED, f"nothing runs yet that {path} would hold")
    try:
        data = read_document(path)
        same, written = data == routes_document(held).encode(), read_routes(data)
    except OSError as error:
        return Check("published", FAILED, f"{path} cannot be read: {error.strerror}", remedy)
    except InputError as error:
        return Check("published", FAILED, f"{path}: {error}", remedy)
    if same or written == held:
        return Check("published", OK, f"{path} is what runs: {_runs(held)}")
    return Check("published", FAILED, f"{path} {_says(written, held)}", remedy)


def _left_behind(connection: Connection, rows: Sequence[Route]) -> Iterator[Check]:
    """Files that a route was published to before, and that still name it."""
    for row in rows:
        for path in stored_routes.published_before(connection, row):
            try:
                written = read_routes(read_document(Path(path)))
            except (OSError, InputError):
                continue
            if row.name in written:
                what = f"{path}, where {row.name} was published before, says that {_runs(written)}"
                remedy = f"have its proxies read {row.publish or 'another file'}, and remove it"
                yield Check("published before", FAILED, what, remedy)


# What the proxy reads


def _routes_file(path: Path | None, state: _State) -> Iterator[Check]:
    name = "routes.json"
    if path is None:
        yield Check(name, SKIPPED, "--routes names none")
        return
    is_bundle = path.is_dir()
    remedy = f"write it anew: `routectl export --format routes --output {quoted(str(path))}`"
    if is_bundle:
        remedy = "write another: `routectl export --format bundle --output FOLDER`"
    try:
        state.in_file = read_routes(read_document(path / ROUTES if is_bundle else path))
        bundle = read_bundle(path, read_document(path / MANIFEST)) if is_bundle else None
        if bundle is not None:
            bundle.require_unchanged()
    except OSError as error:
        yield Check(name, FAILED, f"{path} cannot be read: {error.strerror}", remedy)
        return
    except InputError as error:
        yield Check(name, FAILED, f"{path}: {error}", remedy)
        return
    stale = {
        route: held
        for route, held in state.in_file.items()
        if route in state.active and state.active[route] != held
    }
    if stale:
        active = {route: state.active[route] for route in stale}
        yield Check(name, FAILED, f"it {_says(stale, active)}", remedy)
    else:
        yield Check(name, OK, f"{'a bundle: ' if is_bundle else ''}{_runs(state.in_file)}")
    yield from _routers(state.in_file, bundle)


def _routers(routes: Mapping[str, ActiveRoute], bundle: Bundle | None) -> Iterator[Check]:
    for route, active in routes.items():
        policy, name = active.policy, f"router of {route}"
        if policy.rule != THRESHOLD:
            yield Check(name, OK, f"{policy.rule.replace('_', '-')} needs none")
            continue
        readers = extraction.FIRST_TEXT if policy.unit == CONVERSATION else extraction.VERSIONS
        if policy.extraction_version not in readers:
            what = f"it reads texts with version {policy.extraction_version} of the extraction"
            yield Check(name, FAILED, what, "upgrade the routectl of the proxy")
            continue
        for pinned in policy.routers:
            bundled = None if bundle is None else bundle.spec(pinned)
            wanted = f"{pinned.spec.name} {pinned.fingerprint[:12]}"
            remedy = (
                "run it from a bundle of the routectl that calibrated it, or install that one, "
                "or calibrate again"
            )
            try:
                opened = open_spec(bundled or pinned.spec)
            except RoutectlError as error:
                yield Check(name, FAILED, f"{wanted} does not open: {error}", remedy)
                continue
            where = "the bundle" if bundled else "the installed package"
            if opened.identity.fingerprint == pinned.fingerprint:
                yield Check(name, OK, f"{wanted}, from {where}")
            else:
                other = opened.identity.fingerprint[:12]
                yield Check(name, FAILED, f"it is {wanted}, and {where} has {other}", remedy)


def _configuration(path: Path | None, state: _State) -> Iterator[Check]:
    if path is None:
        yield Check("configuration", SKIPPED, "--config names none")
        return
    yield _litellm_version()
    try:
        config = LitellmConfig.read(path)
    except InputError as error:
        yield Check("configuration", FAILED, str(error), f"--config, or correct {path}")
        return
    yield Check("configuration", OK, f"{path} and what it includes can be read")
    models = state.models
    if not models:
        yield Check("routes", SKIPPED, "no route is known: name routes.json with --routes")
    faults = list(config.faults(models))
    for name, fine in (
        ("callback", "ours is named"),
        ("routes", f"{', '.join(models)}: decided by routectl"),
        ("deployments", "each that a route names is there"),
        ("budgets", "none is on a model that only routes call"),
        ("logging", "prompts will be logged"),
        ("keys", "their models are checked"),
    ):
        bad = [fault for fault in faults if fault.check == name]
        yield from (Check(name, FAILED, fault.what, fault.setting) for fault in bad)
        if not bad and (models or name in ("callback", "logging", "keys")):
            yield Check(name, OK, fine)


def _litellm_version() -> Check:
    try:
        text = version("litellm")
    except PackageNotFoundError:
        return Check("LiteLLM", SKIPPED, "it is not installed in this environment")
    fault = version_fault(text)
    if fault is not None:
        return Check("LiteLLM", FAILED, fault, "pip install 'routectl[litellm]'")
    return Check("LiteLLM", OK, text)


def _proxy(address: tuple[str, str, int] | None, state: _State) -> Iterator[Check]:
    if address is None:
        yield Check("proxy", SKIPPED, "--proxy names none")
        return
    remedy = "--proxy, or start it"
    try:
        # LiteLLM's own /health calls each model with a prompt; this one calls none.
        status, body = _get(address, "/health/liveliness")
        if status == 404:
            status, body = _get(address, "/health")
    except (OSError, http.client.HTTPException) as error:
        yield Check("proxy", FAILED, f"it does not answer ({_reason(error)})", remedy)
        return
    if status != 200:
        yield Check("proxy", FAILED, f"it answers {status}", remedy)
        return
    health = _parsed(body)
    if "routes" not in health:
        yield Check("proxy", OK, "it answers")
        return
    problem = health.get("problem")
    if problem is not None:
        yield Check("proxy", FAILED, f"it keeps what it had: {problem}", "its routes.json")
        return
    expected = state.in_file or state.active
    wanted = {
        name: IdKind.ACTIVATION.ref(route.policy.activation_id) for name, route in expected.items()
    }
    has = health["routes"]
    if expected and has != wanted:
        yield Check("proxy", FAILED, f"it runs {has}, not {wanted}", "its --routes")
    else:
        yield Check("proxy", OK, f"it runs {has}")


def _address(text: str) -> tuple[str, str, int]:
    """Scheme, host and port; raises UsageError."""
    try:
        parts = urlsplit(text)
        port = parts.port or (443 if parts.scheme == "https" else 80)
        checked_host(parts.hostname)
    except ValueError:
        parts, port = urlsplit(""), 0
    if parts.scheme not in ("http", "https") or not parts.hostname or "@" in parts.netloc:
        raise UsageError("--proxy takes an address such as http://127.0.0.1:4000")
    return parts.scheme, parts.hostname, port


def _get(address: tuple[str, str, int], path: str) -> tuple[int, bytes]:
    """Status and body; no redirect is followed. Raises OSError, http.client.HTTPException."""
    scheme, host, port = address
    kind = http.client.HTTPSConnection if scheme == "https" else http.client.HTTPConnection
    connection = kind(host, port, timeout=_TIMEOUT_SECONDS)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read(_LONGEST_ANSWER)
    finally:
        connection.close()


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or type(error).__name__


def _parsed(body: bytes) -> Mapping[str, Any]:
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}
