"""Scores of RouteLLM's own package, for `published_peer.py`; runs in an environment of its own.

    PEER/bin/python benchmarks/peer_routellm.py FOLDER ROUTER

FOLDER holds `prompts.json` (a list), `vectors.npy` (one row a prompt) and the checkpoint in
ROUTER/; the scores are written to `ROUTER.peer.npy`. What is patched, because it reaches out of
this machine or wants a GPU: the embedding client (it reads `vectors.npy`), the loading of data
sets and hub files (they lie in the folder), the device and bfloat16 (float32 on the CPU); and for
sw_ranking the tolerance of its regression.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np


class Embeddings:
    """Answers as the OpenAI client would, from the stored vectors."""

    def __init__(self, folder: Path) -> None:
        prompts = json.loads((folder / "prompts.json").read_text())
        self._vectors = dict(zip(prompts, np.load(folder / "vectors.npy").tolist(), strict=True))
        self.embeddings = self

    def create(self, input: list[str], model: str) -> Any:
        assert model == "text-embedding-3-small"
        return SimpleNamespace(data=[SimpleNamespace(embedding=self._vectors[input[0]])])


def mf(folder: Path) -> Any:
    from routellm.routers.matrix_factorization import model
    from routellm.routers.routers import MatrixFactorizationRouter

    model.OPENAI_CLIENT = Embeddings(folder)
    return MatrixFactorizationRouter(str(folder / "mf"))


def bert(folder: Path) -> Any:
    from routellm.routers.routers import BERTRouter

    return BERTRouter(str(folder / "bert"))


def sw_ranking(folder: Path) -> Any:
    from datasets import Dataset
    from routellm.routers import routers
    from routellm.routers.similarity_weighted import utils

    here = folder / "sw_ranking"

    def load_dataset(name: str, split: str) -> Any:
        assert split == "train"
        if name == "battles":
            return Dataset.from_list(json.loads((here / "battles.json").read_text()))
        return Dataset.from_dict({"embeddings": np.load(here / "embeddings.npy").tolist()})

    routers.load_dataset, routers.OPENAI_CLIENT = load_dataset, Embeddings(folder)
    # The published fit stops early: up to 1e-3 off its own optimum. This is that optimum.
    regression = utils.LogisticRegression
    utils.LogisticRegression = lambda **rest: regression(tol=1e-12, max_iter=100_000, **rest)
    return routers.SWRankingRouter(["battles"], ["embeddings"])


def causal_llm(folder: Path) -> Any:
    import torch
    from routellm.routers import routers
    from routellm.routers.causal_llm import llm_utils, model
    from transformers import AutoModelForCausalLM

    here = folder / "causal_llm"
    routers.hf_hub_download = lambda repo_id, filename: str(here / filename)
    tokenizer = llm_utils.get_tokenizer
    model.get_tokenizer = lambda model_id, **rest: tokenizer(str(here), **rest)
    model.get_model = lambda config, model_ckpt: AutoModelForCausalLM.from_pretrained(
        model_ckpt, torch_dtype=torch.float32
    )
    torch.nn.Module.to = lambda self, *_: self
    to = torch.Tensor.to
    torch.Tensor.to = lambda self, *a, **k: self if a == ("cuda",) else to(self, *a, **k)
    return routers.CausalLLMRouter(str(here))


def main() -> None:
    folder, name = Path(sys.argv[1]), sys.argv[2]
    os.environ["OPENAI_API_KEY"] = "unused"
    os.environ["HF_HUB_OFFLINE"] = "1"
    makers = {"mf": mf, "bert": bert, "sw_ranking": sw_ranking, "causal_llm": causal_llm}
    router = makers[name](folder)
    prompts = json.loads((folder / "prompts.json").read_text())
    scores = [float(router.calculate_strong_win_rate(prompt)) for prompt in prompts]
    np.save(folder / f"{name}.peer.npy", np.array(scores))


if __name__ == "__main__":
    main()
