"""A router of somebody else: the more code a prompt holds, the more it needs the strong model."""

import numpy as np

from routectl.records import RouterIdentity
from routectl.routers import OpenRouter, RouterDescription
from routectl.routers.protocol import fingerprint

FACTS = {"router": "code_fences", "version": 1}


class CodeFences:
    def __init__(self, identity):
        self.identity = identity

    def strong_win_rates(self, prompts):
        """Fences and braces against length, squashed into (0, 1)."""
        marks = np.array([4 * p.count("```") + sum(map(p.count, "{};=")) for p in prompts], float)
        words = np.array([len(p) for p in prompts], float)
        return (marks + np.log1p(words) / 100) / (marks + np.log1p(words) / 100 + 1)

    def longer_than_read(self, prompts):
        return np.zeros(len(prompts), dtype=bool)


def open_router(checkpoint, strong_model, weak_model):
    identity = RouterIdentity("code_fences", fingerprint(FACTS), None, 0.0, FACTS)
    description = RouterDescription(
        name="code_fences",
        kind="code_fences",
        summary="how much code a prompt holds",
        checkpoint=None,
        models=(),
        default_pair=None,
        embedder=None,
        reads="the whole prompt",
        licence="MIT",
        card=None,
    )
    return OpenRouter(identity, description, lambda: CodeFences(identity))
