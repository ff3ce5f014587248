"""Whether battles determine ratings of their models: they do where wins connect all of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from routectl.errors import InputError
from routectl.escaping import first_names

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from routectl.preferences.comparisons import Comparisons

DEFAULT_PRIOR = 0.1
"""Ties added between every two models: they keep a fit finite that diverges without them."""


def choose_prior(comparisons: Comparisons) -> tuple[float, str | None]:
    """The prior that the ratings need, and a sentence on why; 0 and None where they need none.

    Ratings of maximum likelihood exist where each model can be reached from each other over wins
    (Ford, 1957); a tie leads both ways. Where some never lost, or never won, to all others, a prior
    keeps the ratings finite. Models that never met the others at all are refused: a prior alone
    would place them.

    Raises:
        InputError: the models fall into groups that never met.
    """
    groups = _groups(comparisons, "weak")
    if len(groups) > 1:
        raise InputError(
            f"The battles do not connect all models: {first_names(groups[0])} never met the "
            f"other {sum(map(len, groups[1:])):,}; add battles between them, or leave them out "
            "with --where."
        )
    groups = _groups(comparisons, "strong")
    if len(groups) == 1:
        return 0.0, None
    return DEFAULT_PRIOR, (
        f"{first_names(groups[0])} {_beaten(comparisons, groups[0])} the other models, so no "
        f"finite rating fits the battles; {DEFAULT_PRIOR} ties between each two models were added"
    )


def _groups(comparisons: Comparisons, connection: str) -> list[list[str]]:
    """Groups of connected models, the smallest first."""
    import numpy as np
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    a_won, b_won = comparisons.outcome > 0, comparisons.outcome < 1
    winner = np.concatenate((comparisons.model_a[a_won], comparisons.model_b[b_won]))
    loser = np.concatenate((comparisons.model_b[a_won], comparisons.model_a[b_won]))
    size = len(comparisons.models)
    graph = coo_array((np.ones(len(winner)), (winner, loser)), shape=(size, size))
    _, label = connected_components(graph, directed=True, connection=connection)
    used = np.union1d(comparisons.model_a, comparisons.model_b)
    groups: dict[int, list[str]] = {}
    for model in used:
        groups.setdefault(int(label[model]), []).append(comparisons.models[model])
    return sorted(groups.values(), key=lambda group: (len(group), group))


def _beaten(comparisons: Comparisons, group: list[str]) -> str:
    """How a group did against the others: it never lost, never won, or one of both per member."""
    import numpy as np

    inside = np.isin(
        np.arange(len(comparisons.models)), [comparisons.models.index(m) for m in group]
    )
    a, b = inside[comparisons.model_a], inside[comparisons.model_b]
    outcome: NDArray[np.float32] = comparisons.outcome
    lost = ((a & ~b) & (outcome < 1)).any() or ((b & ~a) & (outcome > 0)).any()
    won = ((a & ~b) & (outcome > 0)).any() or ((b & ~a) & (outcome < 1)).any()
    if not lost:
        return "never lost to"
    return "never won against" if not won else "never lost to, or never won against, some of"
