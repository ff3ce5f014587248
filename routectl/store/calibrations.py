"""Calibrations: immutable once written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING

from sqlalchemy import Connection, RowMapping, func, insert, select

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
    route_id: int,
    run: str,
    router_id: int,
    router: RouterIdentity,
    population: Population,
    sample_ids: Sequence[int],
    choice: Choice,
    policy: Policy,
    excluded: Mapping[str, float],
    facts: Mapping[str, object],
    rows_digest: str,
) -> int:
    """Write a calibration; returns its id.

    Args:
        run: names the command that makes it, the same for all of its calibrations.
        policy: as a calibration stores it, without mode, fallback and ids.
        excluded: weight of the requests without a score, by reason.
        facts: what else was said and no column holds, as plain JSON values: costs with the prices
            that they were computed from, what is known of quality, and so on.
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
        "details": _details(choice) | {"scored_as": dict(router.scored_as), **facts},
        "policy": policy.to_json(),
        "extraction_version": policy.extraction_version,
        "route_id": route_id,
        "run": run,
    }
    statement = insert(Calibration).values(**values).returning(Calibration.id)
    return int(connection.execute(statement).scalar_one())


def _details(choice: Choice) -> dict[str, object]:
    """What no column holds; older calibrations have it under `choice`, and what columns hold."""
    cut, certainty = choice.cut, choice.certainty
    return {
        "tie": cut.tie and asdict(cut.tie),
        "lowest_share": cut.lowest_share,
        "token_share": cut.token_share,
        "tokens_known": cut.tokens_known,
        "spend_share": cut.spend_share,
        "spend_known": cut.spend_known,
        "n_eff_corrected": certainty.n_eff_corrected,
        "degrees_of_freedom": certainty.degrees_of_freedom,
        "requests_for_one_point": certainty.requests_for_one_point,
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


def newest_calibration(connection: Connection, route_id: int) -> Calibration | None:
    """The newest calibration of a route, if any."""
    newest = calibrations(connection, 1, route_id=route_id)
    return newest[0] if newest else None


def calibrations(
    connection: Connection, limit: int, *, route_id: int | None = None
) -> list[Calibration]:
    """The newest calibrations (of a route), newest first."""
    query = select(Calibration.__table__).order_by(Calibration.id.desc()).limit(limit)
    if route_id is not None:
        query = query.where(Calibration.route_id == route_id)
    return [_detached(row) for row in connection.execute(query).mappings()]


def count_calibrations(connection: Connection, route_id: int) -> int:
    """How many calibrations belong to a route."""
    query = select(func.count()).where(Calibration.route_id == route_id)
    return int(connection.execute(query).scalar_one())


def run_of(connection: Connection, calibration: Calibration) -> list[int]:
    """Ids of the calibrations that one run made, this one among them."""
    if calibration.run is None:
        return [calibration.id]
    query = select(Calibration.id).where(Calibration.run == calibration.run)
    return list(connection.execute(query.order_by(Calibration.id)).scalars())


def _detached(row: RowMapping) -> Calibration:
    return Calibration(**row)
