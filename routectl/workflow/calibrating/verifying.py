"""`routectl verify`: whether the file of a calibration holds, here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from routectl import extraction
from routectl.errors import RoutectlError, StoreError
from routectl.export import CalibrationFile
from routectl.policy import THRESHOLD, Policy
from routectl.records import IdKind
from routectl.routers import names, open_spec
from routectl.store.calibrations import calibration
from routectl.store.engine import Location
from routectl.store.models import Calibration
from routectl.store.opening import open_store
from routectl.workflow.policies.stored import of_calibration


@dataclass(frozen=True, slots=True)
class Check:
    """One question, and its answer."""

    name: str
    passed: bool | None
    """None: it could not be asked here."""
    detail: str


def verify(file: CalibrationFile, location: Location | None) -> list[Check]:
    """Check a file.

    Args:
        location: of the database that holds the calibration; None where there is none.

    Raises:
        StoreError: the database cannot be opened.
    """
    stated = file.calibration
    policy, about_policy = _policy(stated)
    return [
        Check(
            "file",
            file.is_whole,
            "whole: its digest is that of its content"
            if file.is_whole
            else "changed after it was written: its digest is of another content",
        ),
        about_policy,
        _router(policy),
        _database(stated, location),
    ]


def _policy(stated: Mapping[str, Any]) -> tuple[Policy | None, Check]:
    """The policy, and whether it can be carried out and is what the file says elsewhere."""
    name = "policy"
    if stated.get("policy") is None:
        return None, Check(name, False, "there is none: an older routectl made the calibration")
    try:
        policy = Policy.from_json(stated["policy"])
    except RoutectlError as error:
        return None, Check(name, False, str(error))
    if policy.rule != THRESHOLD:
        return None, Check(name, False, f"it is {policy.rule}, which no calibration makes")
    version = policy.extraction_version
    if version not in extraction.VERSIONS:
        return policy, Check(
            name,
            False,
            f"it decides on texts of version {version} of the text extraction, which this "
            "routectl does not have",
        )
    said = (stated.get("threshold"), stated.get("fingerprint"), stated.get("models"))
    if said != (policy.thresholds[0], policy.routers[0].fingerprint, list(policy.models)):
        return policy, Check(
            name, False, "its threshold, fingerprint or models are not those that the file states"
        )
    return policy, Check(name, True, f"it can be carried out, by threshold {policy.thresholds[0]}")


def _router(policy: Policy | None) -> Check:
    """Whether the policy's routers open at the stated fingerprint."""
    name = "router"
    if policy is None:
        return Check(name, None, "not checked: there is no policy that names it")
    for pinned in policy.routers:
        spec = pinned.spec
        if spec.name not in names():
            return Check(name, None, f"not checked: no router {spec.name!r} is installed here")
        folder = None if spec.checkpoint is None else Path(spec.checkpoint)
        if folder is not None and folder.is_absolute() and not folder.exists():
            return Check(name, None, f"not checked: its checkpoint {folder} is not here")
        try:
            opened = open_spec(spec)
        except RoutectlError as error:
            return Check(name, False, f"{spec.name} cannot be opened: {error}")
        if opened.identity.fingerprint != pinned.fingerprint:
            return Check(
                name,
                False,
                f"{spec.name} has the fingerprint {opened.identity.fingerprint[:12]} here, and "
                f"the calibration is of {pinned.fingerprint[:12]}",
            )
    return Check(
        name,
        True,
        ", ".join(f"{p.spec.name} opens at {p.fingerprint[:12]}" for p in policy.routers),
    )


def _database(stated: Mapping[str, Any], location: Location | None) -> Check:
    """Whether the database has the same calibration."""
    name = "database"
    if location is None:
        return Check(name, None, "not checked: there is no database here (--db names one)")
    number = stated.get("calibration_id")
    if type(number) is not int:
        return Check(name, None, "not checked: the file is of a calibration without an id")
    ref = IdKind.CALIBRATION.ref(number)
    with open_store(location) as store, store.read() as connection:
        try:
            row = calibration(connection, number)
        except StoreError as error:
            return Check(name, False, str(error))
    other = [key for key, value in _columns(row).items() if stated.get(key) != value]
    if not other:
        return Check(name, True, f"{ref} is the same there, chosen from the same rows")
    return Check(name, False, f"{ref} is another one there: it differs in {', '.join(other)}")


def _columns(row: Calibration) -> dict[str, object]:
    """What identifies a calibration, by the keys of its JSON."""
    return {
        "created_at": row.created_at.isoformat(),
        "threshold": row.threshold,
        "strong_fraction": row.strong_fraction,
        "fingerprint": row.fingerprint,
        "rows_digest": row.rows_digest,
        "population": row.population,
        "target": row.target,
        "policy": None if row.policy is None else of_calibration(row).to_json(),
    }
