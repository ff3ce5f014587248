"""The policies of calibrations and activations: made, read back, and refused where they must be."""

from __future__ import annotations

from dataclasses import replace

from routectl import extraction
from routectl.errors import StoreError
from routectl.policy import LIVE, THRESHOLD, PinnedRouter, Policy
from routectl.records import IdKind, ModelPair, RouterSpec
from routectl.store.models import Activation, Calibration

UNDECLARED = (None, None)
"""The models of a route for which nobody declared any: a weak and a strong one."""


def of_calibration(row: Calibration) -> Policy:
    """The policy that a calibration stores, or what its columns say where it is older than that.

    Raises:
        InputError: the record is of a newer version, or damaged.
    """
    if row.policy is not None:
        policy = Policy.from_json(row.policy)
        # The columns say some of it again: where they differ, one of the two is damaged.
        stated = (policy.thresholds[:1], [router.fingerprint for router in policy.routers[:1]])
        if stated != ((row.threshold,), [row.fingerprint]):
            raise StoreError(_contradiction(f"calibration {row.id}"))
        return replace(policy, calibration_id=row.id)
    # Calibrations older than the option have no such detail.
    mapping: dict[str, str] = row.details.get("scored_as", {})
    pair = None
    if row.strong_model is not None and row.weak_model is not None:
        strong, weak = row.strong_model, row.weak_model
        pair = ModelPair(mapping.get(strong, strong), mapping.get(weak, weak))
    spec = RouterSpec(row.router, None, pair, mapping)
    return Policy(
        models=UNDECLARED,
        routers=(PinnedRouter(spec, row.fingerprint),),
        thresholds=(row.threshold,),
        extraction_version=row.extraction_version,
        calibration_id=row.id,
    )


def of_activation(row: Activation, route: str, calibrated: Policy | None) -> Policy:
    """The policy that an activation stores, or what it meant where it is older than that.

    It is the route's under the name that the route has now.

    Args:
        calibrated: the policy of its calibration; where it has none, because it is unconditional,
            that of the last one which the route ran before, if any.

    Raises:
        InputError: the record is of a newer version, or damaged.
    """
    if row.policy is not None:
        policy = Policy.from_json(row.policy)
        decided = (policy.rule, policy.calibration_id)
        same = True
        if calibrated is not None and calibrated.calibration_id == row.calibration_id:
            same = policy.thresholds == calibrated.thresholds
            same = same and policy.routers == calibrated.routers
            same = same and policy.segments == calibrated.segments
        if decided != (row.mode, row.calibration_id) or not same:
            raise StoreError(_contradiction(f"activation {row.id}"))
        return replace(policy, route=route, activation_id=row.id)
    if row.mode == THRESHOLD:
        assert calibrated is not None, "the database holds it to that"
        return replace(calibrated, mode=LIVE, route=route, activation_id=row.id)
    return replace(unconditional(row.mode, route, calibrated), activation_id=row.id)


def _contradiction(what: str) -> str:
    return (
        f"{what} contradicts itself, so the database is damaged: restore a copy of it, or "
        "calibrate again"
    )


def unconditional(
    rule: str,
    route: str,
    before: Policy | None,
    *,
    models: tuple[str | None, ...] | None = None,
) -> Policy:
    """A live policy that gives every request the strong model, or the weak one.

    Args:
        before: what the route ran before, whose router a config string can name.
        models: those that the route declares, from weak to strong; None: those of before.
    """
    if models is None:
        models = UNDECLARED if before is None else before.models
    return Policy(
        rule=rule,
        models=models,
        routers=() if before is None else before.routers,
        extraction_version=extraction.EXTRACTION_VERSION,
        mode=LIVE,
        route=route,
    )


def require_extraction(policy: Policy) -> None:
    """Refuse a policy that decides on texts of which this package cannot make more.

    Raises:
        StoreError: its extraction version is not of this package.
    """
    version = policy.extraction_version
    if policy.rule == THRESHOLD and version not in extraction.VERSIONS:
        raise StoreError(
            f"calibration {IdKind.CALIBRATION.ref(policy.calibration_id)} was made with version "
            f"{version} of the text extraction, and this routectl has "
            f"{max(extraction.VERSIONS)} and older ones: import the logs again and run "
            "`routectl calibrate`, or install the routectl that made it"
        )
