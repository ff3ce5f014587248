"""Segments: the same target within each, small ones in a default, and one statement for all."""

from __future__ import annotations

import numpy as np
import pytest

from routectl.calibration import (
    FEWEST_INDEPENDENT,
    Choice,
    ScoredSample,
    Segments,
    StrongFraction,
    choose,
)
from routectl.errors import CalibrationError
from routectl.policy import meets, threshold_value

DAY = 86_400.0
NAMES = ("search", "support", "tiny")


def scored(win_rates: np.ndarray, **columns: np.ndarray) -> ScoredSample:
    """Requests of as many prompts, on 28 days in turn."""
    n = len(win_rates)
    unknown = np.full(n, np.nan)
    values = {
        "weights": np.ones(n),
        "prompts": np.arange(n),
        "conversations": np.full(n, -1),
        "times": 1.79e9 + DAY * (np.arange(n) % 28),
        "tokens": unknown,
        "spend": unknown,
        "strong_cost": np.full(n, 2.0),
        "weak_cost": np.full(n, 1.0),
    }
    return ScoredSample(win_rates=win_rates, **values | columns)


def traffic(seed: int = 1, n: int = 4000) -> tuple[ScoredSample, Segments]:
    """Two segments of unlike scores, a tiny one, and requests of none."""
    rng = np.random.default_rng(seed)
    segment = rng.choice([0, 1, 2, -1], n, p=[0.4, 0.3, 0.01, 0.29])
    win_rates = rng.beta(2, 5, n) + 0.3 * (segment == 1)
    return scored(np.minimum(win_rates, 0.999)), Segments(NAMES, segment)


def chosen(target: StrongFraction, seed: int = 1) -> tuple[ScoredSample, Segments, Choice]:
    sample, segments = traffic(seed)
    return sample, segments, choose(sample, target, noise=1e-9, segments=segments, pooled=2)


def test_each_segment_has_the_target_and_the_small_ones_share_the_default() -> None:
    _, segments, choice = chosen(StrongFraction(0.3))
    segmented = choice.segmented
    assert segmented is not None
    assert [cut.segment for cut in segmented.cuts] == ["search", "support", None]
    for cut in segmented.cuts:
        assert cut.strong_fraction == pytest.approx(0.3, abs=0.005)
        assert cut.long_run is not None
        assert cut.long_run.low < 0.3 < cut.long_run.high
    assert segmented.pooled == 3  # two that were never looked at, and the tiny one
    default = segmented.cuts[-1]
    assert default.requests == np.count_nonzero(
        (segments.of_request == 2) | (segments.of_request == -1)
    )
    assert sum(cut.requests for cut in segmented.cuts) == 4000


def test_what_is_said_of_all_is_what_the_thresholds_decide_together() -> None:
    sample, segments, choice = chosen(StrongFraction(0.3))
    assert choice.segmented is not None
    by_name = {cut.segment: threshold_value(cut.threshold) for cut in choice.segmented.cuts}
    names = [(*NAMES, None)[number] for number in segments.of_request]
    thresholds = np.array([by_name.get(name, by_name[None]) for name in names])
    strong = meets(sample.win_rates, thresholds)
    assert choice.cut.strong_fraction == strong.mean()
    assert choice.cut.threshold == choice.segmented.cuts[-1].threshold
    assert choice.cut.spending is not None
    assert choice.cut.spending.this_threshold == pytest.approx(1000 * (1 + strong.mean()))
    assert choice.certainty.requests == 4000
    assert choice.certainty.long_run.low < strong.mean() < choice.certainty.long_run.high


def test_one_segment_of_everything_says_what_no_segment_says() -> None:
    sample, _ = traffic()
    everything = Segments(("search",), np.zeros(len(sample), dtype=np.int64))
    by_segment = choose(sample, StrongFraction(0.3), noise=1e-9, segments=everything)
    plain = choose(sample, StrongFraction(0.3), noise=1e-9)
    assert by_segment.segmented is not None
    assert {cut.threshold for cut in by_segment.segmented.cuts} == {plain.cut.threshold}
    assert by_segment.segmented.default_from_all
    assert by_segment.segmented.cuts[-1].strong_fraction is None
    assert by_segment.certainty == plain.certainty
    assert by_segment.self_check == plain.self_check
    assert by_segment.cut.strong_fraction == plain.cut.strong_fraction


def test_few_requests_of_no_segment_get_a_default_that_was_chosen_on_all() -> None:
    sample, segments = traffic()
    rest = np.flatnonzero(segments.of_request < 0)
    few = Segments(NAMES, segments.of_request.copy())
    few.of_request[rest[50:]] = 0
    choice = choose(sample, StrongFraction(0.3), noise=1e-9, segments=few)
    assert choice.segmented is not None
    assert choice.segmented.default_from_all
    plain = choose(sample, StrongFraction(0.3), noise=1e-9)
    assert choice.segmented.cuts[-1].threshold == plain.cut.threshold


def test_requests_of_few_conversations_are_no_segment() -> None:
    sample, segments = traffic()
    conversations = np.full(len(sample), -1)
    support = np.flatnonzero(segments.of_request == 1)
    conversations[support] = np.arange(len(support)) % 20
    win_rates = sample.win_rates.copy()
    win_rates[support] = np.linspace(0.1, 0.9, 20)[conversations[support]]
    told = scored(win_rates, conversations=conversations)
    choice = choose(told, StrongFraction(0.3), noise=1e-9, segments=segments)
    assert choice.segmented is not None
    assert [cut.segment for cut in choice.segmented.cuts] == ["search", None]


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("seed", range(5))
def test_a_guarantee_holds_in_each_segment_and_for_all(seed: int, share: float) -> None:
    _, _, choice = chosen(StrongFraction(share, guarantee=0.95), seed)
    assert choice.segmented is not None
    for cut in choice.segmented.cuts:
        assert cut.guaranteed is not None
        assert cut.guaranteed <= share + 1e-9
    assert choice.cut.guaranteed is not None
    assert choice.cut.guaranteed <= share + 1e-9


@pytest.mark.parametrize("seed", range(5))
def test_at_most_is_at_most_in_each_segment_and_for_all(seed: int) -> None:
    _, _, choice = chosen(StrongFraction(0.301, at_most=True), seed)
    assert choice.segmented is not None
    assert all((cut.strong_fraction or 0.0) <= 0.301 for cut in choice.segmented.cuts)
    assert choice.cut.strong_fraction <= 0.301


def test_a_tie_in_one_segment_is_a_miss_of_that_segment() -> None:
    sample, segments = traffic()
    win_rates = sample.win_rates.copy()
    win_rates[segments.of_request == 1] = 0.5
    choice = choose(scored(win_rates), StrongFraction(0.3), noise=1e-9, segments=segments)
    assert choice.segmented is not None
    (missed,) = choice.segmented.missed
    assert (missed.segment, missed.strong_fraction) == ("support", 0.0)
    assert missed.missed_by == pytest.approx(0.3)


def test_the_check_in_time_notices_a_change_in_one_segment() -> None:
    sample, segments = traffic()
    choice = choose(sample, StrongFraction(0.3), noise=1e-9, segments=segments)
    assert choice.self_check is not None
    assert choice.self_check.inside
    last_week = sample.times >= sample.times.max() - 6 * DAY
    changed = sample.win_rates.copy()
    changed[last_week & (segments.of_request == 1)] = 0.999
    later = choose(scored(changed), StrongFraction(0.3), noise=1e-9, segments=segments)
    assert later.self_check is not None
    assert not later.self_check.inside


def test_too_little_of_every_segment_is_no_answer() -> None:
    sample, _ = traffic(n=FEWEST_INDEPENDENT * 3)
    thirds = Segments(tuple("abcd"), np.arange(len(sample)) % 4)
    with pytest.raises(CalibrationError, match="No segment is worth 100 independent requests"):
        choose(sample, StrongFraction(0.3), noise=1e-9, segments=thirds)
