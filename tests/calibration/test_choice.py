import json
from dataclasses import asdict

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from routectl.calibration import StrongFraction, choose
from routectl.errors import UsageError

ULP = 2.0**-52
NOISE = 2e-7


def routellm_threshold(text):
    """RouteLLM's own rule for a model name."""
    _, router, threshold = f"router-mf-{text}".split("-", 2)
    assert router == "mf"
    value = float(threshold)
    assert 0 <= value <= 1
    return value


ADVERSARIAL = {
    "all equal": [2 / 3] * 50,
    "all 0": [0.0] * 50,
    "all 1": [1.0] * 50,
    "two values": [0.2] * 30 + [0.6] * 20,
    "two neighbours": [0.3] * 30 + [0.30000000000000004] * 20,
    "gaps of 1e-16": (0.1 + np.arange(50) * 1.4e-17).tolist(),
    "gaps of one ulp below 1": (1 - np.arange(50) * ULP / 2).tolist(),
    "sd 3e-6": np.random.default_rng(1).normal(0.5, 3e-6, 500).tolist(),
    "40 % tied": [0.42] * 40 + np.linspace(0.01, 0.99, 60).tolist(),
    "20 % tied at the top": [0.9] * 20 + np.linspace(0.1, 0.8, 80).tolist(),
    "ends": [0.0] * 10 + [1.0] * 10 + np.linspace(0, 1, 30).tolist(),
    "denormals": [5e-324 * k for k in range(50)],
    "one request": [0.37],
    "one request at 0": [0.0],
    "one request at 1": [1.0],
}


@pytest.mark.parametrize("name", ADVERSARIAL)
@pytest.mark.parametrize("target", [0.0, 0.1, 0.3, 0.5, 1.0])
@pytest.mark.parametrize("at_most", [False, True])
def test_the_exported_text_splits_the_sample_as_computed(name, target, at_most, sample_of):
    scores = np.array(ADVERSARIAL[name])
    choice = choose(sample_of(scores), StrongFraction(target, at_most), noise=NOISE)
    cut = choice.cut
    threshold = routellm_threshold(cut.threshold)
    assert "e" not in cut.threshold
    assert np.mean(scores >= threshold) == cut.strong_fraction
    achievable = sorted({np.mean(scores >= t) for t in [*scores, 1.0]} | {1.0})
    allowed = [share for share in achievable if share <= target] if at_most else achievable
    nearest = min(allowed or achievable[:1], key=lambda share: abs(share - target))
    assert abs(cut.strong_fraction - target) <= abs(nearest - target) + 0.001 + 1e-9
    json.dumps(asdict(choice), allow_nan=False)


@given(
    st.lists(
        st.tuples(st.sampled_from([0.0, 0.1, 0.3, 0.1 + 0.2, 1.0]), st.floats(0.01, 50)),
        min_size=1,
        max_size=30,
    ),
    st.floats(0.0, 1.0),
)
def test_the_text_splits_weighted_requests_as_computed(sample_of, rows, target):
    scores, weights = (np.array(column) for column in zip(*rows, strict=True))
    choice = choose(sample_of(scores, weights=weights), StrongFraction(target), noise=NOISE)
    strong = scores >= routellm_threshold(choice.cut.threshold)
    share = choice.cut.strong_fraction
    assert share == pytest.approx(weights[strong].sum() / weights.sum())
    assert choice.certainty.long_run.low <= share + 1e-12
    assert choice.certainty.long_run.high >= share - 1e-12


def test_five_requests_can_be_checked_by_hand(sample_of):
    """The example of research/statistics.md."""
    sample = sample_of(
        [0.12, 0.55, 0.31, 0.12, 0.80],
        prompts=[0, 1, 2, 0, 3],
        tokens=[100, 300, 200, 100, 300],
        spend=[0.01, 0.03, np.nan, 0.01, 0.05],
        strong_cost=[0.02, 0.06, 0.04, 0.02, 0.06],
        weak_cost=[0.001, 0.003, 0.002, 0.001, 0.003],
    )
    choice = choose(sample, StrongFraction(0.35), noise=NOISE, excluded_weight=1)
    cut, certainty = choice.cut, choice.certainty
    assert (cut.gap_lower, cut.gap_upper, cut.threshold) == (0.31, 0.55, "0.4")
    assert cut.strong_fraction == 0.4
    assert (cut.next_share_below, cut.next_share_above) == (0.2, 0.6)
    assert (cut.token_share, cut.tokens_known) == (0.6, 1.0)
    assert (cut.spend_share, cut.spend_known) == (pytest.approx(0.8), 0.8)
    # Requests 2 and 5 at the strong model's prices, the others at the weak one's.
    assert cut.spending is not None
    assert cut.spending.this_threshold == pytest.approx(1000 * (0.12 + 0.004) / 5)
    assert cut.spending.always_strong == pytest.approx(1000 * 0.20 / 5)
    assert cut.spending.always_weak == pytest.approx(1000 * 0.010 / 5)
    assert cut.spending.random == pytest.approx(1000 * (0.4 * 0.20 + 0.6 * 0.010) / 5)
    assert (certainty.requests, certainty.prompts, certainty.clusters) == (5, 4, 4)
    assert certainty.cluster_kind == "prompt"
    # Residuals by prompt -0.8, 0.6, -0.4, 0.6: V = 1.52 / 25 / 0.651 * 4/5.
    assert certainty.n_eff == pytest.approx(0.24 / 0.0746667, rel=1e-5)
    assert certainty.degrees_of_freedom == pytest.approx(2.431, abs=0.001)
    assert certainty.n_eff_corrected == pytest.approx(1.862, abs=0.001)
    assert certainty.long_run.low == pytest.approx(0.003, abs=0.001)
    assert certainty.long_run.high == pytest.approx(0.978, abs=0.001)
    assert certainty.strong_fraction_low == pytest.approx(2 / 6)
    assert certainty.strong_fraction_high == pytest.approx(3 / 6)
    assert certainty.rough


def test_a_tie_at_the_target_reports_both_reachable_shares(sample_of):
    cut = choose(
        sample_of(ADVERSARIAL["20 % tied at the top"]), StrongFraction(0.15), noise=NOISE
    ).cut
    assert cut.tie is not None
    assert (cut.tie.share_below, cut.tie.share_above) == (0.0, 0.2)
    assert (cut.tie.score, cut.tie.requests) == (0.9, 20)
    assert cut.strong_fraction == 0.2
    assert cut.lowest_share is None


@pytest.mark.parametrize(("target", "lowest"), [(0.0, 0.2), (0.1, 0.2), (0.2, None), (0.3, None)])
def test_scores_of_1_cannot_be_kept_from_the_strong_model(target, lowest, sample_of):
    cut = choose(
        sample_of([1.0] * 2 + [0.4] * 8), StrongFraction(target, at_most=True), noise=NOISE
    ).cut
    assert cut.strong_fraction == 0.2
    assert cut.lowest_share == lowest


@pytest.mark.parametrize("wrong", [{"confidence": 1.0}, {"confidence": 0.0}, {"next_requests": 0}])
def test_a_question_out_of_range_is_refused(wrong, sample_of):
    with pytest.raises(UsageError, match=r"between|at least"):
        choose(sample_of([0.2, 0.4]), StrongFraction(0.3), noise=NOISE, **wrong)


def test_the_order_of_the_requests_does_not_matter(sample_of):
    generator = np.random.default_rng(5)
    columns = {
        "win_rates": generator.random(400),
        "conversations": generator.integers(0, 50, 400),
        "times": 86400 * 10 * generator.random(400),
        "weights": generator.uniform(1, 3, 400),
    }
    shuffled = generator.permutation(400)
    one = choose(sample_of(**columns), StrongFraction(0.3), noise=NOISE)
    columns = {name: values[shuffled] for name, values in columns.items()}
    two = choose(sample_of(**columns), StrongFraction(0.3), noise=NOISE)
    assert one.cut.threshold == two.cut.threshold
    assert one.certainty.n_eff == pytest.approx(two.certainty.n_eff)
    assert one.self_check is not None
    assert two.self_check is not None
    assert one.self_check.threshold == two.self_check.threshold
    assert one.self_check.inside == two.self_check.inside
