"""Calibrations: immutable once written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING

from sqlalchemy import Connection, RowMapping, insert, select

from routectl import __version__
from routectl.errors import StoreError
from routectl.policy import Policy
from routectl.records import Population, RouterIdentity
from routectl.store.models import Calibration

if TYPE_CHECKING:
    from routectl.calibration import Choice


def add_calibration(
    connection: Connection,
    *,
    created_at: datetime,
    actor: str,
    note: str | None,
    router_id: int,
    router: RouterIdentity,
    population: Population,
    sample_ids: Sequence[int],
    choice: Choice,
    policy: Policy,
    excluded: Mapping[str, float],
    longer_than_read: float,
    costs: Mapping[str, object] | None,
    rows_digest: str,
) -> int:
    """Write a calibration; returns its id.

    Args:
        policy: as a calibration stores it, without mode, fallback and ids.
        excluded: weight of the requests without a score, by reason.
        longer_than_read: weighted share of the requests whose prompt is longer than the router
            reads.
        costs: as plain JSON values, with the prices that they were computed from.
        rows_digest: of the scores and weights that the threshold was chosen from.
    """
    cut, certainty, pair = choice.cut, choice.certainty, router.model_pair
    values = {
        "created_at": created_at,
        "actor": actor,
        "note": note,
        "package_version": __version__,
        "router_id": router_id,
        "router": router.name,
        "fingerprint": router.fingerprint,
        "strong_model": None if pair is None else pair.strong,
        "weak_model": None if pair is None else pair.weak,
        "population": population.to_json(),
        "sample_ids": sample_ids,
        "target": choice.target.to_json(),
        "threshold": cut.threshold,
        "gap_lower": cut.gap_lower,
        "gap_upper": cut.gap_upper,
        "strong_fraction": cut.strong_fraction,
        "next_share_below": cut.next_share_below,
        "next_share_above": cut.next_share_above,
        "requests": certainty.requests,
        "prompts": certainty.prompts,
        "clusters": certainty.clusters,
        "cluster_kind": certainty.cluster_kind,
        "effective_size": certainty.n_eff,
        "intervals": {
            "long_run": asdict(certainty.long_run),
            "next_requests": asdict(certainty.next_share) | {"requests": certainty.next_requests},
        },
        "excluded": excluded,
        "rows_digest": rows_digest,
        "details": _details(choice)
        | {
            "longer_than_read": longer_than_read,
            "costs": costs,
            "scored_as": dict(router.scored_as),
        },
        "policy": policy.to_json(),
        "extraction_version": policy.extraction_version,
    }
    statement = insert(Calibration).values(**values).returning(Calibration.id)
    return int(connection.execute(statement).scalar_one())


def _details(choice: Choice) -> dict[str, object]:
    """What no column holds; older calibrations have it under `choice`, and what columns hold."""
    cut, certainty = choice.cut, choice.certainty
    return {
        "tie": cut.tie and asdict(cut.tie),
        "lowest_share": cut.lowest_share,
        "guaranteed": cut.guaranteed,
        "token_share": cut.token_share,
        "tokens_known": cut.tokens_known,
        "spend_share": cut.spend_share,
        "spend_known": cut.spend_known,
        "n_eff_corrected": certainty.n_eff_corrected,
        "degrees_of_freedom": certainty.degrees_of_freedom,
        "days": certainty.days,
        "weeks": certainty.weeks,
        "untimed": certainty.untimed,
        "decided_by": certainty.decided_by,
        "lag_1_correlation": certainty.lag_1_correlation,
        "days_are_alike": certainty.days_are_alike,
        "requests_for_one_point": certainty.requests_for_one_point,
        "days_for_one_point": certainty.days_for_one_point,
        "recurring_prompts": certainty.recurring_prompts,
        "recurring_share": certainty.recurring_share,
        "named_prompts": [asdict(prompt) for prompt in certainty.named_prompts],
        "without_named": certainty.without_named and asdict(certainty.without_named),
        "undecided": certainty.undecided,
        "strong_fraction_low": certainty.strong_fraction_low,
        "strong_fraction_high": certainty.strong_fraction_high,
        "self_check": choice.self_check and asdict(choice.self_check),
        "self_check_skipped": choice.self_check_skipped,
    }


def calibration(connection: Connection, calibration_id: int) -> Calibration:
    """The calibration with this id; raises StoreError when there is none."""
    query = select(Calibration.__table__).where(Calibration.id == calibration_id)
    row = connection.execute(query).mappings().one_or_none()
    if row is None:
        raise StoreError(
            f"no calibration {calibration_id} in this database: `routectl history` lists them"
        )
    return _detached(row)


def newest_calibration(connection: Connection, router: str | None = None) -> Calibration | None:
    """The newest calibration (of a router), if any."""
    query = select(Calibration.__table__).order_by(Calibration.id.desc()).limit(1)
    if router is not None:
        query = query.where(Calibration.router == router)
    row = connection.execute(query).mappings().one_or_none()
    return None if row is None else _detached(row)


def calibrations(connection: Connection, limit: int) -> list[Calibration]:
    """The newest calibrations, newest first."""
    query = select(Calibration.__table__).order_by(Calibration.id.desc()).limit(limit)
    return [_detached(row) for row in connection.execute(query).mappings()]


def _detached(row: RowMapping) -> Calibration:
    return Calibration(**row)
