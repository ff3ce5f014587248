"""What stored policies say of stored requests."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from sqlalchemy import Connection

from routectl.calibration import first_of_conversation
from routectl.errors import UsageError
from routectl.policy import (
    CONVERSATION,
    LIVE,
    SEGMENT_FIELDS,
    THRESHOLD,
    Facts,
    Policy,
    decide,
    needs_strong,
)
from routectl.prices import ModelPrice, price_of
from routectl.records import IdKind
from routectl.store import routes
from routectl.store.calibrations import calibration
from routectl.store.models import Calibration, Route
from routectl.store.scores import stored_router
from routectl.workflow.policies.activated import activated
from routectl.workflow.policies.stored import of_calibration
from routectl.workflow.routes.in_use import RouteInUse

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from routectl.store.requests import RequestTable

UNSCORED = -1
"""In place of a model: the policy has no score of the request."""

_NEEDS = ("images", "tools", "response_format")
FACT_COLUMNS: tuple[str, ...] = (*SEGMENT_FIELDS, "conversation_key", *_NEEDS)
"""Of `requests`: what `decided` reads besides the scores."""


@dataclass(frozen=True, slots=True)
class NamedPolicy:
    """A policy that was named by an id."""

    kind: IdKind
    number: int
    policy: Policy
    route: Route
    calibration: Calibration | None
    """None of an unconditional activation."""

    @property
    def ref(self) -> str:
        """The id as people write it."""
        return self.kind.ref(self.number)

    @property
    def calibration_id(self) -> int | None:
        """None of an unconditional activation."""
        return None if self.calibration is None else self.calibration.id


def named_policy(connection: Connection, kind: IdKind, number: int) -> NamedPolicy:
    """The policy of a calibration or of an activation.

    Raises:
        StoreError: there is none of this id.
    """
    if kind is IdKind.ACTIVATION:
        row = routes.activation(connection, number)
        route = routes.route_of(connection, row.route_id)
        log = routes.activations(connection, row.route_id)
        ran = activated(connection, row, route.name, active=row.id == log[-1].id)
        return NamedPolicy(kind, number, ran.policy, route, ran.calibration)
    chosen = calibration(connection, number)
    assert chosen.route_id is not None, "a migration gave each its route"
    route = routes.route_of(connection, chosen.route_id)
    return NamedPolicy(kind, number, of_calibration(chosen), route, chosen)


def router_ids(connection: Connection, policy: Policy) -> list[int | None]:
    """The stored routers whose scores a policy asks for; None: it never scored anything."""
    if policy.rule != THRESHOLD:
        return []
    return [
        stored_router(connection, router.spec.name, router.fingerprint) for router in policy.routers
    ]


def decided(policy: Policy, scores: NDArray[np.float64], table: RequestTable) -> NDArray[np.int64]:
    """The place of each request's model among the policy's, from 0, the weakest.

    A policy in shadow or of a canary is taken as if it were live.

    Args:
        scores: shape (n, R), of the policy's routers.

    Returns:
        Shape (n,), UNSCORED where a score is missing.
    """
    import numpy as np

    if policy.unit == CONVERSATION:
        scores = scores[_first_with_prompt(table)]
    model = np.full(len(table), UNSCORED)
    is_strong = _needs_strong(policy, table)
    rows = np.flatnonzero(~np.isnan(scores).any(axis=1) | is_strong)
    if policy.rule != THRESHOLD:
        rows = np.arange(len(table))
        scores = np.zeros((len(table), 1))
    live = replace(policy, mode=LIVE)
    model[rows] = decide(live, scores[rows], _facts(policy, table, rows, is_strong)).model
    return model


def fact_columns(policy: Policy) -> tuple[str, ...]:
    """Of `requests`: what `decided` reads for this policy besides the scores; each takes time."""
    reads = policy.segment_field is not None or policy.unit == CONVERSATION or policy.limits
    return FACT_COLUMNS if reads else ()


def fact_numbers(policy: Policy) -> tuple[str, ...]:
    """Of the numbers of a `RequestTable`: what `decided` reads for this policy, and the weight."""
    return ("weight", "time", "tokens_in") if policy.limits else ("weight", "time")


def _needs_strong(policy: Policy, table: RequestTable) -> NDArray[np.bool_]:
    """Which requests the weaker models cannot take."""
    import numpy as np

    if not policy.limits:
        return np.zeros(len(table), dtype=np.bool_)
    images, tools = ([count or 0 for count in table.values[name]] for name in ("images", "tools"))
    return needs_strong(
        policy.limits.values(),
        tokens=table.tokens_in,
        images=images,
        tools=tools,
        response_format=[asked is not None for asked in table.values["response_format"]],
    )


def _first_with_prompt(table: RequestTable) -> NDArray[np.intp]:
    """For each request the one whose prompt decides it: the first of its conversation."""
    import numpy as np

    keys = table.values["conversation_key"]
    conversations = np.array([-1 if key is None else key for key in keys], dtype=np.int64)
    conversations[~table.has_prompt] = -1
    return first_of_conversation(conversations, table.time)


def _facts(
    policy: Policy, table: RequestTable, rows: NDArray[np.intp], is_strong: NDArray[np.bool_]
) -> Facts:
    if policy.segment_field is None:
        return Facts(needs_strong=is_strong[rows])
    values = table.values[policy.segment_field]
    return Facts(segment=[values[row] for row in rows], needs_strong=is_strong[rows])


def prices_of(route: RouteInUse, models: Sequence[str | None]) -> dict[str, ModelPrice] | None:
    """What models cost: by the route's own price, else the list's.

    Returns:
        None where a model has no name or no price.
    """
    own = route.prices({})
    prices = {}
    for model in models:
        try:
            if model is None:
                return None
            prices[model] = price_of(model, None, own)
        except UsageError:
            return None
    return prices
