from fractions import Fraction

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from routectl.calibration import shortest_decimal

unit = st.floats(0.0, 1.0)


@st.composite
def gaps(draw: st.DrawFn) -> tuple[float, float]:
    lower = draw(st.floats(0.0, 1.0, exclude_max=True))
    ulps = draw(st.integers(1, 50))
    neighbour = lower
    for _ in range(ulps):
        neighbour = min(1.0, float(np.nextafter(neighbour, 2.0)))
    upper = draw(st.one_of(st.just(neighbour), st.floats(lower, 1.0, exclude_min=True)))
    return lower, upper


@given(gaps())
@example((0.0, 5e-324))
@example((1 - 2**-53, 1.0))
@example((0.3, 0.30000000000000004))
@example((0.1, 0.1 + 1e-16))
def test_the_decimal_reads_back_inside_the_gap_and_is_written_without_exponent(gap):
    lower, upper = gap
    text = shortest_decimal(lower, upper)
    assert lower < float(text) <= upper
    assert set(text) <= set("0123456789.")
    assert text[:2] in ("0.", "1.")


@given(gaps())
def test_no_shorter_decimal_is_inside_and_none_of_that_length_is_nearer_the_middle(gap):
    lower, upper = gap
    text = shortest_decimal(lower, upper)
    digits = len(text) - 2
    if digits > 1:
        shorter = 10 ** (digits - 1)
        first = int(Fraction(lower) * shorter)
        nearby = [float(Fraction(k, shorter)) for k in range(first, first + 3)]
        assert not any(lower < value <= upper for value in nearby)
    middle = (Fraction(lower) + Fraction(upper)) / 2
    step = Fraction(1, 10**digits)
    for other in (Fraction(text) - step, Fraction(text) + step):
        if lower < float(other) <= upper:
            assert abs(other - middle) >= abs(Fraction(text) - middle)


@pytest.mark.parametrize(
    ("lower", "upper", "text"),
    [
        (0.3, 0.4, "0.4"),
        (0.11592, 0.11594, "0.11593"),
        (0.0, 1.0, "0.5"),
        (0.31, 0.39, "0.35"),
        (0.99, 1.0, "1.0"),
        (-5e-324, 0.0, "0.0"),
        (-5e-324, 0.2, "0.1"),
        (0.125, 0.375, "0.3"),
        (1e-7, 2e-7, "0.0000002"),
    ],
)
def test_it_is_short_and_as_near_the_middle_as_that_allows(lower, upper, text):
    assert shortest_decimal(lower, upper) == text


@pytest.mark.parametrize(("lower", "upper"), [(0.4, 0.4), (0.5, 0.4), (0.9, 1.1), (-2.0, -1.0)])
def test_a_gap_without_a_threshold_is_refused(lower, upper):
    with pytest.raises(ValueError, match="No threshold"):
        shortest_decimal(lower, upper)
