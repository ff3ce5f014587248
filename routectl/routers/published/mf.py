"""Matrix factorization as RouteLLM publishes it: its tensors, its models, its embedder.

The tensors are `P.weight` (a vector per model), `text_proj.0.weight` (W1) and
`classifier.0.weight` (w2), and the config holds the sizes alone. Which row of P is which model,
and which embedder the prompts go to, is said in the published code only, and so here.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from routectl.errors import CheckpointError
from routectl.records import ModelPair, RouterIdentity
from routectl.routers.mf import SUMMARY, Factors, MfRouter, Scoring, score_noise
from routectl.routers.pairs import choose_pair
from routectl.routers.protocol import OpenRouter, fingerprint
from routectl.routers.published.embedded import EmbeddedRemotely
from routectl.routers.published.folder import published_config, published_weights

if TYPE_CHECKING:
    from numpy.typing import NDArray


MODELS = [
    "RWKV-4-Raven-14B",
    "alpaca-13b",
    "chatglm-6b",
    "chatglm2-6b",
    "chatglm3-6b",
    "claude-1",
    "claude-2.0",
    "claude-2.1",
    "claude-instant-1",
    "codellama-34b-instruct",
    "deepseek-llm-67b-chat",
    "dolly-v2-12b",
    "dolphin-2.2.1-mistral-7b",
    "falcon-180b-chat",
    "fastchat-t5-3b",
    "gemini-pro",
    "gemini-pro-dev-api",
    "gpt-3.5-turbo-0125",
    "gpt-3.5-turbo-0314",
    "gpt-3.5-turbo-0613",
    "gpt-3.5-turbo-1106",
    "gpt-4-0125-preview",
    "gpt-4-0314",
    "gpt-4-0613",
    "gpt-4-1106-preview",
    "gpt4all-13b-snoozy",
    "guanaco-33b",
    "koala-13b",
    "llama-13b",
    "llama-2-13b-chat",
    "llama-2-70b-chat",
    "llama-2-7b-chat",
    "llama2-70b-steerlm-chat",
    "mistral-7b-instruct",
    "mistral-7b-instruct-v0.2",
    "mistral-medium",
    "mixtral-8x7b-instruct-v0.1",
    "mpt-30b-chat",
    "mpt-7b-chat",
    "nous-hermes-2-mixtral-8x7b-dpo",
    "oasst-pythia-12b",
    "openchat-3.5",
    "openchat-3.5-0106",
    "openhermes-2.5-mistral-7b",
    "palm-2",
    "pplx-70b-online",
    "pplx-7b-online",
    "qwen-14b-chat",
    "qwen1.5-4b-chat",
    "qwen1.5-72b-chat",
    "qwen1.5-7b-chat",
    "solar-10.7b-instruct-v1.0",
    "stablelm-tuned-alpha-7b",
    "starling-lm-7b-alpha",
    "stripedhyena-nous-7b",
    "tulu-2-dpo-70b",
    "vicuna-13b",
    "vicuna-33b",
    "vicuna-7b",
    "wizardlm-13b",
    "wizardlm-70b",
    "yi-34b-chat",
    "zephyr-7b-alpha",
    "zephyr-7b-beta",
]
"""The models of Chatbot Arena in the order of the published embedding's rows."""

DEFAULT_PAIR = ModelPair("gpt-4-1106-preview", "mixtral-8x7b-instruct-v0.1")
_TENSORS = ("P.weight", "text_proj.0.weight", "classifier.0.weight")


def open_published(folder: Path, strong_model: str | None, weak_model: str | None) -> OpenRouter:
    """Open a published mf checkpoint for a model pair; None takes RouteLLM's own.

    Raises:
        RouterError: the checkpoint does not know a model, or strong and weak are one.
        CheckpointError: it is damaged, or a checkpoint of another router.
        UsageError: `OPENAI_BASE_URL` is no address.
    """
    import numpy as np

    from routectl.embedding.remote import NOISE

    config = published_config(folder)
    tensors, digest = published_weights(folder)
    factors = _factors(folder, config, tensors)
    pair = choose_pair(strong_model, weak_model, DEFAULT_PAIR, factors.models)
    direction = factors.direction(pair)
    embedded = EmbeddedRemotely.of(len(direction))
    facts = embedded.facts("mf", digest, pair)
    noise = score_noise(float(np.linalg.norm(direction)), NOISE)
    identity = RouterIdentity("mf", fingerprint(facts), pair, noise, facts)
    card = folder / "README.md"
    description = embedded.description(
        "mf", SUMMARY, folder, factors.models, DEFAULT_PAIR, card if card.is_file() else None
    )
    return OpenRouter(
        identity,
        description,
        lambda: MfRouter(identity, Scoring(direction), embedded.open(folder)),
        embedded.shares,
    )


def _factors(
    folder: Path, config: Mapping[str, Any], tensors: Mapping[str, NDArray[Any]]
) -> Factors:
    import numpy as np

    if set(tensors) != set(_TENSORS):
        strange = sorted(set(tensors) ^ set(_TENSORS))
        raise CheckpointError(
            f"{folder} is no mf checkpoint as RouteLLM publishes it, whose tensors are "
            f"{', '.join(_TENSORS)} (missing or unknown: {', '.join(strange[:3])})."
        )
    vectors, projection, classifier = (tensors[name] for name in _TENSORS)
    d, width = projection.shape if projection.ndim == 2 else (0, 0)
    if vectors.shape != (len(MODELS), d) or classifier.shape != (1, d):
        raise CheckpointError(
            f"{folder}: the shapes {vectors.shape}, {projection.shape} and {classifier.shape} of "
            f"{', '.join(_TENSORS)} do not fit {len(MODELS)} models and one score."
        )
    sizes = {"dim": d, "text_dim": width, "num_models": len(MODELS), "num_classes": 1}
    for key, size in sizes.items():
        if config.get(key, size) != size:
            raise CheckpointError(
                f"{folder}: config.json says {key} = {config[key]}, and the tensors {size}."
            )
    if not all(np.isfinite(tensor).all() for tensor in tensors.values()):
        raise CheckpointError(f"{folder}: a tensor holds values that are not finite numbers.")
    if not np.linalg.norm(vectors.astype(np.float64), axis=1).all():
        raise CheckpointError(f"{folder}: a model's vector is zero.")
    return Factors(tuple(MODELS), vectors, projection, classifier[0])
