"""Small checkpoints to open and to damage."""

from pathlib import Path

import numpy as np

from routectl.checkpoint import write_checkpoint
from routectl.embedding.files import DEFAULT, locate

MODELS = ["Large-Model-v1", "Meta-Llama-3.1-8B-Instruct", "Small-Model-v1"]


TINY = {"dimension": 32, "max_tokens": 64}
"""Of `make_tiny_model`."""


def mf_config(**changes: object) -> dict[str, object]:
    config: dict[str, object] = {
        "kind": "mf",
        "name": "test",
        "licence": None,
        "default_pair": {"strong": "Large-Model-v1", "weak": "Small-Model-v1"},
        "dimension": 4,
        "models": MODELS,
        "embedder": {
            "name": DEFAULT,
            "digest": locate(DEFAULT).digest(),
            "dimension": 384,
            "max_tokens": 256,
            "reads": "head",
            "noise": 1e-6,
        },
    }
    return config | changes


def mf_tensors(seed: int = 0, dimension: int = 384) -> dict[str, np.ndarray]:
    generator = np.random.default_rng(seed)
    return {
        "model_vectors": generator.normal(size=(3, 4)).astype(np.float32),
        "projection": generator.normal(size=(4, dimension)).astype(np.float32),
        "weights": generator.normal(size=4).astype(np.float32),
    }


def write_mf(
    folder: Path,
    config: dict[str, object] | None = None,
    tensors: dict[str, np.ndarray] | None = None,
) -> Path:
    write_checkpoint(folder, config or mf_config(), tensors or mf_tensors(), "# test\n")
    return folder


def write_tiny_mf(folder: Path, embedder: str) -> Path:
    """A checkpoint that scores in milliseconds, where the scores are not what is tested.

    Args:
        embedder: the path of a `make_tiny_model`.
    """
    facts = {"name": embedder, "digest": locate(embedder).digest(), "reads": "head", "noise": 1e-6}
    config = mf_config(embedder=TINY | facts)
    return write_mf(folder, config, mf_tensors(dimension=TINY["dimension"]))
