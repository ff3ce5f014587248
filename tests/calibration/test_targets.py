import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from routectl.calibration import (
    Events,
    StrongFraction,
    cut_table,
    effective_size,
    target_from_json,
)
from routectl.errors import CalibrationError, InputError, UsageError

NOISE = 2e-7


def table_of(scores):
    values = np.array(scores, dtype=np.float64)
    return cut_table(Events(values, np.ones(len(values))), lowest=0.0, highest=1.0)


def cut(scores, share, noise=NOISE, at_most=False):
    return StrongFraction(share, at_most).cut(table_of(scores), noise)


@given(
    st.lists(st.floats(0.0, 1.0), min_size=1, max_size=60),
    st.floats(0.0, 1.0),
    st.booleans(),
    st.sampled_from([0.0, 2e-7, 0.05]),
)
def test_the_cut_is_as_near_as_any_and_its_text_makes_it(scores, share, at_most, noise):
    table = table_of(scores)
    chosen = StrongFraction(share, at_most).cut(table, noise)
    allowed = table.share <= share if at_most and table.share[0] <= share else table.share <= 1
    nearest = np.abs(table.share[allowed] - share).min()
    assert abs(chosen.strong_fraction - share) <= nearest + 0.001 + 1e-9
    if at_most and table.share[0] <= share:
        assert chosen.strong_fraction <= share + 1e-9
    row = table.at(float(chosen.threshold))
    assert (
        table.share[row]
        == chosen.strong_fraction
        == np.mean(np.array(scores) >= float(chosen.threshold))
    )
    assert (max(0.0, table.lower[row]), table.upper[row]) == (chosen.gap_lower, chosen.gap_upper)


def test_a_share_that_is_a_fraction_of_the_requests_is_hit_exactly():
    for k in range(11):
        for at_most in (False, True):
            chosen = cut(np.linspace(0.05, 0.95, 10), k / 10, at_most=at_most)
            assert chosen.strong_fraction == k / 10


def test_of_two_shares_equally_near_the_lower_is_taken():
    assert cut([0.2, 0.4, 0.6, 0.8], 0.375).strong_fraction == 0.25


def test_at_most_takes_the_nearest_share_that_is_not_above_the_target():
    assert cut([0.2, 0.4, 0.6, 0.8], 0.45).strong_fraction == 0.5
    assert cut([0.2, 0.4, 0.6, 0.8], 0.45, at_most=True).strong_fraction == 0.25


def test_among_cuts_within_a_tenth_of_a_point_the_widest_gap_is_taken():
    scores = np.concatenate([np.linspace(0.0, 0.499, 7000), np.linspace(0.5, 0.6, 2997)])
    scores = np.concatenate([scores, [0.9, 0.91, 0.92]])
    # 30 % strong is the wide gap between 0.499 and 0.5.
    assert cut(scores, 0.3006).strong_fraction == 0.3
    assert cut(scores, 0.3006).threshold == "0.4995"
    assert cut(scores, 0.3015).strong_fraction != 0.3
    assert cut(scores, 0.2995, at_most=True).strong_fraction < 0.2996


def test_a_small_target_is_not_rounded_to_never():
    scores = np.linspace(0.0, 0.4, 5001)  # the widest gap by far is above the highest
    assert cut(scores, 0.0005).strong_fraction > 0


@pytest.mark.parametrize("scores", [[0.2, 0.7, 0.7], [0.0, 1e-300], [0.5], [0.1, 1 - 2**-53]])
def test_never_and_always_hold_for_scores_not_yet_seen(scores):
    assert cut(scores, 0.0).threshold == "1.0"
    assert cut(scores, 1.0).threshold == "0.0"


def test_the_text_keeps_the_noise_away_from_both_scores_when_the_gap_is_wide_enough():
    assert cut([0.2999, 0.35], 0.5, noise=0.0).threshold == "0.3"
    assert cut([0.2999, 0.35], 0.5, noise=0.001).threshold == "0.32"
    assert cut([0.2999, 0.35], 0.5, noise=0.04).threshold == "0.3"


def test_the_text_is_not_a_score_of_the_sample_where_that_can_be_avoided():
    assert cut([0.3, 0.4], 0.5, noise=0.0).threshold == "0.35"
    one_ulp = cut([0.3, 0.30000000000000004], 0.5, noise=0.0)
    assert float(one_ulp.threshold) == 0.30000000000000004


def test_a_tie_at_the_target_reports_both_reachable_shares():
    tie = cut([0.1] * 5 + [0.6] * 4 + [0.9], 0.3).tie
    assert tie is not None
    assert (tie.score, tie.requests, tie.share_below, tie.share_above) == (0.6, 4, 0.1, 0.5)


def test_a_target_between_two_requests_is_no_tie():
    assert cut([0.1, 0.4, 0.9], 0.5).tie is None
    assert cut([0.1, 0.4, 0.9], 1 / 3).tie is None


def test_a_tie_smaller_than_the_resolution_is_not_worth_a_word():
    scores = np.sort(np.concatenate([np.linspace(0, 1, 9998), [0.70005, 0.70005]]))
    assert cut(scores, 0.3).tie is None


def test_a_share_is_missed_where_it_is_further_off_than_the_tolerance():
    table = table_of([0.2, 0.4, 0.6, 0.8])
    for tolerance, missed_by in ((0.05, None), (0.049, 0.05), (0.0, 0.05)):
        target = StrongFraction(0.45, tolerance=tolerance)
        missed = target.missed_by(target.cut(table, NOISE))
        assert missed == (None if missed_by is None else pytest.approx(missed_by))


@pytest.mark.parametrize("share", [-1.0, 1.5, float("nan")])
def test_a_share_outside_0_to_1_is_refused(share):
    with pytest.raises(UsageError, match="between 0 and 1"):
        StrongFraction(share)


def guaranteed(scores, share, guarantee=0.95, conversations=None):
    """The cut with a guarantee, and the size that each threshold has."""
    scores = np.array(scores, dtype=np.float64)
    ids = np.full(len(scores), -1) if conversations is None else np.array(conversations)

    def size_at(threshold):
        return effective_size(
            scores >= threshold, np.ones(len(scores)), np.arange(len(scores)), ids
        )

    target = StrongFraction(share, guarantee=guarantee)
    return target.cut(table_of(scores), NOISE, size_at), size_at


@given(
    st.lists(st.floats(0.0, 0.99), min_size=20, max_size=200),
    st.floats(0.2, 0.9),
    st.sampled_from([0.5, 0.8, 0.95, 0.999]),
)
def test_a_guaranteed_cut_has_its_upper_limit_at_or_below_the_target(scores, share, guarantee):
    try:
        chosen, size_at = guaranteed(scores, share, guarantee)
    except CalibrationError:
        return
    size = size_at(float(chosen.threshold))
    n = size.corrected_one_sided(guarantee)
    k = chosen.strong_fraction * n
    limit = stats.beta.ppf(guarantee, k + 1, n - k)
    assert limit <= share + 1e-9
    assert chosen.guaranteed == pytest.approx(limit)
    assert chosen.strong_fraction > 0


def test_no_larger_share_has_the_guarantee_but_within_a_tenth_of_a_point():
    scores = np.random.default_rng(1).random(1000)
    chosen, _ = guaranteed(scores, 0.3)
    k = np.arange(1000)
    most = k[stats.beta.ppf(0.95, k + 1, 1000 - k) <= 0.3].max() / 1000
    assert most - 0.001 <= chosen.strong_fraction <= most


def test_requests_that_depend_leave_a_lower_share_guaranteed():
    conversations = np.repeat(np.arange(100), 10)
    scores = np.random.default_rng(2).random(100)[conversations]
    alone, _ = guaranteed(scores, 0.3)
    together, _ = guaranteed(scores, 0.3, conversations=conversations)
    assert together.strong_fraction < alone.strong_fraction - 0.03


def test_a_tie_at_the_limit_is_left_out_whole():
    scores = [0.9] * 100 + [0.5] * 200 + np.linspace(0.01, 0.4, 700).tolist()
    chosen, _ = guaranteed(scores, 0.3)
    assert chosen.strong_fraction == 0.1


def test_where_no_cut_has_the_guarantee_it_is_refused_with_the_lowest_share():
    with pytest.raises(CalibrationError, match=r"0\.50 % .* the lowest one above 0 is 1\.00 %"):
        guaranteed(np.linspace(0, 0.99, 100), 0.005)


def test_never_and_always_need_no_sample():
    never, _ = guaranteed([0.1, 0.2], 0.0)
    always, _ = guaranteed([0.1, 0.2], 1.0)
    assert (never.threshold, never.guaranteed) == ("1.0", 0.0)
    assert (always.threshold, always.strong_fraction) == ("0.0", 1.0)


@pytest.mark.parametrize("guarantee", [0.0, 0.49, 1.0, float("nan")])
def test_a_guarantee_is_a_confidence_from_a_half_to_below_1(guarantee):
    with pytest.raises(UsageError, match=r"from 0\.5 to below 1"):
        StrongFraction(0.3, guarantee=guarantee)


def test_a_guaranteed_share_below_the_target_is_no_miss():
    target = StrongFraction(0.3, tolerance=0.0, guarantee=0.95)
    chosen, _ = guaranteed(np.linspace(0, 0.99, 100), 0.3)
    assert target.missed_by(chosen) is None


def test_a_stored_target_is_read_back_and_one_of_a_newer_version_is_refused():
    for target in (StrongFraction(0.3, at_most=True), StrongFraction(0.3, guarantee=0.9)):
        assert target_from_json(target.to_json()) == target
    with pytest.raises(InputError, match="newer"):
        target_from_json({"carbon": 3})
