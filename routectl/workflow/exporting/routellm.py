"""`routectl export --format routellm`: our `mf` as a checkpoint that RouteLLM's own server loads.

RouteLLM scores sigmoid(c . (v_s * W q) - c . (v_w * W q)) with model vectors of length 1. Our
logit d . q is that with W of the two rows d/2 and -d/2, the unit vectors as the models' and ones
as the classifier c. q comes from `routectl serve`, whose embeddings end in the constant 1 that the
offset is multiplied with.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from routectl.checkpoint import CONFIG, WEIGHTS, tensor_bytes
from routectl.errors import InputError, RouterError, reason_of
from routectl.export import ActiveRoute
from routectl.output import new_folder, write_in
from routectl.policy import LIVE, REQUEST, THRESHOLD
from routectl.route import quoted
from routectl.routers import open_spec
from routectl.routers.mf import MfRouter
from routectl.workflow.exporting.bundling import check_export_folder

MODELS, STRONG, WEAK = 64, 24, 36
"""How many models RouteLLM's `mf` has, and its numbers of gpt-4-1106-preview and
mixtral-8x7b-instruct-v0.1, between which it decides where nothing else is said."""


@dataclass(frozen=True, slots=True)
class WrittenForRouteLLM:
    """What was written, and how its server is started."""

    config: Path
    model: str
    """What clients call."""
    strong: str | None
    weak: str | None

    @property
    def command(self) -> str:
        """With the address of `routectl serve` as RouteLLM's embeddings endpoint."""
        strong, weak = (quoted(name) for name in (self.strong or "STRONG", self.weak or "WEAK"))
        models = f"--strong-model {strong} --weak-model {weak}"
        return (
            "OPENAI_BASE_URL=http://127.0.0.1:8400/v1 python -m routellm.openai_server "
            f"--routers mf --config {quoted(str(self.config))} {models} "
            "--base-url URL --api-key KEY"
        )


def write_for_routellm(route: ActiveRoute, folder: Path) -> WrittenForRouteLLM:
    """Write checkpoint and configuration of a route into a new folder, whole or not at all.

    Raises:
        RouterError: the route does not run an mf router by one threshold, live.
        UsageError, InputError: the folder is not new, or cannot be written.
    """
    policy = route.policy
    runs_mf = policy.rule == THRESHOLD and [r.spec.name for r in policy.routers] == ["mf"]
    by_request = not policy.segments and policy.unit == REQUEST
    if not runs_mf or policy.mode != LIVE or not by_request or len(policy.models) != 2:
        raise RouterError(
            "RouteLLM's server decides each request by one threshold on one router, and the route "
            f"{policy.route!r} runs something else than a live mf policy without segments"
        )
    model = policy.live_config_string()
    check_export_folder(folder)
    (pinned,) = policy.routers
    opened = open_spec(pinned.spec)
    router = opened.load()
    if opened.identity.fingerprint != pinned.fingerprint or not isinstance(router, MfRouter):
        raise RouterError(
            "the mf router that is installed here is not the one that runs: export with the "
            "routectl that calibrated it"
        )
    weights = router.linear_weights
    vectors = np.zeros((MODELS, 2), dtype=np.float32)
    vectors[STRONG], vectors[WEAK] = (1, 0), (0, 1)
    tensors = {
        "P.weight": vectors,
        "text_proj.0.weight": np.stack([weights / 2, -weights / 2]).astype(np.float32),
        "classifier.0.weight": np.ones((1, 2), dtype=np.float32),
    }
    sizes = {"num_models": MODELS, "text_dim": len(weights), "num_classes": 1, "use_proj": True}
    checkpoint = folder.absolute() / "mf"
    config = {"mf": {"checkpoint_path": str(checkpoint), "hidden_size": 2, **sizes}}
    try:
        import yaml

        with new_folder(folder) as temporary:
            text = json.dumps({"dim": 2, **sizes}, indent=2) + "\n"
            write_in(temporary, f"mf/{CONFIG}", text.encode())
            write_in(temporary, f"mf/{WEIGHTS}", tensor_bytes(tensors))
            write_in(temporary, "config.yaml", yaml.safe_dump(config).encode())
    except OSError as error:
        raise InputError(f"cannot write --output {folder}: {reason_of(error)}") from None
    weak, strong = policy.models
    return WrittenForRouteLLM(folder / "config.yaml", model, strong, weak)
