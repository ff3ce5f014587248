"""Small bert checkpoints to open and to damage, on the tiny base of `tests/embedding/tiny.py`."""

from pathlib import Path
from typing import Any

import numpy as np

from routectl.checkpoint import write_checkpoint
from routectl.embedding.files import locate_encoder
from routectl.embedding.trained_bert import Base, trained_shapes

STRONG, WEAK = ["Large-Model-v1", "Large-Model-v2"], ["Small-Model-v1", "Small-Model-v2"]


def bert_config(base: str, **changes: object) -> dict[str, Any]:
    config: dict[str, Any] = {
        "kind": "bert",
        "name": "test",
        "licence": None,
        "default_pair": {"strong": STRONG[0], "weak": WEAK[0]},
        "strong_models": STRONG,
        "weak_models": WEAK,
        "base": {
            "name": base,
            "digest": locate_encoder(base).digest(),
            "layers": 1,
            "hidden": 32,
            "intermediate": 64,
            "max_tokens": 64,
        },
        "trained_layers": 1,
        "noise": 1e-6,
    }
    return config | changes


def bert_tensors(config: dict[str, Any], seed: int = 0) -> dict[str, np.ndarray]:
    generator = np.random.default_rng(seed)
    shapes = trained_shapes(Base(**config["base"]), config["trained_layers"])
    return {
        name: generator.normal(scale=0.3, size=shape).astype(np.float32)
        for name, shape in shapes.items()
    }


def write_bert(
    folder: Path, config: dict[str, Any], tensors: dict[str, np.ndarray] | None = None
) -> Path:
    write_checkpoint(folder, config, tensors or bert_tensors(config), "# test\n")
    return folder
