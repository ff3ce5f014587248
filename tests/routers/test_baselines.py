from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from routectl.checkpoint import write_checkpoint
from routectl.errors import CheckpointError
from routectl.routers import open_router
from routectl.routers.length import length_win_rates
from routectl.routers.random import uniform

lengths = st.lists(st.integers(0, 5000), min_size=1, max_size=60)


@given(st.text(), st.integers(0, 10))
def test_random_is_strictly_inside_0_and_1_and_always_the_same(prompt: str, seed: int) -> None:
    assert 0 < uniform(prompt, seed) < 1
    assert uniform(prompt, seed) == uniform(prompt, seed)


def test_random_is_the_stated_hash() -> None:
    # Any other implementation of the definition must come to this number.
    assert uniform("Hello", 1) == 0.08631947456280165


def test_random_depends_on_the_seed_and_is_uniform() -> None:
    scores = np.array([uniform(f"prompt {number}", 1) for number in range(4000)])
    others = np.array([uniform(f"prompt {number}", 2) for number in range(4000)])
    assert abs(np.corrcoef(scores, others)[0, 1]) < 0.05
    # Kolmogorov's statistic: 1.95 / sqrt(n) is exceeded once in a thousand times.
    assert np.abs(np.sort(scores) - (np.arange(4000) + 0.5) / 4000).max() < 1.95 / 4000**0.5


@given(lengths, st.lists(st.integers(0, 10_000), min_size=2, max_size=30, unique=True))
def test_a_longer_prompt_scores_strictly_higher(reference: list[int], asked: list[int]) -> None:
    rates = length_win_rates(np.array(sorted(asked)), np.array(sorted(reference), np.int32))
    assert (np.diff(rates) > 0).all()
    assert (rates > 0).all()
    assert (rates < 1).all()


@given(lengths)
def test_a_reference_length_gets_its_mid_rank(reference: list[int]) -> None:
    ordered = np.array(sorted(reference), np.int32)
    rates = length_win_rates(ordered.astype(np.int64), ordered)
    for length, rate in zip(ordered, rates, strict=True):
        ranks = np.flatnonzero(ordered == length) + 1
        assert rate == pytest.approx((ranks.mean() - 0.5) / len(ordered))


def test_between_two_reference_lengths_the_rate_is_on_the_line() -> None:
    rates = length_win_rates(np.array([10, 15, 20]), np.array([10, 20], np.int32))
    assert rates.tolist() == [0.25, 0.5, 0.75]


@pytest.mark.parametrize("name", ["random", "length"])
def test_a_baseline_reads_the_whole_prompt(name: str) -> None:
    router = open_router(name).load()
    assert router.longer_than_read(["a" * 100_000, ""]).tolist() == [False, False]
    assert router.strong_win_rates([]).shape == (0,)
    assert router.identity.noise == 0
    assert router.identity.model_pair is None


@pytest.mark.parametrize("values", [[3, 1], [-1, 2]])
def test_lengths_out_of_order_are_refused(tmp_path: Path, values: list[int]) -> None:
    folder = tmp_path / "checkpoint"
    config = {"kind": "length", "name": "test", "licence": "MIT", "count": 2}
    write_checkpoint(folder, config, {"lengths": np.array(values, np.int32)}, "")
    with pytest.raises(CheckpointError, match="in ascending order"):
        open_router("length", checkpoint=folder)


def test_another_seed_is_another_fingerprint(tmp_path: Path) -> None:
    folder = tmp_path / "checkpoint"
    config = {"kind": "random", "name": "test", "licence": "MIT", "seed": 7}
    write_checkpoint(folder, config, None, "")
    assert (
        open_router("random", checkpoint=folder).identity.fingerprint
        != open_router("random").identity.fingerprint
    )
