"""The threshold as text: the decimal that goes into the config string."""

from __future__ import annotations

from fractions import Fraction
from itertools import count


def shortest_decimal(lower: float, upper: float) -> str:
    """The shortest decimal `text` in [0, 1] with lower < float(text) <= upper.

    Among the decimals of that length it is the one nearest the middle of the gap; of two
    equally near the higher, which sends fewer requests to the strong model. At least one
    digit follows the point, and there is never an exponent.

    There always is one: the shortest text that reads back as `upper` itself would do.

    Args:
        lower: below `upper`; may be below 0, and then 0 is in the gap.
        upper: in [0, 1].

    Raises:
        ValueError: the gap holds no number in [0, 1].
    """
    if not (lower < upper <= 1.0 and upper >= 0.0):
        raise ValueError(f"No threshold lies above {lower} and up to {upper}.")
    # Exact arithmetic: in a gap of one ulp the middle is no float.
    middle = (Fraction(max(lower, 0.0)) + Fraction(upper)) / 2
    for digits in count(1):
        scale = 10**digits
        below = int(middle * scale)
        candidates = sorted(
            (below + 1, below), key=lambda numerator: abs(Fraction(numerator, scale) - middle)
        )
        for numerator in candidates:
            text = _fixed(numerator, digits)
            if numerator <= scale and lower < float(text) <= upper:
                return text
    raise AssertionError("unreachable: the digits are not bounded")


def _fixed(numerator: int, digits: int) -> str:
    whole, rest = divmod(numerator, 10**digits)
    return f"{whole}.{rest:0{digits}d}"
