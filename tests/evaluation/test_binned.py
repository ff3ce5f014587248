import numpy as np
import pytest

from routectl.errors import InputError
from routectl.evaluation.binned import binned_figures

SCORES = [0.9, 0.8, 0.3, 0.1]
STRONG, WEAK = [1.0, 1, 1, 1], [0.0, 1, 0, 1]


def test_two_bins_by_hand() -> None:
    # Edges 0.1, 0.55, 0.9: all strong; the two best; none, because the last edge is strict.
    found = binned_figures(SCORES, STRONG, WEAK, bins=2)
    assert found.strong_fraction.tolist() == [0, 0.5, 1]
    assert found.quality.tolist() == [0.5, 0.75, 1]
    assert found.auc == pytest.approx(0.75)
    assert found.apgr == pytest.approx(0.5)
    assert found.cpt == pytest.approx({0.2: 0.2, 0.5: 0.5, 0.8: 0.8})


def test_an_edge_is_an_interpolated_quantile() -> None:
    # Of four scores the tercile edges lie at positions 1 and 2: the second and third score.
    found = binned_figures(SCORES, STRONG, WEAK, bins=3)
    assert found.strong_fraction.tolist() == [0, 0.5, 0.75, 1]
    assert found.quality.tolist() == [0.5, 0.75, 1, 1]


def test_tied_scores_stop_the_published_procedure_and_ours_says_why() -> None:
    with pytest.raises(InputError, match="Equal scores leave 3 different cuts of 11"):
        binned_figures([0.5] * 9 + [0.7], np.ones(10), np.zeros(10))


def test_equal_models_have_no_gap() -> None:
    with pytest.raises(InputError, match="no gap to recover"):
        binned_figures(SCORES, STRONG, STRONG, bins=2)


def test_no_bins_are_refused() -> None:
    with pytest.raises(InputError, match="one bin or more"):
        binned_figures(SCORES, STRONG, WEAK, bins=0)
