"""The cut table: requests sorted by score, one row for each achievable cut."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from routectl.calibration.sample import Floats, check_win_rates

JUST_BELOW_ZERO = -5e-324
"""Lower bound of the last gap, so that (lower, upper] holds for it too: it contains 0."""


@dataclass(frozen=True, slots=True, eq=False)
class CutTable:
    """The achievable cuts of a sample, from the fewest strong requests to all of them.

    Parallel arrays, float64[cuts]. K distinct scores have K + 1 cuts, or K when the highest
    score is 1.0: no threshold up to 1 sends that one to the weak model.
    """

    lower: Floats
    """Every threshold in (lower, upper] makes this cut."""
    upper: Floats
    requests: Floats
    """Requests that go to the strong model, in the unit of the weights. Ascending."""
    share: Floats
    """The same as a share of all requests: the strong fraction."""
    token_share: Floats | None
    """Share of the known tokens that goes to the strong model; None if none is known."""
    spend_share: Floats | None
    """Share of the known spend that goes to the strong model; None if none is known."""

    def __len__(self) -> int:
        return len(self.share)

    def index_at(self, threshold: float) -> int:
        """The cut that a threshold in [0, 1] makes.

        Raises:
            ValueError: the threshold is outside [0, 1].
        """
        if not 0.0 <= threshold <= 1.0:
            raise ValueError(f"A threshold lies between 0 and 1, not at {threshold}.")
        return int(np.searchsorted(-self.lower, -threshold, side="right"))


def cut_table(
    win_rates: Floats,
    weights: Floats,
    *,
    tokens: Floats | None = None,
    spend: Floats | None = None,
) -> CutTable:
    """Sort once; every later question is a lookup on the result.

    Args:
        win_rates: strong win rates, float64[n], in [0, 1]. Ties are equal floats.
        weights: float64[n], above 0.
        tokens: tokens of each call, float64[n], NaN where unknown.
        spend: US dollars of each call, float64[n], NaN where unknown.

    Raises:
        CalibrationError: a score is no strong win rate, or there is none.
    """
    check_win_rates(win_rates)
    equal_weights = bool(weights.min() == weights.max())
    order = None
    if equal_weights and tokens is None and spend is None:
        scores = np.sort(win_rates)[::-1] + 0.0  # -0.0 becomes 0.0
    else:
        order = np.argsort(win_rates)[::-1]
        scores = win_rates[order] + 0.0
    last_of_each = np.append(np.flatnonzero(scores[1:] != scores[:-1]), len(scores) - 1)
    distinct = scores[last_of_each]
    first = 1 if distinct[0] == 1.0 else 0

    def strong_side(amounts: Floats) -> Floats:
        ordered = amounts if order is None else amounts[order]
        return np.append(0.0, np.cumsum(ordered)[last_of_each])[first:]

    def strong_share(amounts: Floats | None) -> Floats | None:
        if amounts is None:
            return None
        strong = strong_side(np.where(np.isfinite(amounts), amounts * weights, 0.0))
        return strong / strong[-1] if strong[-1] > 0 else None

    # In units of the largest weight, equal weights are whole numbers and shares are exact.
    largest = float(weights.max())
    relative = strong_side(weights / largest)
    return CutTable(
        lower=np.append(distinct, JUST_BELOW_ZERO)[first:],
        upper=np.append(1.0, distinct)[first:],
        requests=relative * largest,
        share=relative / relative[-1],
        token_share=strong_share(tokens),
        spend_share=strong_share(spend),
    )
