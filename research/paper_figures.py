"""The figures of RouteLLM's tables (arXiv 2406.18665v4), to compare ours with.

Routers trained on Arena battles with augmentation: an LLM judge's labels for MT-Bench and GSM8K,
1,500 gold labels of MMLU for MMLU.
"""

from __future__ import annotations

from typing import NamedTuple


class Figures(NamedTuple):
    """CPT in percent."""

    apgr: float
    cpt50: float
    cpt80: float


RANDOM = "random"

TABLES_1_TO_3: dict[str, dict[str, Figures]] = {
    "mt_bench": {
        "mf": Figures(0.802, 13.40, 31.31),
        "sw_ranking": Figures(0.759, 23.21, 36.04),
        "bert": Figures(0.751, 19.58, 34.02),
        "causal_llm": Figures(0.679, 31.50, 48.75),
        RANDOM: Figures(0.500, 49.03, 78.08),
    },
    "mmlu": {
        "mf": Figures(0.597, 35.46, 71.40),
        "sw_ranking": Figures(0.603, 35.40, 71.55),
        "bert": Figures(0.572, 41.30, 72.20),
        "causal_llm": Figures(0.600, 35.49, 70.31),
        RANDOM: Figures(0.500, 50.07, 79.93),
    },
    "gsm8k": {
        "mf": Figures(0.565, 38.82, 72.62),
        "sw_ranking": Figures(0.568, 41.21, 72.20),
        "bert": Figures(0.531, 44.76, 79.09),
        "causal_llm": Figures(0.622, 33.64, 63.26),
        RANDOM: Figures(0.497, 50.00, 80.08),
    },
}

TABLE_4: dict[str, dict[str, float]] = {
    "Claude 3 Opus / Claude 3 Sonnet": {
        "mf": 0.762, "sw_ranking": 0.772, "bert": 0.682, "causal_llm": 0.656, RANDOM: 0.493,
    },
    "Llama 3.1 70B / Llama 3.1 8B": {
        "mf": 0.738, "sw_ranking": 0.767, "bert": 0.673, "causal_llm": 0.689, RANDOM: 0.512,
    },
}  # fmt: skip
"""APGR on MT-Bench."""

TABLE_6 = {"mt_bench": (3.66, 2.49), "mmlu": (1.41, 1.14), "gsm8k": (1.49, 1.27)}
"""Strong calls of random over those of the best router, at CPT(50%) and CPT(80%)."""

TABLE_7 = {"mf": 155.16, "sw_ranking": 2.9, "bert": 69.62, "causal_llm": 42.46}
"""Requests a second: on an NVIDIA L4, and sw_ranking on 8 virtual CPUs."""

UNIFY_QUALITY, UNIFY_SHARE, ROUTELLM_SHARE = 8.757862, 45.625, 25.40
"""MT-Bench score of Unify AI's router, with how many percent strong calls it got there, and with
how many RouteLLM's best router did (RouteLLM's repository, benchmarks/README.md)."""
