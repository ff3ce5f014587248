import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from routectl.calibration import effective_size


def size_of(strong, weights=None, prompts=None, conversations=None):
    n = len(strong)
    return effective_size(
        np.array(strong, dtype=np.bool_),
        np.ones(n) if weights is None else np.array(weights, dtype=np.float64),
        np.arange(n) if prompts is None else np.array(prompts),
        np.full(n, -1) if conversations is None else np.array(conversations),
    )


@given(st.lists(st.booleans(), min_size=2, max_size=50), st.floats(0.01, 50))
def test_independent_requests_of_equal_weight_are_worth_themselves(strong, weight):
    size = size_of(strong, [weight] * len(strong))
    assert size.n_eff == pytest.approx(len(strong))
    assert size.corrected(0.95) == pytest.approx(len(strong))
    if 0 < sum(strong) < len(strong):
        assert size.degrees_of_freedom == pytest.approx(len(strong) - 1)


@given(st.lists(st.booleans(), min_size=3, max_size=20), st.integers(2, 9))
def test_copies_of_a_conversation_add_nothing(strong, copies):
    ids = np.repeat(np.arange(len(strong)), copies)
    size = size_of(np.repeat(strong, copies), conversations=ids)
    n, clusters = len(ids), len(strong)
    # (n-1)/n against (C-1)/C is all that differs from the clusters as independent requests.
    expected = clusters
    if 0 < sum(strong) < len(strong):
        expected *= (n / (n - 1)) * (clusters - 1) / clusters
    assert size.n_eff == pytest.approx(expected)
    assert size.clusters == clusters


def test_the_variance_is_the_sandwich_of_the_clusters_with_its_small_sample_correction():
    generator = np.random.default_rng(3)
    ids = np.repeat(np.arange(12), generator.integers(1, 9, 12))
    n = len(ids)
    weights = generator.uniform(0.5, 4, n)
    strong = generator.random(n) < 0.2 + 0.05 * ids
    size = size_of(strong, weights, conversations=ids)

    total, share = weights.sum(), weights[strong].sum() / weights.sum()
    member = (ids[:, None] == np.arange(12)).astype(float)
    of_cluster = weights @ member
    residual = (weights * (strong - share)) @ member
    squares = weights**2 @ member
    moment = residual @ residual * 12 / 11 / (share * (1 - share))
    r = (moment - squares.sum()) / ((of_cluster**2).sum() - squares.sum())
    model = np.diag(r * of_cluster**2 + (1 - r) * squares)
    centre = np.eye(12) - np.outer(of_cluster / total, np.ones(12))
    covariance = centre @ model @ centre.T
    bias = np.trace(covariance) / np.trace(model)
    variance = residual @ residual / total**2 / bias * (n - 1) / n

    assert 0 < r < 1
    assert size.variance == pytest.approx(variance)
    assert size.n_eff == pytest.approx(share * (1 - share) / variance)
    df = np.trace(covariance) ** 2 / np.trace(covariance @ covariance)
    assert size.degrees_of_freedom == pytest.approx(df)
    ratio = stats.t.ppf(0.025, n - 1) / stats.t.ppf(0.025, df)
    assert size.corrected(0.95) == pytest.approx(size.n_eff * ratio**2)


def test_one_large_conversation_leaves_few_degrees_of_freedom():
    ids = np.concatenate([np.zeros(200, dtype=int), np.arange(1, 101)])
    strong = np.concatenate([np.ones(180), np.zeros(20), np.arange(100) % 5 == 0])
    size = size_of(strong, conversations=ids)
    assert size.clusters == 101
    assert size.degrees_of_freedom < 3
    assert size.corrected(0.95) < 0.25 * size.n_eff < 0.25 * 20


@pytest.mark.parametrize("weight", [1e3, 1e6, 1e9])
def test_a_conversation_that_outweighs_all_others_leaves_nothing_certain(weight):
    strong = [True, False] * 10
    size = size_of(strong, [weight] * 2 + [1] * 18, conversations=[0, 0, *range(1, 19)])
    assert 1 <= size.degrees_of_freedom < 1.1
    assert size.corrected(0.95) < 1


def test_the_kind_of_cluster_with_the_larger_variance_decides():
    strong = [True] * 6 + [False] * 6
    alike, unlike = [0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3], list(range(6)) * 2
    assert size_of(strong, prompts=alike, conversations=unlike).cluster_kind == "prompt"
    assert size_of(strong, prompts=unlike, conversations=alike).cluster_kind == "conversation"


def test_without_conversations_the_clusters_are_equal_prompts():
    size = size_of([True, True, False, False], prompts=[7, 7, 3, 10**12])
    assert (size.cluster_kind, size.clusters) == ("prompt", 3)


def test_requests_outside_any_conversation_are_clustered_by_prompt():
    strong = [True] * 4 + [False] * 4
    size = size_of(
        strong, prompts=[1, 2, 5, 5, 6, 7, 3, 4], conversations=[9] * 2 + [-1] * 4 + [8] * 2
    )
    assert (size.cluster_kind, size.clusters) == ("conversation", 5)


def test_weights_of_different_size_cost_effective_size():
    strong = [True, False] * 50
    even, uneven = size_of(strong), size_of(strong, [1, 1, 10, 10] * 25)
    assert even.n_eff == pytest.approx(100)
    assert uneven.n_eff == pytest.approx(60, rel=0.02)  # Kish: (sum w)^2 / sum w^2 = 59.9


@given(st.data(), st.integers(1, 30))
def test_the_effective_size_is_between_0_and_the_requests(data, n):
    def column(values):
        return data.draw(st.lists(values, min_size=n, max_size=n))

    size = size_of(
        column(st.booleans()),
        column(st.floats(0.1, 10)),
        column(st.integers(0, 5)),
        column(st.integers(-1, 5)),
    )
    assert 0 < size.n_eff <= n * (1 + 1e-9)
    assert 0 <= size.corrected(0.95) <= size.n_eff
    assert math.isfinite(size.corrected(0.999))
    assert size.degrees_of_freedom is None or 1 <= size.degrees_of_freedom <= n - 1 + 1e-9


def test_where_all_or_none_are_strong_the_clusters_are_counted():
    for strong in (True, False):
        size = size_of([strong] * 9, conversations=[0] * 4 + [1] * 4 + [2])
        assert size.n_eff == pytest.approx(81 / 33)
        assert size.degrees_of_freedom is None


def test_a_single_conversation_is_worth_one_request():
    size = size_of([True] * 30 + [False] * 70, prompts=[0] * 100, conversations=[4] * 100)
    assert (size.clusters, size.n_eff, size.corrected(0.95)) == (1, 1.0, 1.0)
