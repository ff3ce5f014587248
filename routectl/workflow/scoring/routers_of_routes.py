"""The routers that `routectl score` scores with where nobody names one."""

from __future__ import annotations

from dataclasses import dataclass

from routectl.policy import THRESHOLD
from routectl.records import RouterSpec
from routectl.routers import OpenRouter, open_spec
from routectl.store import routes
from routectl.store.engine import Location
from routectl.store.opening import open_store
from routectl.workflow.policies.activated import activated
from routectl.workflow.reporter import Reporter


@dataclass(frozen=True, slots=True)
class _Wanted:
    route: str
    spec: RouterSpec
    fingerprint: str | None
    """That runs; None where the router is only declared."""


def routers_of_routes(
    location: Location, default: RouterSpec, reporter: Reporter
) -> list[OpenRouter]:
    """The routers of all routes, each once: what a route runs, else what it declares.

    Args:
        default: of a route that does neither, and where there is no route.

    Raises:
        RouterError, CheckpointError: one cannot be opened any more.
    """
    opened: list[OpenRouter] = []
    for wanted in _wanted(location, default):
        router = open_spec(wanted.spec)
        if wanted.fingerprint not in (None, router.identity.fingerprint):
            reporter.note(
                f"what route {wanted.route} runs scores at fingerprint {wanted.fingerprint[:12]}, "
                f"and its checkpoint is at {router.identity.fingerprint[:12]} now: bring the "
                "checkpoint back, or calibrate again and activate that"
            )
        if all(router.spec != other.spec for other in opened):
            opened.append(router)
    return opened


def _wanted(location: Location, default: RouterSpec) -> list[_Wanted]:
    wanted = []
    with open_store(location) as store, store.read() as connection:
        for row in routes.routes(connection):
            log = routes.activations(connection, row.id)
            policy = activated(connection, log[-1], row.name, active=True).policy if log else None
            if policy is not None and policy.rule == THRESHOLD:
                wanted += [_Wanted(row.name, r.spec, r.fingerprint) for r in policy.routers]
            else:
                spec = routes.declaration(row).router
                wanted.append(_Wanted(row.name, spec or default, None))
    return wanted or [_Wanted("", default, None)]
