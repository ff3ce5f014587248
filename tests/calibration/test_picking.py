import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from routectl.calibration import cut_table, pick, threshold_text, tie_at


def table_of(scores):
    return cut_table(np.array(scores, dtype=np.float64), np.ones(len(scores)))


@given(
    st.lists(st.floats(0.0, 1.0), min_size=1, max_size=60),
    st.floats(0.0, 1.0),
    st.booleans(),
    st.sampled_from([0.0, 2e-7, 0.05]),
)
def test_the_pick_is_as_near_as_any_cut_and_its_text_makes_it(scores, target, at_most, noise):
    table = table_of(scores)
    cut = pick(table, target, at_most=at_most)
    allowed = table.share <= target if at_most and table.share[0] <= target else table.share <= 1
    nearest = np.abs(table.share[allowed] - target).min()
    assert abs(table.share[cut] - target) <= nearest + 0.001 + 1e-9
    if at_most and table.share[0] <= target:
        assert table.share[cut] <= target + 1e-9
    assert table.index_at(float(threshold_text(table, cut, target, noise))) == cut


def test_a_share_that_is_a_fraction_of_the_requests_is_hit_exactly():
    table = table_of(np.linspace(0.05, 0.95, 10))
    for k in range(11):
        for at_most in (False, True):
            assert pick(table, k / 10, at_most=at_most) == k


def test_of_two_shares_equally_near_the_lower_is_taken():
    table = table_of([0.2, 0.4, 0.6, 0.8])
    assert table.share[pick(table, 0.375)] == 0.25


def test_at_most_takes_the_nearest_share_that_is_not_above_the_target():
    table = table_of([0.2, 0.4, 0.6, 0.8])
    assert table.share[pick(table, 0.45)] == 0.5
    assert table.share[pick(table, 0.45, at_most=True)] == 0.25


def test_among_cuts_within_a_tenth_of_a_point_the_widest_gap_is_taken():
    scores = np.concatenate([np.linspace(0.0, 0.499, 7000), np.linspace(0.5, 0.6, 2997)])
    scores = np.concatenate([scores, [0.9, 0.91, 0.92]])
    table = table_of(scores)  # 30 % strong is the wide gap between 0.499 and 0.5
    assert table.share[pick(table, 0.3006)] == 0.3
    assert threshold_text(table, pick(table, 0.3006), 0.3006, 2e-7) == "0.4995"
    assert table.share[pick(table, 0.3015)] != 0.3
    assert table.share[pick(table, 0.2995, at_most=True)] < 0.2996


def test_a_small_target_is_not_rounded_to_never():
    table = table_of(np.linspace(0.0, 0.4, 5001))  # the widest gap by far is above the highest
    assert table.share[pick(table, 0.0005)] > 0


@pytest.mark.parametrize("scores", [[0.2, 0.7, 0.7], [0.0, 1e-300], [0.5], [0.1, 1 - 2**-53]])
def test_never_and_always_hold_for_scores_not_yet_seen(scores):
    table = table_of(scores)
    assert threshold_text(table, pick(table, 0.0), 0.0, 2e-7) == "1.0"
    assert threshold_text(table, pick(table, 1.0), 1.0, 2e-7) == "0.0"


def test_the_text_keeps_the_noise_away_from_both_scores_when_the_gap_is_wide_enough():
    table = table_of([0.2999, 0.35])
    assert threshold_text(table, 1, 0.5, 0.0) == "0.3"
    assert threshold_text(table, 1, 0.5, 0.001) == "0.32"
    assert threshold_text(table, 1, 0.5, 0.04) == "0.3"


def test_the_text_is_not_a_score_of_the_sample_where_that_can_be_avoided():
    assert threshold_text(table_of([0.3, 0.4]), 1, 0.5, 0.0) == "0.35"
    one_ulp = table_of([0.3, 0.30000000000000004])
    assert float(threshold_text(one_ulp, 1, 0.5, 0.0)) == 0.30000000000000004


def test_a_tie_at_the_target_reports_both_reachable_shares():
    tie = tie_at(table_of([0.1] * 5 + [0.6] * 4 + [0.9]), 0.3, 1.0)
    assert tie is not None
    assert (tie.score, tie.requests, tie.share_below, tie.share_above) == (0.6, 4, 0.1, 0.5)


def test_a_target_between_two_requests_is_no_tie():
    assert tie_at(table_of([0.1, 0.4, 0.9]), 0.5, 1.0) is None
    assert tie_at(table_of([0.1, 0.4, 0.9]), 1 / 3, 1.0) is None


def test_a_tie_smaller_than_the_resolution_is_not_worth_a_word():
    scores = np.sort(np.concatenate([np.linspace(0, 1, 9998), [0.70005, 0.70005]]))
    assert tie_at(table_of(scores), 0.3, 1.0) is None
