"""Runs a property on so many drawn inputs."""

from __future__ import annotations

from collections.abc import Callable

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from tests.fuzz.properties import Draw


def fuzz(
    check: Callable[[Draw], None], examples: int, *, derandomize: bool = True, start: int = 0
) -> None:
    """Raise what the smallest input raises that breaks the property.

    Args:
        derandomize: draw the same inputs each time; else those of `start`.
    """

    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        derandomize=derandomize,
        suppress_health_check=list(HealthCheck),
        # To explain a failure would take longer than to find it.
        phases=(Phase.explicit, Phase.generate, Phase.shrink),
    )
    @given(st.data())
    def run(data: st.DataObject) -> None:
        check(data.draw)

    (run if derandomize else seed(start)(run))()
