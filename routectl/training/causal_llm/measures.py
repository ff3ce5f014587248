"""How good a `causal_llm` router is on held-out prompts, and how far its scores vary."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from routectl.embedding.noise import SAFETY_FACTOR
from routectl.training.data import TrainingData, held_out_apgr
from routectl.training.progress import Progress

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from routectl.routers.causal_llm import CausalLlmRouter

HELD_OUT_EXAMPLES = 96
"""Held-out prompts that the loss is taken on, at most: each costs as much as a scored one."""

_NOISE_SAMPLE = 16
_NOISE_BUDGETS = (1, 512, 2048)


def measured_apgr(
    router: CausalLlmRouter, data: TrainingData, on_progress: Progress
) -> dict[str, float]:
    """APGR of the default pair, on `HELD_OUT_EXAMPLES` of the held-out prompts where it met."""
    import numpy as np

    measured = data.measured
    strong, weak = (measured.models.index(name) for name in (data.pair.strong, data.pair.weak))
    both = {strong, weak}
    met = [
        {int(a), int(b)} == both for a, b in zip(measured.model_a, measured.model_b, strict=True)
    ]
    prompts = np.unique(measured.prompt[np.array(met, dtype=np.bool_)])
    prompts = np.random.default_rng(0).permutation(prompts)[:HELD_OUT_EXAMPLES]
    if len(prompts) == 0:
        return {}
    wanted = np.zeros(len(data.comparisons.prompts), dtype=np.bool_)
    wanted[prompts] = True
    rates = np.full(len(wanted), np.nan)
    texts = [data.comparisons.prompts[row] for row in prompts]
    rates[prompts] = _scored(router, texts, on_progress)
    return held_out_apgr(rates, measured.of_prompts(wanted), data.pair)


def _scored(
    router: CausalLlmRouter, prompts: Sequence[str], on_progress: Progress
) -> NDArray[np.float64]:
    import numpy as np

    rates = np.empty(len(prompts))
    for start in range(0, len(prompts), 16):
        on_progress("measure", start, len(prompts))
        rates[start : start + 16] = router.strong_win_rates(prompts[start : start + 16])
    on_progress("measure", len(prompts), len(prompts))
    return rates


def score_noise(router: CausalLlmRouter, data: TrainingData, on_progress: Progress) -> float:
    """The largest difference of two scores of one prompt over batch sizes, with a safety factor."""
    import numpy as np

    by_length = sorted((data.comparisons.prompts[row] for row in data.used), key=len)
    step = max(1, len(by_length) // _NOISE_SAMPLE)
    sample = by_length[::step][:_NOISE_SAMPLE]
    rates = []
    for number, budget in enumerate(_NOISE_BUDGETS):
        on_progress("noise", number, len(_NOISE_BUDGETS))
        rates.append(router.strong_win_rates(sample, token_budget=budget))
    seen = float(np.ptp(np.stack(rates), axis=0).max())
    # Two scores that happen to agree in every bit do not show that all do.
    return max(seen, float(np.finfo(np.float32).eps)) * SAFETY_FACTOR
