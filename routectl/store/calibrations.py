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
from routectl.records import IdKind, Population, RouterIdentity
from routectl.store.models import Calibration

if TYPE_CHECKING:
    from routectl.calibration import Choice


def add_calibration(connection: Connection, row: Calibration) -> int:
    """Write a calibration; returns its id."""
    values = {c.name: getattr(row, c.name) for c in Calibration.__table__.columns if c.name != "id"}
    statement = insert(Calibration).values(**values).returning(Calibration.id)
    return int(connection.execute(statement).scalar_one())


def calibration_row(
    *,
    created_at: datetime,
    actor: str,
    note: str | None,
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
    weight: float,
    model_groups: Mapping[str | None, float],
    notes: Sequence[str],
) -> Calibration:
    """A calibration's row, which is not in the database yet and has no id.

    Args:
        run: names the command that makes it, the same for all of its calibrations.
        policy: as a calibration stores it, without mode, fallback and ids.
        excluded: weight of the requests without a score, by reason.
        facts: what else was said and no column holds, as plain JSON values: costs with the prices
            that they were computed from, what is known of quality, and so on.
        rows_digest: of the scores and weights that the threshold was chosen from.
        weight: requests that the scored rows stand for.
        model_groups: weight by model group, of the whole population.
        notes: what was said of the population, a sentence each.
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
        "sample_ids": list(sample_ids),
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
        "excluded": dict(excluded),
        "rows_digest": rows_digest,
        "details": _details(choice)
        | {
            "scored_as": dict(router.scored_as),
            "noise": router.noise,
            "weight": weight,
            "model_groups": {str(group): total for group, total in model_groups.items()},
            "notes": list(notes),
            **facts,
        },
        "policy": policy.to_json(),
        "extraction_version": policy.extraction_version,
        "run": run,
    }
    return Calibration(**values)


_IN_COLUMNS = frozenset(
    (
        "threshold",
        "gap_lower",
        "gap_upper",
        "strong_fraction",
        "next_share_below",
        "next_share_above",
        "requests",
        "prompts",
        "clusters",
        "cluster_kind",
        "n_eff",
        "long_run",
        "next_share",
        "next_requests",
        "excluded",
    )
)


def _details(choice: Choice) -> dict[str, object]:
    """What no column holds; older calibrations have it under `choice`, and what columns hold."""
    stated = asdict(choice.cut) | asdict(choice.certainty)
    del stated["spending"]  # `costs` has it, with the prices
    return {name: value for name, value in stated.items() if name not in _IN_COLUMNS} | {
        "self_check": choice.self_check and asdict(choice.self_check),
        "self_check_skipped": choice.self_check_skipped,
    }


def calibration(connection: Connection, calibration_id: int) -> Calibration:
    """The calibration with this id; raises StoreError when there is none."""
    query = select(Calibration.__table__).where(Calibration.id == calibration_id)
    row = connection.execute(query).mappings().one_or_none()
    if row is None:
        raise StoreError(
            f"no calibration {IdKind.CALIBRATION.ref(calibration_id)} in this database: "
            "`routectl history` lists them"
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
