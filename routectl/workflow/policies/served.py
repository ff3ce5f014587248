"""Who decided the requests of a route that the proxy served since the active policy began."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection

from routectl.records import IdKind, Population
from routectl.request import BY_POLICY, DecidedBy, decided_by
from routectl.store import routes
from routectl.store.models import Route
from routectl.store.recent import decisions_since, newest_decision, newest_time
from routectl.store.traffic import routed_since
from routectl.workflow.policies.activated import Activated

WINDOW = timedelta(days=1)
"""At most so long before the newest request: a repair is seen the next day."""

UNTIL_IT_ARRIVES = timedelta(minutes=10)
"""After an activation, a proxy may still decide by the one before."""

CLOCKS_DIFFER = timedelta(hours=1)
"""How far a log's clock may be ahead of ours; what is later is no request of now."""

MOST_OVERRIDDEN = 0.05
"""Share of the requests up to which nothing is said: a gateway's own router decides while a model
cools down after failures."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """Answered requests of a route, no cache hits, by who decided them; weights.

    Left out is what its policy was not asked about: a client's own threshold, where the operator
    allows one, and what LiteLLM's router decides without asking because it has no text.
    """

    since: datetime
    """Ten minutes after the activation, or a day before the newest request."""
    by_policy: float = 0.0
    """By the active policy."""
    without_score: float = 0.0
    """Of those, by its fallback: no text, no score, or one that came too late."""
    by_other_activations: float = 0.0
    """By another activation of ours."""
    overridden: float = 0.0
    """By something else."""
    undecided: float = 0.0
    """That a client called by the route's name and whose log has no decision, though the log of
    the same proxy had some before."""
    newest_overridden: datetime | None = None
    """Of the last two kinds."""

    @property
    def requests(self) -> float:
        """All of them."""
        return self.by_policy + self.by_other_activations + self.overridden + self.undecided

    @property
    def not_by_policy(self) -> float:
        """Those that no policy of ours decided."""
        return self.overridden + self.undecided

    @property
    def is_overridden(self) -> bool:
        """More than a few were decided by no policy of ours."""
        return self.not_by_policy > MOST_OVERRIDDEN * self.requests

    def to_json(self) -> dict[str, object]:
        """For programs."""
        return {"requests": self.requests, **asdict(self)}


def served(
    connection: Connection, row: Route, active: Activated, population: Population, now: datetime
) -> Served:
    """Who decided a route's requests, by the log.

    Args:
        population: of the active policy, without a window.
    """
    names = routes.names_of(connection, row)
    before = now + CLOCKS_DIFFER
    since = active.created_at + UNTIL_IT_ARRIVES
    newest = newest_decision(connection, names, before=before)
    newest_times = [
        newest_time(connection, population, before=before),
        None if newest is None else newest.time,
    ]
    for time in newest_times:
        if time is not None:
            since = max(since, time - WINDOW)
    weights = dict.fromkeys(
        ("by_policy", "without_score", "by_other_activations", "overridden", "undecided"), 0.0
    )
    last: datetime | None = None
    for group in decisions_since(
        connection,
        names,
        since=since,
        before=before,
        routed_since=routed_since(connection, *names),
        source_kind=None if newest is None else newest.source_kind,
    ):
        by = decided_by(
            route=group.route,
            activation=group.activation,
            decision=group.decision,
            reason=group.reason,
            would_be_reason=group.would_be_reason,
        )
        if by in (DecidedBy.CLIENT, DecidedBy.CACHE):
            continue
        if by in BY_POLICY:
            is_active = group.activation in (None, IdKind.ACTIVATION.ref(active.id))
            weights["by_policy" if is_active else "by_other_activations"] += group.weight
            if is_active and by is DecidedBy.POLICY_FALLBACK:
                weights["without_score"] += group.weight
            continue
        if by is DecidedBy.OTHER and not group.has_text:
            continue
        weights["overridden" if by is DecidedBy.OTHER else "undecided"] += group.weight
        last = group.newest if last is None else max(last, group.newest)
    return Served(since=since, newest_overridden=last, **weights)
