"""Conversations as what is decided at once: the first request decides, and the rest follow."""

from __future__ import annotations

import numpy as np

from routectl.calibration.arrays import Floats, Integers
from routectl.calibration.clusters import Ids


def first_of_conversation(conversations: Integers, times: Floats) -> Ids:
    """For each of n requests, which one its conversation began with: the earliest, of several the
    first one in the order of the arrays.

    Args:
        conversations: int64[n], -1 where unknown; such a request is its own first.
        times: seconds, NaN where unknown; a request without a time comes after those with one.

    Returns:
        Shape (n,), indices of requests.
    """
    first = np.arange(len(conversations))
    in_one = np.flatnonzero(conversations >= 0)
    # Stable, and NaN sorts last: equal times stay in order.
    in_order = in_one[np.lexsort((times[in_one], conversations[in_one]))]
    if not len(in_order):
        return first
    ids = conversations[in_order]
    begins = np.append(True, ids[1:] != ids[:-1])
    number = np.cumsum(begins) - 1
    first[in_order] = in_order[begins][number]
    return first
