import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from routectl.calibration import Events, Ranking, cut_table
from routectl.errors import CalibrationError

NAN = np.nan
AMOUNTS = ("tokens", "booked_cost", "cost_strong", "cost_weak", "quality_gained")

# Few distinct values, so that ties are the rule; the ends, denormals, and neighbours of 1 ulp.
awkward = st.sampled_from([0.0, 5e-324, 1e-300, 0.3, 0.1 + 0.2, 0.5, 1 - 2**-53, 1.0, 2 / 3])
scores = st.lists(st.one_of(awkward, st.floats(0.0, 1.0)), min_size=1, max_size=40)
amounts = st.one_of(st.just(NAN), st.floats(0, 100), st.integers(-3, 3).map(float))


def drawn(data, elements, n):
    return np.array(data.draw(st.lists(elements, min_size=n, max_size=n)))


@given(scores, st.data())
def test_every_row_is_what_its_gap_does_to_the_events(values, data):
    """Against the definition: at a threshold, what lies at or above it has moved."""
    values = np.array(values)
    n = len(values)
    requests = drawn(data, st.floats(0.01, 100), n)
    columns = {name: drawn(data, amounts, n) for name in AMOUNTS}
    table = cut_table(Events(values, requests, **columns), lowest=0.0, highest=1.0)
    assert len(table) == len(set(values)) + (0 if values.max() == 1.0 else 1)
    is_known = {name: np.isfinite(column) for name, column in columns.items()}
    is_known["cost_strong"] = is_known["cost_weak"] = (
        is_known["cost_strong"] & is_known["cost_weak"]
    )
    for row in range(len(table)):
        for threshold in {table.upper[row], np.nextafter(table.lower[row], 2.0)}:
            assert 0.0 <= threshold <= 1.0
            assert table.at(threshold) == row
            strong = values >= threshold
            assert table.requests[row] == pytest.approx(requests[strong].sum(), abs=1e-9)
            assert table.share[row] == pytest.approx(requests[strong].sum() / requests.sum())
            for name, column in columns.items():
                if is_known[name].any():
                    moved = getattr(table, name).moved[row]
                    assert moved == pytest.approx(column[strong & is_known[name]].sum(), abs=1e-9)
            both = is_known["cost_strong"]
            if both.any():
                spent = np.where(strong, columns["cost_strong"], columns["cost_weak"])[both].sum()
                assert table.cost[row] == pytest.approx(spent, abs=1e-9)
    for name in AMOUNTS:
        known = getattr(table, name) and getattr(table, name).known_share
        share = requests[is_known[name]].sum() / requests.sum()
        assert known == (pytest.approx(share) if is_known[name].any() else None)


def test_five_requests_by_hand():
    """The example of research/statistics.md."""
    table = cut_table(
        Events(
            values=np.array([0.12, 0.55, 0.31, 0.12, 0.80]),
            requests=np.ones(5),
            tokens=np.array([100.0, 300, 200, 100, 300]),
            cost_strong=np.array([0.02, 0.06, 0.04, 0.02, 0.06]),
            cost_weak=np.array([0.001, 0.003, 0.002, 0.001, 0.003]),
            quality_gained=np.array([0.0, 1, -1, 0, 1]),
        ),
        lowest=0.0,
        highest=1.0,
    )
    assert table.upper.tolist() == [1.0, 0.80, 0.55, 0.31, 0.12]
    assert table.share.tolist() == [0, 0.2, 0.4, 0.6, 1]
    assert table.tokens.moved.tolist() == [0, 300, 600, 800, 1000]
    assert table.quality_gained.moved.tolist() == [0, 1, 2, 1, 1]
    # From all weak, 0.010, to all strong, 0.200.
    assert table.cost == pytest.approx([0.010, 0.067, 0.124, 0.162, 0.200])


def test_a_request_that_climbs_three_models_is_two_events():
    """The steps of one request at 0.9 and 0.2, and of another at 0.6 alone."""
    table = cut_table(
        Events(
            values=np.array([0.9, 0.2, 0.6]),
            requests=np.array([1.0, 0.0, 1.0]),
            # What each step adds: 1 -> 3 -> 10 dollars, and 2 -> 20.
            cost_strong=np.array([3.0, 7, 20]),
            cost_weak=np.array([1.0, 0, 2]),
            quality_gained=np.array([0.5, 0.1, 0.2]),
        )
    )
    assert table.cost.tolist() == [3, 5, 23, 30]
    assert table.quality_gained.moved == pytest.approx([0, 0.5, 0.7, 0.8])
    assert table.share.tolist() == [0, 0.5, 1, 1]


@pytest.mark.parametrize("weight", [1.0, 0.1, 10.37, 1 / 3])
def test_shares_of_equal_weights_are_exact(weight):
    table = cut_table(Events(np.arange(10) / 10, np.full(10, weight)))
    assert table.share.tolist() == [k / 10 for k in range(11)]


def test_amounts_are_those_of_the_events_that_have_them():
    table = cut_table(
        Events(
            np.array([0.9, 0.1, 0.5]),
            np.array([1.0, 1.0, 2.0]),
            tokens=np.array([100.0, 700.0, NAN]),
            booked_cost=np.array([NAN, NAN, NAN]),
        )
    )
    assert table.tokens.moved.tolist() == [0.0, 100.0, 100.0, 800.0]
    assert [table.tokens.share(cut) for cut in range(4)] == [0.0, 0.125, 0.125, 1.0]
    assert table.tokens.known_share == 0.5
    assert table.booked_cost is None
    assert table.cost is None


def test_amounts_that_are_all_0_have_no_share():
    table = cut_table(Events(np.array([0.9, 0.1]), np.ones(2), tokens=np.zeros(2)))
    assert (table.tokens.share(1), table.tokens.known_share) == (None, 1.0)


def test_amounts_that_cancel_leave_nothing_of_rounding():
    # 0.1 + 0.2 - 0.3 is 5.6e-17.
    gained = np.array([0.1, 0.2, -0.3])
    table = cut_table(Events(np.array([3.0, 2, 1]), np.ones(3), quality_gained=gained))
    assert table.quality_gained.total == 0.0


@pytest.mark.parametrize("threshold", [float("nan"), -0.1, 1.1])
def test_a_threshold_out_of_range_makes_no_cut(threshold):
    table = cut_table(Events(np.array([0.2, 0.4]), np.ones(2)), lowest=0.0, highest=1.0)
    with pytest.raises(ValueError, match="thresholds of this table"):
        table.at(threshold)


def test_without_a_range_any_number_is_a_threshold():
    table = cut_table(Events(np.array([-3.0, 7.0]), np.ones(2)))
    assert [table.at(t) for t in (1e9, 7.0, 6.9, -3.0, -1e9)] == [0, 1, 1, 2, 2]


@pytest.mark.parametrize(
    "columns",
    [
        {"values": []},
        {"values": [0.1, NAN]},
        {"values": [0.1]},
        {"requests": [1.0, -1.0]},
        {"requests": [0.0, 0.0]},
        {"requests": [1.0, NAN]},
        {"tokens": [1.0]},
        {"cost_strong": [1.0, 2.0]},
    ],
)
def test_what_are_no_events_is_refused(columns):
    arrays = {"values": [0.1, 0.2], "requests": [1.0, 1.0], **columns}
    with pytest.raises(ValueError, match=r"[Ee]vents"):
        Events(**{name: np.array(values) for name, values in arrays.items()})


def test_values_beyond_the_thresholds_are_refused():
    with pytest.raises(ValueError, match=r"between 0\.0 and 1\.0"):
        cut_table(Events(np.array([0.5, 1.5]), np.ones(2)), lowest=0.0, highest=1.0)


@given(scores, st.integers(1, 4), st.integers(0, 9))
def test_many_draws_of_one_ranking_are_their_own_tables(values, draws, seed):
    values = np.array(values)
    ranking = Ranking.of(values)
    counts = np.random.default_rng(seed).integers(1, 4, (draws, len(values)))
    moved = ranking.moved(ranking.ordered(counts))
    for row, requests in zip(moved, counts.astype(float), strict=True):
        assert row.tolist() == pytest.approx(cut_table(Events(values, requests)).requests)


@pytest.mark.parametrize("bad", [NAN, np.inf, -np.inf, -1e-9, 1.0000001])
def test_scores_that_are_no_win_rates_are_refused_with_their_count(bad, sample_of):
    with pytest.raises(CalibrationError, match="2 of 3 scores"):
        sample_of([0.5, bad, bad])


def test_an_empty_sample_is_refused(sample_of):
    with pytest.raises(CalibrationError, match="No request has a score"):
        sample_of([])


@pytest.mark.parametrize("weight", [0.0, -1.0, NAN, np.inf])
def test_a_weight_that_is_no_positive_number_is_refused(weight, sample_of):
    with pytest.raises(CalibrationError, match="weight"):
        sample_of([0.1, 0.2], weights=[1.0, weight])
