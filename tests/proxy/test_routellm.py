"""What RouteLLM's own Controller and server load scores as our router does."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from safetensors.numpy import load_file

from routectl.errors import RoutectlError, RouterError
from routectl.export import ActiveRoute
from routectl.policy import PinnedRouter, decide
from routectl.records import Limits
from routectl.routers import open_router
from routectl.routers.mf import sigmoid
from routectl.workflow.exporting.routellm import STRONG, WEAK, write_for_routellm
from tests.proxy.routes import route, write_routes
from tests.proxy.test_serve import serving
from tests.routers.checkpoints import write_tiny_mf

TEXTS = ["hi", "word " * 40, "Prove that the square root of two is irrational.", "2+2?", "é ü"]


@pytest.fixture
def active(tmp_path: Path, tiny: str) -> ActiveRoute:
    opened = open_router("mf", checkpoint=write_tiny_mf(tmp_path / "own", tiny))
    return route("0.5", routers=(PinnedRouter(opened.spec, opened.identity.fingerprint),))


@pytest.mark.slow
def test_the_converted_checkpoint_times_what_serve_answers_is_the_score(
    active: ActiveRoute, tmp_path: Path
) -> None:
    for package in ("starlette", "uvicorn", "httpx2", "prometheus_client"):
        pytest.importorskip(package)
    router = open_router("mf", checkpoint=tmp_path / "own").load()
    written = write_for_routellm(active, tmp_path / "routellm")
    path = write_routes(tmp_path / "routes.json", smart=active)

    with serving(path, ROUTECTL_TOKEN="t") as server:
        body = {"input": TEXTS, "model": "text-embedding-3-small", "encoding_format": "base64"}
        status, answer = server.post("/v1/embeddings", body)
        alone = server.post("/v1/embeddings", {"input": TEXTS[0], "model": "x"})[1]
        refused = [
            server.post("/v1/embeddings", bad)[0]
            for bad in ({}, {"input": []}, {"input": [[1, 2]]}, {"input": ["x"] * 33})
        ]
        unknown, _, _ = server.ask("POST", "/v1/embeddings", b"{}", Authorization="Bearer no")

    assert (status, refused, unknown) == (200, [400] * 4, 401)
    assert written.model == "router-mf-0.5"
    vectors = np.array([item["embedding"] for item in answer["data"]])
    assert np.allclose(alone["data"][0]["embedding"], vectors[0], atol=1e-5)
    config: dict[str, Any] = yaml.safe_load(written.config.read_text())["mf"]
    tensors = load_file(Path(config["checkpoint_path"]) / "model.safetensors")
    assert tensors["text_proj.0.weight"].shape == (config["hidden_size"], config["text_dim"])
    # As RouteLLM computes it: model vectors times the projected text, summed by the classifier.
    projected = vectors @ tensors["text_proj.0.weight"].T
    strong, weak = (
        (tensors["P.weight"][number] * projected) @ tensors["classifier.0.weight"][0]
        for number in (STRONG, WEAK)
    )
    assert sigmoid(strong - weak) == pytest.approx(router.strong_win_rates(TEXTS), abs=1e-6)


@pytest.mark.parametrize(
    "other",
    [
        {"router": "length"},
        {"rule": "always_weak", "thresholds": ()},
        {"mode": "shadow"},
        {"segments": {"a": ("0.7",)}, "segment_field": "team"},
        {"unit": "conversation"},
    ],
)
def test_what_routellm_cannot_decide_is_refused(
    active: ActiveRoute, tmp_path: Path, other: dict[str, Any]
) -> None:
    parts = other if "router" in other else {"routers": active.policy.routers, **other}

    with pytest.raises(RouterError, match="one threshold on one router"):
        write_for_routellm(route(**{"threshold": "0.5", **parts}), tmp_path / "routellm")


def test_what_is_refused_leaves_no_folder(active: ActiveRoute, tmp_path: Path) -> None:
    limited = route("0.5", routers=active.policy.routers, limits={"small": Limits(images=False)})

    with pytest.raises(RoutectlError, match="cannot"):
        write_for_routellm(limited, tmp_path / "routellm")
    assert not (tmp_path / "routellm").exists()


CONTROLLER = """
import json, sys
import yaml
from routellm.controller import Controller

controller = Controller(
    routers=["mf"],
    strong_model="large",
    weak_model="small",
    config=yaml.safe_load(open(sys.argv[1])),
)
texts = json.load(sys.stdin)
router, threshold = controller._parse_model_name(sys.argv[2])
print(json.dumps([
    (
        controller.routers[router].calculate_strong_win_rate(text),
        controller._get_routed_model_for_completion(
            [{"role": "system", "content": "Be brief."}, {"role": "user", "content": text}],
            router,
            threshold,
        ),
    )
    for text in texts
]))
"""


@pytest.mark.slow
def test_routellms_own_controller_decides_as_the_stored_scores_do(tmp_path: Path) -> None:
    python = Path(os.environ.get("ROUTECTL_ROUTELLM_PYTHON", ""))
    if not python.is_file():
        pytest.skip("ROUTECTL_ROUTELLM_PYTHON names no Python with RouteLLM: `make test-slow` does")
    lines = (Path(__file__).parents[2] / "examples" / "prompts.jsonl").read_text().splitlines()
    texts = list(dict.fromkeys(json.loads(line)["prompt"] for line in lines))[:150]
    stored = open_router("mf").load().strong_win_rates(texts)
    ordered = np.sort(stored)
    active = route(f"{(ordered[104] + ordered[105]) / 2:.8f}", router="mf")
    written = write_for_routellm(active, tmp_path / "routellm")
    path = write_routes(tmp_path / "routes.json", smart=active)

    with serving(path, ROUTECTL_TOKEN="t") as server:
        done = subprocess.run(
            [python.absolute(), "-c", CONTROLLER, written.config, written.model],
            input=json.dumps(texts),
            capture_output=True,
            text=True,
            check=False,
            env={
                **os.environ,
                "OPENAI_API_KEY": "t",
                "OPENAI_BASE_URL": f"http://{server._host}/v1",
                "LITELLM_LOCAL_MODEL_COST_MAP": "True",
            },
        )

    assert done.returncode == 0, done.stderr[-2000:]
    scores, models = zip(*json.loads(done.stdout.splitlines()[-1]), strict=True)
    assert scores == pytest.approx(stored, abs=1e-6)
    assert list(models) == decide(active.policy, stored).name.tolist()
