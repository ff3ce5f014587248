"""Checkpoints of exactly the layouts that RouteLLM publishes, with weights drawn at random."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save_file

MF_WIDTH, MF_DIMENSION, MF_MODELS = 1536, 128, 64


def mf_tensors(seed: int = 0) -> dict[str, NDArray[np.float32]]:
    """The tensors of an mf checkpoint: 64 models, 128 dimensions, vectors of 1,536 numbers."""
    draw = np.random.default_rng(seed)
    shapes = {
        "P.weight": (MF_MODELS, MF_DIMENSION),
        "text_proj.0.weight": (MF_DIMENSION, MF_WIDTH),
        "classifier.0.weight": (1, MF_DIMENSION),
    }
    return {name: draw.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}


def write_mf(folder: Path, tensors: dict[str, NDArray[Any]] | None = None) -> Path:
    """An mf checkpoint, as `PyTorchModelHubMixin` writes it."""
    folder.mkdir(parents=True)
    config = {
        "dim": MF_DIMENSION,
        "num_classes": 1,
        "num_models": MF_MODELS,
        "text_dim": MF_WIDTH,
        "use_proj": True,
    }
    (folder / "config.json").write_text(json.dumps(config))
    save_file(mf_tensors() if tensors is None else tensors, folder / "model.safetensors")
    return folder


def text_vector(text: str) -> list[float]:
    """A vector of length 1 for a text, as long as text-embedding-3-small's."""
    draw = np.random.default_rng(list(text.encode()))
    vector = draw.normal(size=MF_WIDTH)
    return [float(number) for number in vector / np.linalg.norm(vector)]


def write_sw_ranking(folder: Path, *, models: int = 10, battles: int = 400) -> Path:
    """Battles in Chatbot Arena's columns, and a vector for each that is long enough to be used.

    With no more models than tiers, each model is a tier of its own.
    """
    draw = np.random.default_rng(7)
    others = [f"model-{number}" for number in range(models - 2)]
    names = ["gpt-4-1106-preview", "mixtral-8x7b-instruct-v0.1", *others]
    strength = np.linspace(2, -2, models)
    rows, vectors = [], []
    for number in range(battles):
        a, b = draw.choice(models, 2, replace=False)
        first = f"Question {number}" + (" of some length" if number % 9 else "")
        vector = np.array(text_vector(first))
        won = 1 / (1 + np.exp(strength[b] - strength[a] + 30 * (vector[0] - vector[1])))
        winner = draw.choice(["model_a", "model_b", "tie"], p=[0.8 * won, 0.8 * (1 - won), 0.2])
        votes = {f"winner_{side}": int(side == winner) for side in ("model_a", "model_b", "tie")}
        prompt = json.dumps([first, "and then?"])
        rows.append({"model_a": names[a], "model_b": names[b], "prompt": prompt, **votes})
        if len(first) >= 16:
            vectors.append(vector)
    folder.mkdir(parents=True)
    (folder / "battles.json").write_text(json.dumps(rows))
    np.save(folder / "embeddings.npy", np.array(vectors))
    return folder
