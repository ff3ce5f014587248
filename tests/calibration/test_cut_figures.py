"""What a cut gives: `plan` asks with intervals, `report` by look-ups, and both say the same."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from routectl.calibration import (
    Dependence,
    JudgedSample,
    StrongFraction,
    TrafficMonth,
    cut_figures,
)

DAY = 86400


@pytest.mark.parametrize("share", [0.0, 0.1, 0.35, 0.8, 1.0])
def test_a_look_up_gives_the_figures_of_a_pass_over_all_requests(sample_of, share):
    generator = np.random.default_rng(5)
    n = 400
    times = 1.75e9 + np.sort(generator.random(n)) * 20 * DAY
    weak_cost = np.where(generator.random(n) < 0.1, np.nan, generator.random(n))
    sample = sample_of(
        generator.random(n), times=times, strong_cost=8 * weak_cost + 1, weak_cost=weak_cost
    )
    month = TrafficMonth.of(times, np.ones(n))
    assert isinstance(month, TrafficMonth)
    sample = replace(sample, month=month)
    judged = JudgedSample(
        win_rates=generator.random(60),
        strong_quality=generator.random(60),
        weak_quality=generator.random(60),
        weights=np.ones(60),
        strata=np.zeros(60, dtype=np.int64),
        largest_loss=1.0,
    )
    table = sample.cut_table()
    cut = StrongFraction(share).cut(table, 0.0)
    dependence = Dependence.of(sample.weights, sample.prompts, sample.conversations, sample.times)

    sure = cut_figures(sample, table, cut, judged, 0.9, dependence)
    looked_up = cut_figures(sample, table, cut, judged, 0.9)

    for name in ("requests", "always_strong", "always_weak", "this_threshold", "saved"):
        assert getattr(looked_up.month, name) == pytest.approx(getattr(sure.month, name))
    assert (looked_up.quality, looked_up.quality_interval) == (sure.quality, sure.quality_interval)
    assert sure.month.cost_interval.confidence == sure.long_run.confidence == 0.9
    assert looked_up.long_run is None
    assert looked_up.month.cost_interval is None


def test_without_prices_and_judged_requests_there_is_only_the_share(sample_of):
    sample = sample_of(np.linspace(0, 1, 50))
    table = sample.cut_table()
    figures = cut_figures(sample, table, StrongFraction(0.5).cut(table, 0.0), None, 0.95)
    assert figures.cut.strong_fraction == 0.5
    assert (figures.month, figures.quality, figures.quality_interval) == (None, None, None)
