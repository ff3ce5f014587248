from hypothesis import given
from hypothesis import strategies as st

from routectl.embedding.batches import batches


@given(st.lists(st.integers(0, 600), max_size=80), st.integers(1, 2000))
def test_every_text_is_in_exactly_one_batch(lengths: list[int], budget: int) -> None:
    rows = [row for batch in batches(lengths, budget) for row in batch]
    assert sorted(rows) == list(range(len(lengths)))


@given(st.lists(st.integers(0, 600), max_size=80), st.integers(1, 2000))
def test_no_batch_of_two_is_above_the_budget(lengths: list[int], budget: int) -> None:
    for batch in batches(lengths, budget):
        padded = len(batch) * max(lengths[row] for row in batch)
        assert len(batch) == 1 or padded <= budget
