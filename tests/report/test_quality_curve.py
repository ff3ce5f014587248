import numpy as np
import pytest

from routectl.report.lines import Threshold
from routectl.report.quality_curve import GRID, quality_curves
from tests.report.benchmarks import judged

STRONG, WEAK = [1, 1, 1, 0, 1], [0, 1, 0, 0, 1]
SCORES = np.array([0.9, 0.1, 0.5, 0.7, 0.3])
# Gains 1 0 1 0 0; the two prompts that gain are ranked first and third.


def test_five_prompts_by_hand() -> None:
    curves = quality_curves(
        judged(STRONG, WEAK),
        {"mine": SCORES},
        baselines={"length": -SCORES},
        thresholds={"mine": Threshold("router-mine-0.5", 0.5)},
        draws=20,
    )
    (mine,) = curves.routers
    assert mine.name == "mine"
    assert mine.x == pytest.approx([0, 0.2, 0.4, 0.6, 0.8, 1])
    assert mine.quality == pytest.approx([0.4, 0.6, 0.6, 0.8, 0.8, 0.8])
    assert [line.name for line in curves.baselines] == ["random", "length", "oracle"]
    random, length, oracle = curves.baselines
    assert (list(random.x), list(random.quality)) == ([0, 1], pytest.approx([0.4, 0.8]))
    assert length.quality == pytest.approx([0.4, 0.4, 0.4, 0.6, 0.6, 0.8])
    assert (list(oracle.x), list(oracle.quality)) == ([0, 0.4, 1], pytest.approx([0.4, 0.8, 0.8]))
    assert curves.always_weak[:3] == ("always weak", 0, pytest.approx(0.4))
    assert curves.always_strong[:3] == ("always strong", 1, pytest.approx(0.8))


def test_a_threshold_lies_on_its_routers_line_and_equal_scores_are_strong() -> None:
    curves = quality_curves(
        judged(STRONG, WEAK),
        {"mine": SCORES},
        thresholds={"mine": Threshold("router-mine-0.5", 0.5)},
        draws=1,
    )
    point = curves.points["mine"]
    assert (point.name, point.x, point.quality) == ("router-mine-0.5", 0.6, pytest.approx(0.8))
    assert point.words == "60.0 % strong, quality 0.800"


def test_only_routers_have_bands_and_they_hold_the_line() -> None:
    generator = np.random.default_rng(0)
    strong, weak, scores = generator.random((3, 40))
    curves = quality_curves(
        judged(strong, weak), {"mine": scores}, baselines={"length": -scores}, draws=100
    )
    assert set(curves.bands) == {"mine"}
    band, (line,) = curves.bands["mine"], curves.routers
    assert list(band.strong_fraction) == list(GRID)
    quality = np.interp(GRID, line.x, line.quality)
    assert (band.low < quality).all()
    assert (quality < band.high).all()


def test_with_weights_all_is_of_requests() -> None:
    weights = np.array([1.0, 2, 3, 2, 2])
    curves = quality_curves(
        judged(STRONG, WEAK, weights=weights),
        {"mine": SCORES},
        thresholds={"mine": Threshold("router-mine-0.6", 0.6)},
        draws=1,
    )
    assert curves.routers[0].x == pytest.approx([0, 0.1, 0.3, 0.6, 0.8, 1])
    assert curves.routers[0].quality == pytest.approx([0.4, 0.5, 0.5, 0.8, 0.8, 0.8])
    assert curves.points["mine"][1:3] == pytest.approx((0.3, 0.5))


def test_a_strong_model_that_is_the_worse_one_has_a_curve_all_the_same() -> None:
    curves = quality_curves(judged(WEAK, STRONG), {"mine": SCORES}, draws=5)
    assert curves.always_weak.quality == pytest.approx(0.8)
    assert curves.always_strong.quality == pytest.approx(0.4)
    assert curves.routers[0].quality[-1] == pytest.approx(0.4)
