"""Which request a conversation began with."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from routectl.calibration import ScoredSample, StrongFraction, choose, first_of_conversation

REQUESTS = st.lists(
    st.tuples(st.integers(-1, 3), st.sampled_from([float("nan"), 1.0, 2.0, 3.0])), max_size=12
)


def naive(requests: list[tuple[int, float]]) -> list[int]:
    first = []
    for number, (conversation, _) in enumerate(requests):
        members = [n for n, (other, _) in enumerate(requests) if other == conversation]
        timed = [n for n in members if not np.isnan(requests[n][1])]
        earliest = min(timed or members, key=lambda n: (requests[n][1] if timed else 0.0, n))
        first.append(number if conversation < 0 else earliest)
    return first


@given(REQUESTS)
def test_the_first_request_is_the_earliest_and_of_several_the_first_one(
    requests: list[tuple[int, float]],
) -> None:
    conversations = np.array([conversation for conversation, _ in requests], dtype=np.int64)
    times = np.array([time for _, time in requests], dtype=np.float64)
    assert first_of_conversation(conversations, times).tolist() == naive(requests)


def test_a_conversation_that_moves_at_once_is_no_tie() -> None:
    """40 conversations of 25 requests each: shares come in steps of 2.5 points."""
    conversations = np.repeat(np.arange(40), 25)
    n, unknown = len(conversations), np.full(len(conversations), np.nan)
    sample = ScoredSample(
        win_rates=np.linspace(0.1, 0.9, 40)[conversations],
        weights=np.ones(n),
        prompts=conversations,
        conversations=conversations,
        times=1.79e9 + 86_400.0 * (np.arange(n) % 25),
        tokens=unknown,
        spend=unknown,
    )
    together = first_of_conversation(conversations, sample.times)
    columns = {name: getattr(sample, name) for name in sample.__slots__}
    told = ScoredSample(**columns | {"moving_together": together})
    target = StrongFraction(0.311, tolerance=0.05)
    assert choose(sample, target, noise=1e-9).cut.tie is not None
    choice = choose(told, target, noise=1e-9)
    assert choice.cut.tie is None
    assert choice.cut.strong_fraction == 0.3
