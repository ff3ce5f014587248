"""What teachers say of prompts, and how it is learned."""

import numpy as np
import pytest

from routectl.errors import InputError
from routectl.training.distillation import (
    distillation_loss,
    mean_logits,
    regress,
    shares_of_classes,
)


def wins(scores: np.ndarray) -> np.ndarray:
    return shares_of_classes(mean_logits(scores), won=0, lost=1)[:, 0]


def test_a_teachers_scores_keep_their_order_and_are_spread() -> None:
    scores = np.array([[0.0, 0.499, 0.5, 0.501, 1.0]])
    shares = shares_of_classes(mean_logits(scores), won=0, lost=1)
    assert (np.diff(shares[:, 0]) > 0).all()
    np.testing.assert_allclose(shares.sum(axis=1), 1)
    narrow = wins(np.array([[0.499, 0.5, 0.501]]))
    assert narrow[2] - narrow[0] > 0.5


def test_teachers_count_alike_however_much_of_the_range_they_use() -> None:
    wide, narrow = np.array([0.1, 0.9, 0.5]), np.array([0.4999, 0.5, 0.5001])
    both = wins(np.stack([wide, narrow]))
    alone = [wins(one[None]) for one in (wide, narrow)]
    assert (np.argsort(alone[0]) != np.argsort(alone[1])).any()
    means = np.mean([np.log(one / (1 - one)) for one in alone], axis=0)
    np.testing.assert_allclose(np.log(both / (1 - both)), means / means.std(), rtol=1e-4)


def test_a_teacher_that_says_nothing_is_a_sentence() -> None:
    with pytest.raises(InputError, match="The teacher scores all prompts alike"):
        mean_logits(np.full((1, 5), 0.3))


def test_a_linear_relation_is_recovered_and_shrunk_by_a_larger_precision() -> None:
    draw = np.random.default_rng(0)
    vectors = draw.normal(size=(200, 5)).astype(np.float32)
    truth = np.array([1.0, -2.0, 0.0, 0.5, 0.0])
    logits, weight = vectors @ truth + 3.0, np.ones(200)
    direction, offset = regress(vectors, logits, weight, 1e-9)
    np.testing.assert_allclose(direction, truth, atol=1e-5)
    assert offset == pytest.approx(3.0, abs=1e-5)
    held, _ = regress(vectors, logits, weight, 1e3)
    assert np.linalg.norm(held) < 0.5 * np.linalg.norm(truth)


def test_a_prompt_that_weighs_twice_counts_as_if_it_stood_there_twice() -> None:
    draw = np.random.default_rng(0)
    vectors, logits = draw.normal(size=(30, 3)).astype(np.float32), draw.normal(size=30)
    weight = np.where(np.arange(30) < 10, 2.0, 1.0)
    twice = np.concatenate((np.arange(30), np.arange(10)))
    weighed = regress(vectors, logits, weight, 1.0)
    repeated = regress(vectors[twice], logits[twice], np.ones(40), 1.0)
    np.testing.assert_allclose(weighed[0], repeated[0], atol=1e-6)
    assert weighed[1] == pytest.approx(repeated[1], abs=1e-6)


def test_a_student_that_equals_its_teachers_has_their_entropy_and_no_loss_is_lower() -> None:
    logits = np.array([-2.0, 0.0, 1.0])
    p = 1 / (1 + np.exp(-logits))
    entropy = -(p * np.log(p) + (1 - p) * np.log(1 - p)).mean()
    assert distillation_loss(logits, logits) == pytest.approx(entropy)
    assert distillation_loss(logits, logits + 0.1) > entropy
    assert distillation_loss(logits, np.array([-800.0, 0.0, 800.0])) < np.inf
