"""How newer requests differ from those of a calibration; no alarm looks at it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from routectl.store.requests import RequestTable
from routectl.workflow.drifting.days import WEEK

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class EffectSizes:
    """How the last 7 days differ from the calibration's requests. No alarm looks at them; None
    where nothing is known."""

    days: int
    higher_score: float | None
    """Probability that a score of the last days is higher than one of the calibration's; 0.5: they
    are alike."""
    same_prompts: float | None
    """Share of the last days' requests whose prompt the calibration's requests have, too."""
    same_prompts_before: float | None
    """The same of the calibration's last 7 days and its days before."""
    tokens: float | None
    """Mean tokens of a request, against the calibration's: 1 is alike."""
    cost: float | None
    """Mean booked cost of a request, likewise."""


def effect_sizes(before: RequestTable, last: RequestTable) -> EffectSizes | None:
    """How the last days' requests differ from the calibration's; None where either has none."""
    import numpy as np

    times = last.time[~np.isnan(last.time)]
    if not len(before) or not len(times):
        return None
    end = np.nanmax(before.time) if not np.isnan(before.time).all() else np.nan
    # A comparison with NaN is False, so that without times there is no last week.
    is_last_week = before.time > end - WEEK.total_seconds()
    prompts = np.array([p or -1 for p in before.values["prompt_id"]], dtype=np.int64)
    last_prompts = np.array([p or -1 for p in last.values["prompt_id"]], dtype=np.int64)
    return EffectSizes(
        days=len(np.unique(np.floor(times / 86_400))),
        higher_score=_higher(before.scores, last.scores),
        same_prompts=_share_among(last_prompts, last.weight, prompts),
        same_prompts_before=_share_among(
            prompts[is_last_week], before.weight[is_last_week], prompts[~is_last_week]
        ),
        tokens=_ratio(
            before, last, before.tokens_in + before.tokens_out, last.tokens_in + last.tokens_out
        ),
        cost=_ratio(before, last, before.cost, last.cost),
    )


def _higher(before: NDArray[np.float64], last: NDArray[np.float64]) -> float | None:
    """Probability that a score of the second is higher, ties counted half."""
    import numpy as np

    first, second = (scores[:, 0][~np.isnan(scores[:, 0])] for scores in (before, last))
    if not len(first) or not len(second):
        return None
    first = np.sort(first)
    below = np.searchsorted(first, second, "left") + np.searchsorted(first, second, "right")
    return float(below.mean()) / 2 / len(first)


def _share_among(
    prompts: NDArray[np.int64], weight: NDArray[np.float64], others: NDArray[np.int64]
) -> float | None:
    """Weighted share of the requests whose prompt is among others."""
    import numpy as np

    has_prompt = prompts >= 0
    total = float(weight[has_prompt].sum())
    if not total or not len(others):
        return None
    return float(weight[has_prompt & np.isin(prompts, others)].sum()) / total


def _ratio(
    before: RequestTable,
    last: RequestTable,
    amounts_before: NDArray[np.float64],
    amounts: NDArray[np.float64],
) -> float | None:
    """Of weighted means."""
    import numpy as np

    means = []
    for table, values in ((before, amounts_before), (last, amounts)):
        is_known = ~np.isnan(values)
        weight = float(table.weight[is_known].sum())
        if not weight:
            return None
        means.append(float(table.weight[is_known] @ values[is_known]) / weight)
    return means[1] / means[0] if means[0] else None
