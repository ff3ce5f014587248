"""Why a calibration is activated only by --force: what is seldom meant."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from sqlalchemy import Connection

from routectl.errors import UsageError
from routectl.policy import PinnedRouter, Policy
from routectl.records import IdKind
from routectl.route import Declaration
from routectl.store.calibrations import calibration
from routectl.store.models import Activation, Calibration
from routectl.workflow.routes.in_use import declared_models


def require_no_doubt(chosen: Calibration, doubts: Sequence[str]) -> None:
    """Refuse what is seldom meant, and say all that is unusual of it.

    Raises:
        UsageError: it wants --force.
    """
    if doubts:
        ref = IdKind.CALIBRATION.ref(chosen.id)
        raise UsageError(
            f"{ref} is not activated, because {', and '.join(doubts)}: "
            f"`routectl activate {ref} --force` does it all the same"
        )


def doubts_about(
    connection: Connection,
    chosen: Calibration,
    policy: Policy,
    before: tuple[Activation, Policy] | None,
    declared: Declaration,
) -> Iterator[str]:
    """What makes it unlikely that a calibration is meant for its route.

    Args:
        policy: the calibration's, with what its activation would add.
        before: the last activation of a calibration on the route.
        declared: what the route declares now.
    """
    yield from _of_its_models(policy, declared)
    yield from _of_its_router(policy, None if before is None else before[1])
    if before is not None and before[0].calibration_id is not None:
        yield from _of_its_filters(chosen, calibration(connection, before[0].calibration_id))
    yield from _of_its_figures(connection, chosen)


def _of_its_models(policy: Policy, declared: Declaration) -> Iterator[str]:
    own = declared_models(declared)
    if own is not None and policy.models != own:
        models = " / ".join(reversed(own))
        made_for = (
            "before the route declared its models"
            if None in policy.models
            else f"for the models {' / '.join(str(name) for name in reversed(policy.models))}"
        )
        yield f"it was made {made_for}, and the route declares {models} by now"


def _of_its_router(policy: Policy, before: Policy | None) -> Iterator[str]:
    router = policy.routers[0]
    last = None if before is None or not before.routers else before.routers[0]
    same_router = last is not None and (last.spec.name, last.fingerprint) == (
        router.spec.name,
        router.fingerprint,
    )
    if router.spec.model_pair is None and not same_router:
        yield f"{router.spec.name} is a baseline, which knows no models"
    if last is not None and not same_router:
        yield (
            f"the route has run {_router_words(last)}, and this is {_router_words(router)}"
            if _router_words(last) != _router_words(router)
            else f"its router has another fingerprint ({router.fingerprint[:12]}) than the one "
            f"that the route has run ({last.fingerprint[:12]})"
        )


def _of_its_filters(chosen: Calibration, ran: Calibration) -> Iterator[str]:
    # Another window of the same filters is the same population.
    if sorted(ran.population["where"]) != sorted(chosen.population["where"]):
        ran_words, words = (
            " ".join(row.population["where"]) or "all requests" for row in (ran, chosen)
        )
        yield f"the route has run a threshold for {ran_words}, and this one is for {words}"


def _of_its_figures(connection: Connection, chosen: Calibration) -> Iterator[str]:
    # What it loads takes longer than all that `export` does.
    from routectl.workflow.calibrating.recorded import recorded

    stored = recorded(connection, chosen)
    if stored.missed_by is not None:
        yield (
            f"it misses its target by {100 * stored.missed_by:.1f} points, more than its tolerance "
            "allows"
        )
    if stored.choice.self_check is not None and not stored.choice.self_check.inside:
        yield "its check in time failed"


def _router_words(router: PinnedRouter) -> str:
    checkpoint = router.spec.checkpoint
    return router.spec.name if checkpoint is None else f"{router.spec.name} ({checkpoint})"
