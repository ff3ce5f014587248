"""`routectl doctor` says which link from the log to the proxy is broken, and what mends it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from routectl.export.litellm import POLICY_OVERRIDES
from tests.conftest import MODELS, Result, Routectl, payload, write_log
from tests.proxy.routes import route, write_routes

PLUGIN = "routectl.proxy.litellm_hook.plugin"


@pytest.fixture
def route_runs(routectl: Routectl, tmp_path: Path) -> Routectl:
    """A route that runs and is published, from a log that has all it should."""
    records = [payload(n, trace_id=f"conversation {n // 3}") for n in range(60)]
    for command in (
        ("import", write_log(tmp_path / "log.jsonl", records)),
        ("route", "set", "smart", *MODELS, "--publish", tmp_path / "routes.json"),
        ("calibrate", "-r", "length", "--strong-fraction", 0.3),
        ("activate", "--force"),
    ):
        done = routectl(*command)
        assert done.code == 0, done.err
    return routectl


@pytest.fixture
def config(route_runs: Routectl, tmp_path: Path) -> Path:
    """A configuration that includes what `export` writes, and has the deployments."""
    fragment = tmp_path / "smart.yaml"
    assert route_runs("export", "--format", "litellm", "--output", fragment).code == 0
    path = tmp_path / "config.yaml"
    deployments = [
        {"model_name": name, "litellm_params": {"model": f"openai/{name}"}}
        for name in ("small", "big")
    ]
    write(
        path,
        {
            "include": [fragment.name],
            "model_list": deployments,
            "litellm_settings": {"callbacks": ["prometheus", PLUGIN]},
        },
    )
    return path


def write(path: Path, values: Mapping[str, Any]) -> None:
    path.write_text(yaml.safe_dump(dict(values)))


def change(path: Path, by: Callable[[Any], object]) -> None:
    values = yaml.safe_load(path.read_text())
    by(values)
    write(path, values)


def results(done: Result) -> dict[str, str]:
    """The worst result of each check."""
    order = ("failed", "not checked", "ok")
    checks = sorted(done.json["checks"], key=lambda check: order.index(check["result"]))
    return {check["name"]: check["result"] for check in reversed(checks)}


def settings(done: Result, name: str) -> str:
    """What failed lines of a check name, as one text."""
    checks = [c for c in done.json["checks"] if (c["name"], c["result"]) == (name, "failed")]
    assert all(check["setting"] for check in checks)
    return "\n".join(check["setting"] for check in checks)


def test_where_all_is_well_every_check_passes_and_the_table_fits(
    route_runs: Routectl, config: Path, tmp_path: Path
) -> None:
    files = ("--routes", tmp_path / "routes.json", "--config", config)

    done = route_runs("doctor", *files, "--json")
    people = route_runs("doctor", *files)

    assert done.code == 0, done.out
    assert {name: result for name, result in results(done).items() if result != "ok"} in (
        {"proxy": "not checked", "LiteLLM": "not checked"},
        {"proxy": "not checked"},
    )
    assert done.json["failed"] == 0
    assert max(map(len, people.out.splitlines())) <= 100


@pytest.mark.parametrize(
    ("fields", "check", "setting"),
    [
        ({"prompt": "redacted-by-litellm"}, "prompts", "turn_off_message_logging: false"),
        ({"prompt": "a (litellm_truncated 700 chars) b"}, "prompts", "log to a callback"),
        ({"messages": []}, "prompts", "store_prompts_in_spend_logs"),
        ({"startTime": "soon"}, "times", "--map time=PATH"),
        ({"trace_id": None}, "conversations", "litellm_session_id"),
    ],
)
def test_a_log_that_lacks_something_is_told_with_the_setting(
    routectl: Routectl, tmp_path: Path, fields: dict[str, Any], check: str, setting: str
) -> None:
    records = [payload(n, **{"trace_id": f"c{n}", **fields}) for n in range(20)]
    routectl("import", write_log(tmp_path / "log.jsonl", records))

    done = routectl("doctor", "--json")

    assert (done.code, results(done)[check]) == (3, "failed")
    assert setting in settings(done, check)


def test_what_lies_where_proxies_read_is_compared_with_what_runs(
    route_runs: Routectl, tmp_path: Path
) -> None:
    path = tmp_path / "routes.json"
    before = path.read_bytes()
    assert route_runs("activate", "--always-weak").code == 0
    path.write_bytes(before)

    stale = route_runs("doctor", "--routes", path, "--json")
    path.write_text("{")
    broken = route_runs("doctor", "--json")
    path.unlink()
    gone = route_runs("doctor", "--json")

    for done in (stale, broken, gone):
        assert (done.code, results(done)["published"]) == (3, "failed")
    assert results(stale)["routes.json"] == "failed"
    _, mend, _ = settings(gone, "published").split("`")
    assert route_runs(*mend.split()[1:]).code == 0
    assert results(route_runs("doctor", "--json"))["published"] == "ok"


def test_a_file_that_differs_by_its_policy_alone_is_told_as_that(
    route_runs: Routectl, tmp_path: Path
) -> None:
    path = tmp_path / "routes.json"
    values = json.loads(path.read_text())
    values["routes"]["smart"]["policy"]["thresholds"] = ["0.999"]
    path.write_text(json.dumps(values))

    done = route_runs("doctor", "--routes", path, "--json")

    for name in ("published", "routes.json"):
        (check,) = (check for check in done.json["checks"] if check["name"] == name)
        assert "by another policy than the database's" in check["what"]


def test_a_router_that_is_not_the_one_that_was_calibrated_is_told(
    routectl: Routectl, tmp_path: Path
) -> None:
    path = write_routes(tmp_path / "routes.json", smart=route())
    document = json.loads(path.read_text())
    document["routes"]["smart"]["policy"]["routers"][0]["fingerprint"] = "0" * 64
    path.write_text(json.dumps(document))

    done = routectl("doctor", "--routes", path, "--json")

    # A proxy's machine has no database, which is no fault.
    assert results(done)["schema"] == "not checked"
    assert (done.code, results(done)["router of smart"]) == (3, "failed")
    assert "bundle" in settings(done, "router of smart")


def no_callback(values: Any) -> None:
    values["litellm_settings"]["callbacks"] = ["prometheus"]


def no_deployment(values: Any) -> None:
    del values["model_list"][0]


def no_include(values: Any) -> None:
    del values["include"]


def budget_of_a_model(values: Any) -> None:
    values["model_list"][1]["litellm_params"]["max_budget"] = 100


def budget_of_keys(values: Any) -> None:
    values["litellm_settings"]["default_key_generate_params"] = {"model_max_budget": {"big": 1}}


def budget_of_the_route(values: Any) -> None:
    values["litellm_settings"]["default_key_generate_params"] = {"model_max_budget": {"smart": 1}}


def a_setting_of_litellm_s_own(name: str) -> Callable[[Any], None]:
    """An entry of the route comes first that lacks a setting."""

    def change_it(values: Any) -> None:
        tiers_of_several(values)
        del values["model_list"][-1]["litellm_params"]["complexity_router_config"][name]

    return change_it


def no_messages(values: Any) -> None:
    values["litellm_settings"]["turn_off_message_logging"] = True


def tiers_of_several(values: Any) -> None:
    """An entry of the route comes first that names a list of deployments for a tier."""
    values["model_list"].append(
        {
            "model_name": "smart",
            "litellm_params": {
                "complexity_router_config": {
                    "classifier_type": "custom",
                    "classifier_plugin": PLUGIN,
                    **{name: value for name, (value, _) in POLICY_OVERRIDES.items()},
                    "tiers": {"SIMPLE": ["small", ["not a name"]], "REASONING": "big"},
                }
            },
        }
    )


def an_alias_that_holds_itself(values: Any) -> None:
    values["own"] = own = {"model_max_budget": {"smart": 1}}
    own["again"] = own


def custom_auth(values: Any) -> None:
    values["general_settings"] = {"custom_auth": "mine.auth"}


def custom_auth_with_its_switch_in_another_section(values: Any) -> None:
    # LiteLLM reads this one among litellm_settings alone.
    checks = {"enable_post_custom_auth_checks": True, "custom_auth_run_common_checks": True}
    values["general_settings"] = {"custom_auth": "mine.auth", **checks}


def custom_auth_with_checks(values: Any) -> None:
    custom_auth(values)
    values["litellm_settings"]["enable_post_custom_auth_checks"] = True
    values["general_settings"]["custom_auth_run_common_checks"] = True


@pytest.mark.parametrize(
    ("by", "check", "setting"),
    [
        (no_callback, "callback", PLUGIN),
        (no_deployment, "deployments", "model_name: small"),
        (no_include, "routes", "include: [FILE]"),
        (budget_of_a_model, "budgets", "put it on the route (smart)"),
        (budget_of_keys, "budgets", "put it on the route (smart)"),
        (budget_of_the_route, None, None),
        (tiers_of_several, None, None),
        *(
            (a_setting_of_litellm_s_own(name), "routes", f"{name}: {json.dumps(value)}")
            for name, (value, _) in POLICY_OVERRIDES.items()
        ),
        (an_alias_that_holds_itself, None, None),
        (no_messages, "logging", "turn_off_message_logging: false"),
        (custom_auth, "keys", "general_settings: {custom_auth_run_common_checks: true}"),
        (
            custom_auth_with_its_switch_in_another_section,
            "keys",
            "litellm_settings: {enable_post_custom_auth_checks: true}",
        ),
        (custom_auth_with_checks, None, None),
    ],
)
def test_a_configuration_is_read_as_the_proxy_will_read_it(
    route_runs: Routectl,
    config: Path,
    by: Callable[[Any], None],
    check: str | None,
    setting: str | None,
) -> None:
    change(config, by)

    done = route_runs("doctor", "--config", config, "--json")

    failed = [name for name, result in results(done).items() if result == "failed"]
    assert failed == ([] if check is None else [check])
    if check is not None and setting is not None:
        assert setting in settings(done, check)


def test_an_included_section_that_replaces_ones_own_is_told(
    route_runs: Routectl, config: Path, tmp_path: Path
) -> None:
    change(tmp_path / "smart.yaml", lambda v: v.update(litellm_settings={"drop_params": True}))

    done = route_runs("doctor", "--config", config, "--json")

    assert "out of the included file" in settings(done, "callback")


@pytest.mark.parametrize("text", ["a: [", "- 1", "{", "[" * 1500])
def test_a_configuration_that_cannot_be_read_is_one_line(
    routectl: Routectl, tmp_path: Path, text: str
) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(text)

    done = routectl("doctor", "--config", path, "--json")

    assert (done.code, results(done)["configuration"]) == (3, "failed")


def test_a_proxy_is_asked_whether_it_runs_this(tmp_path: Path, routectl: Routectl) -> None:
    pytest.importorskip("uvicorn")
    from tests.proxy.test_serve import serving

    path = write_routes(tmp_path / "routes.json", smart=route())
    other = write_routes(tmp_path / "other.json", smart=route(activation_id=8))
    with serving(path) as server:
        address = f"http://{server._host}"
        same = routectl("doctor", "--routes", path, "--proxy", address, "--json")
        differs = routectl("doctor", "--routes", other, "--proxy", address, "--json")
    gone = routectl("doctor", "--routes", path, "--proxy", address, "--json")

    assert (same.code, results(same)["proxy"]) == (0, "ok")
    for done in (differs, gone):
        assert (done.code, results(done)["proxy"]) == (3, "failed")
    for none in (f"http://{'h' * 64}", "http://example..com:4000"):
        done = routectl("doctor", "--proxy", none)
        assert (done.code, "--proxy takes an address" in done.err) == (2, True), done.err
    refused = routectl("doctor", "--proxy", "http://key@host")
    assert (refused.code, "key" in refused.err) == (2, False)


def test_an_old_schema_and_no_database_are_told(routectl: Routectl, tmp_path: Path) -> None:
    assert results(routectl("doctor", "--json"))["database"] == "failed"
    routectl("init")
    done = routectl("doctor", "--json")
    assert (results(done)["prompts"], results(done)["active"]) == ("failed", "failed")
    routectl("db", "downgrade", "0006")
    old = routectl("doctor", "--json")
    assert "routectl db upgrade" in settings(old, "schema")
