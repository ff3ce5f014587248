"""`routectl export --format routes`: what each route runs, for a proxy that has no database."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from routectl.export import read_routes
from tests.conftest import Routectl, payload, write_log


@pytest.fixture
def calibrated(routectl: Routectl, tmp_path: Path) -> Routectl:
    """Two routes, of which the first runs."""
    log = write_log(tmp_path / "log.jsonl", [payload(n) for n in range(100)])
    for name, strong in (("smart", "gpt-4"), ("other", "gpt-4o")):
        prices = ("--price", f"{strong}=10/30", "--price", "small=1/2")
        done = routectl("route", "set", name, "--strong", strong, "--weak", "small", *prices)
        assert done.code == 0, done.err
    for command in (
        ("import", log),
        ("calibrate", "--route", "smart", "-r", "length", "--strong-fraction", 0.3),
        ("activate", "--route", "smart", "--force"),
    ):
        done = routectl(*command)
        assert done.code == 0, done.err
    return routectl


def test_routes_that_run_stand_in_the_document_and_no_prompt(
    calibrated: Routectl, tmp_path: Path
) -> None:
    path = tmp_path / "routes.json"

    done = calibrated("export", "--format", "routes", "--output", path)

    assert done.code == 0, done.err
    routes = read_routes(path.read_bytes())
    assert list(routes) == ["smart"]
    policy = routes["smart"].policy
    exported = calibrated("export", "--route", "smart", "--json").json
    assert policy.models == ("small", "gpt-4")
    assert (policy.mode, policy.activation_id) == ("live", exported["activation_id"])
    assert policy.thresholds == (exported["threshold"],)
    assert policy.routers[0].fingerprint == exported["fingerprint"]
    assert routes["smart"].strong_fraction == exported["strong_fraction"] == pytest.approx(0.3)
    assert b"question" not in path.read_bytes()


def test_it_replaces_its_own_file_and_no_other(calibrated: Routectl, tmp_path: Path) -> None:
    path = tmp_path / "routes.json"
    calibrated("export", "--format", "routes", "--output", path)
    assert calibrated("export", "--format", "routes", "--output", path).code == 0

    path.write_text(json.dumps({"mine": 1}))

    done = calibrated("export", "--format", "routes", "--output", path)
    assert (done.code, "is there already" in done.err) == (2, True)


def test_where_nothing_runs_there_is_nothing_to_export(calibrated: Routectl) -> None:
    done = calibrated("export", "--format", "routes", "--route", "other")

    assert (done.code, done.out) == (1, "")
    assert "nothing is active on route 'other'" in done.err


def test_a_calibration_that_is_not_active_is_no_route(calibrated: Routectl) -> None:
    done = calibrated("export", "--format", "routes", "--calibration", 1)

    assert (done.code, "leave --calibration out" in done.err) == (2, True)


def test_litellm_gets_a_model_list_and_the_line_to_add(
    calibrated: Routectl, tmp_path: Path
) -> None:
    path = tmp_path / "smart.yaml"

    done = calibrated("export", "--format", "litellm", "--output", path)
    again = calibrated("export", "--format", "litellm", "--output", path)

    assert (done.code, again.code) == (0, 0), done.err
    assert 'callbacks: ["routectl.proxy.litellm_hook.plugin"]' in done.err
    (entry,) = yaml.safe_load(path.read_text())["model_list"]
    config = entry["litellm_params"]["complexity_router_config"]
    assert entry["model_name"] == "smart"
    assert config["tiers"] == {"SIMPLE": "small", "REASONING": "gpt-4"}
    assert config["classifier_plugin"] == "routectl.proxy.litellm_hook.plugin"
    assert config["route_housekeeping_to_cheapest_tier"] is False
    assert config["max_tokens_from_tier_model"] is False
    assert config["context_compaction"] is False
    assert config["escalation_keywords"] == []


def test_a_fragment_of_an_earlier_version_is_replaced(calibrated: Routectl, tmp_path: Path) -> None:
    path = tmp_path / "smart.yaml"
    calibrated("export", "--format", "litellm", "--output", path)
    config = yaml.safe_load(path.read_text())
    settings = config["model_list"][0]["litellm_params"]["complexity_router_config"]
    for name in ("max_tokens_from_tier_model", "context_compaction", "escalation_keywords"):
        del settings[name]
    head = path.read_text().splitlines()[0]
    path.write_text(f"{head}\n{yaml.safe_dump(config, sort_keys=False)}")

    assert calibrated("export", "--format", "litellm", "--output", path).code == 0
    assert "escalation_keywords" in path.read_text()


def test_litellm_gets_no_route_without_models(routectl: Routectl, tmp_path: Path) -> None:
    log = write_log(tmp_path / "log.jsonl", [payload(n) for n in range(50)])
    routectl("import", log)
    routectl("calibrate", "-r", "length", "--strong-fraction", 0.3)
    assert routectl("activate", "--force").code == 0

    done = routectl("export", "--format", "litellm")

    assert (done.code, done.out) == (1, "")
    assert "does not declare two models" in done.err


def test_a_bundle_is_a_new_folder_that_decides(calibrated: Routectl, tmp_path: Path) -> None:
    folder = tmp_path / "bundle"

    done = calibrated("export", "--format", "bundle", "--output", folder)

    assert (done.code, "MiB, 1 router" in done.err) == (0, True)
    assert sorted(path.name for path in folder.iterdir()) == [
        "manifest.json",
        "routers",
        "routes.json",
    ]
    assert b"question" not in (folder / "manifest.json").read_bytes()
    again = calibrated("export", "--format", "bundle", "--output", folder)
    assert (again.code, "is there already" in again.err) == (2, True)
    for more, words in (
        ((), "name it with --output"),
        (("--output", tmp_path / "other", "--force"), "leave --force out"),
        (("--output", tmp_path / "other", "--calibration", "c1"), "leave --calibration out"),
    ):
        refused = calibrated("export", "--format", "bundle", *more)
        assert (refused.code, words in refused.err) == (2, True)
    assert not (tmp_path / "other").exists()


def test_a_complete_configuration_has_all_that_doctor_looks_for(
    calibrated: Routectl, tmp_path: Path
) -> None:
    path = tmp_path / "config.yaml"

    done = calibrated("export", "--format", "litellm", "--complete", "--output", path)

    assert (done.code, "must have" in done.err) == (0, False)
    entries = {e["model_name"]: e for e in yaml.safe_load(path.read_text())["model_list"]}
    assert set(entries) == {"smart", "small", "gpt-4"}
    assert entries["gpt-4"]["litellm_params"] == {
        "model": "openai/gpt-4",
        "api_base": "os.environ/ROUTECTL_UPSTREAM_GPT_4",
        "api_key": "os.environ/ROUTECTL_UPSTREAM_KEY_GPT_4",
    }
    checks = calibrated("doctor", "--config", path, "--json").json["checks"]
    of_the_file = ("configuration", "callback", "routes", "deployments", "budgets", "logging")
    assert {c["result"] for c in checks if c["name"] in of_the_file} == {"ok"}
    refused = calibrated("export", "--complete")
    assert (refused.code, "--complete is for --format litellm" in refused.err) == (2, True)
