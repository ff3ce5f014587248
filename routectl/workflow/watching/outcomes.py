"""What became of the requests of which `savings` are told."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from routectl.errors import InputError
from routectl.request import WITHOUT_SCORE, DecidedBy
from routectl.store.requests import RequestTable
from routectl.workflow.calibrating.answering import DecidedAnswers, Side
from routectl.workflow.policies import logged
from routectl.workflow.policies.logged import deciders, rule_answers
from routectl.workflow.routes.in_use import RouteInUse

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

COLUMNS = (*logged.COLUMNS, "proxy_model", "model", "model_group", "cache_hit", "status")
"""That a table is read with for this."""


@dataclass(frozen=True, slots=True, eq=False)
class Outcomes:
    """What became of each of n requests; all but the last three are bool[n]."""

    is_hit: NDArray[np.bool_]
    is_failed: NDArray[np.bool_]
    has_decision: NDArray[np.bool_]
    decided: NDArray[np.bool_]
    """With a decision of routectl, answered, and not from the cache."""
    not_by_policy: NDArray[np.bool_]
    """With a decision of something else, answered, and not from the cache."""
    is_overridden: NDArray[np.bool_]
    is_fallback: NDArray[np.bool_]
    side: NDArray[np.object_]
    """A `Side` each, UNKNOWN where nothing was decided."""
    model: NDArray[np.object_]
    """That answered, by its name in the log; a dash where that is not known, or nothing decided."""
    others: Sequence[tuple[str, NDArray[np.bool_]]]
    """Each model that answered and is not the route's, with the requests."""

    @classmethod
    def of(cls, route: RouteInUse, table: RequestTable) -> Outcomes:
        """Raises InputError where no decision sent a request anywhere."""
        import numpy as np

        values = table.values

        def rows_where(flags: Iterable[bool]) -> NDArray[np.bool_]:
            return np.fromiter(flags, dtype=np.bool_, count=len(table))

        is_hit = rows_where(value is True for value in values["cache_hit"])
        is_failed = ~is_hit & rows_where(value == "failure" for value in values["status"])
        has_decision = rows_where(value is not None for value in values["proxy_decision"])
        answered_with_decision = has_decision & ~is_hit & ~is_failed
        if not answered_with_decision.any():
            raise InputError(_nothing_decided(route, len(table), has_decision))
        not_by_policy = answered_with_decision & rows_where(
            by is DecidedBy.OTHER for by in deciders(table)
        )
        decided = answered_with_decision & ~not_by_policy
        answers = DecidedAnswers(route)
        columns = [values[name] for name in ("proxy_decision", "proxy_model", "model")]
        answered = [
            answers.of(*row) if is_decided else None
            for is_decided, *row in zip(decided, *columns, strict=True)
        ]
        return cls(
            is_hit=is_hit,
            is_failed=is_failed,
            has_decision=has_decision,
            decided=decided,
            not_by_policy=not_by_policy,
            is_overridden=rows_where(one is not None and one.overridden for one in answered),
            is_fallback=decided
            & rows_where(reason in WITHOUT_SCORE for _, reason in rule_answers(table)),
            side=np.array([Side.UNKNOWN if one is None else one.side for one in answered]),
            model=np.array(
                ["-" if one is None else one.model or "-" for one in answered], dtype=object
            ),
            others=[*answers.others(answered)],
        )

    def share_of_strong(self, rows: NDArray[np.bool_], weight: NDArray[np.float64]) -> float | None:
        """Of those rows of which it is known who answered; None where it is of none."""
        answered = rows & (self.side != Side.UNKNOWN)
        if not answered.any():
            return None
        return float(weight[answered & (self.side == Side.STRONG)].sum() / weight[answered].sum())


def _nothing_decided(route: RouteInUse, rows: int, has_decision: NDArray[np.bool_]) -> str:
    if not rows:
        return f"there is no request of route {route.name!r} in this time: import its log"
    if has_decision.any():
        return (
            f"the decided requests of route {route.name!r} in this time failed or came from the "
            "cache, so nothing was saved or spent by a decision"
        )
    return (
        f"none of the {rows:,} requests of route {route.name!r} in this time has a logged decision "
        "of the proxy, so what routing has saved cannot be said: let the proxy decide by routectl "
        "(docs/proxy.md) and import its log"
    )
