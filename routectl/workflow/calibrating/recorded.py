"""A calibration as it is recorded: read back whole, so that it can be shown again at any time."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from routectl.calibration import (
    Caveat,
    Certainty,
    Choice,
    Cut,
    CutLoss,
    Interval,
    PassedOver,
    Projection,
    RecurringPrompt,
    SelfCheck,
    Spending,
    Tie,
    WithoutPrompts,
    caveats,
    target_from_json,
)
from routectl.errors import StoreError
from routectl.policy import Policy, named_pair
from routectl.records import IdKind, ModelPair, RouterIdentity
from routectl.store.calibrations import calibration
from routectl.store.engine import Location
from routectl.store.models import Calibration
from routectl.store.opening import open_store
from routectl.store.scores import noise_of
from routectl.workflow.calibrating.answering import OtherModels
from routectl.workflow.calibrating.pricing import Costs
from routectl.workflow.calibrating.quality import KnownQuality
from routectl.workflow.calibrating.segments import segments_from_json
from routectl.workflow.calibrating.units import Conversations
from routectl.workflow.policies.stored import of_calibration
from routectl.workflow.routes.in_use import name_of


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedCalibration:
    """A calibration as it was recorded, or as a dry run would have recorded it."""

    id: int | None
    """None of a dry run."""
    created_at: datetime
    route: str
    """The route that it belongs to."""
    run: str | None
    """Names the command that made it, the same for all of its calibrations."""
    actor: str
    note: str | None
    router: RouterIdentity
    policy: Policy
    has_policy: bool
    """The policy is stored. An older calibration has none, and it is what that one meant."""
    population: Mapping[str, Any]
    """The filters: `where`, `since` and `until`, as `Population.to_json` writes them."""
    sample_ids: Sequence[int]
    choice: Choice
    weight: float | None
    """Requests that the scored rows stand for. This and the next are None in an older record."""
    model_groups: Mapping[str, float] | None
    """Weight by model group."""
    excluded: Mapping[str, float]
    """Weight of the requests without a score, by reason."""
    longer_than_read: float
    """Weighted share of the requests whose prompt is longer than the router reads."""
    segments: Mapping[str, Any] | None
    """The segments with a threshold of their own, as `segments_json` writes them; None where there
    are none."""
    conversations: Conversations | None
    """Where these are what is decided at once; else None."""
    costs: Costs | None
    """None where the route declares no models, or no tokens or no price is known."""
    quality: KnownQuality | None
    """What was evaluated of this router at this fingerprint."""
    other_models: OtherModels | None
    """Models that answered these requests and are not the route's."""
    suggestion: str | None
    """The `route set` command that would give costs, where the route declares no models."""
    rows_digest: str
    notes: Sequence[str]
    """What was said of the population while it was made, a sentence each."""
    intervals: Mapping[str, Any]
    """As they are stored."""

    @property
    def caveats(self) -> list[Caveat]:
        """What a reader must know before they use the threshold."""
        choice = self.choice
        return caveats(
            choice.target,
            choice.cut,
            choice.certainty,
            choice.self_check,
            self.longer_than_read,
            choice.segmented,
        )

    @property
    def missed_by(self) -> float | None:
        """How far the share is from the target, where that is more than the tolerance; of segments
        the furthest."""
        choice = self.choice
        missed = [] if choice.segmented is None else choice.segmented.missed
        misses = [choice.target.missed_by(choice.cut), *(cut.missed_by for cut in missed)]
        return max((miss for miss in misses if miss is not None), default=None)

    @property
    def is_complete(self) -> bool:
        """All that a calibration of today says is recorded."""
        return self.weight is not None and self.model_groups is not None


def show_calibration(location: Location, calibration_id: int) -> RecordedCalibration:
    """A calibration of the database.

    Raises:
        StoreError: there is none with this id.
    """
    with open_store(location) as store, store.read() as connection:
        return recorded(connection, calibration(connection, calibration_id))


def recorded(connection: Connection, row: Calibration) -> RecordedCalibration:
    """What a row says. One that is older than a detail has None, or nothing, in its place.

    Raises:
        InputError: its policy or target is of a newer version, or its policy damaged.
        StoreError: its details are damaged.
    """
    try:
        return _recorded(connection, row)
    except (KeyError, TypeError, ValueError, ArithmeticError):
        raise StoreError(
            f"the record of calibration {IdKind.CALIBRATION.ref(row.id)} is damaged: restore the "
            "database from a copy"
        ) from None


def _recorded(connection: Connection, row: Calibration) -> RecordedCalibration:
    # Through JSON, so that a row that was just made reads as it will when it is read back.
    details = json.loads(json.dumps(row.details))
    # What columns hold today, older rows hold under this key, too.
    stored: dict[str, Any] = details.get("choice", {}) | details
    policy = of_calibration(row)
    target = target_from_json(row.target)
    costs = None if stored.get("costs") is None else Costs.from_json(stored["costs"])
    noise, segments = stored.get("noise"), stored.get("segments")
    return RecordedCalibration(
        id=row.id,
        created_at=row.created_at,
        route=name_of(connection, row.route_id),
        run=row.run,
        actor=row.actor,
        note=row.note,
        router=RouterIdentity(
            name=row.router,
            fingerprint=row.fingerprint,
            model_pair=_pair(row, policy),
            noise=noise_of(connection, row.router_id) if noise is None else noise,
            scored_as=stored.get("scored_as", {}),
        ),
        policy=policy,
        has_policy=row.policy is not None,
        population=row.population,
        sample_ids=row.sample_ids,
        choice=Choice(
            target=target,
            cut=_cut(row, stored, None if costs is None else costs.spending),
            certainty=_certainty(row, stored),
            self_check=_self_check(row, stored.get("self_check")),
            self_check_skipped=stored.get("self_check_skipped"),
            month=None if costs is None or isinstance(costs.month, str) else costs.month,
            changes_model=None if costs is None else costs.changes_model,
            segmented=None if segments is None else segments_from_json(segments),
        ),
        segments=segments,
        conversations=Conversations.from_json(stored.get("conversations")),
        weight=stored.get("weight"),
        model_groups=stored.get("model_groups"),
        excluded=row.excluded,
        longer_than_read=stored.get("longer_than_read", 0.0),
        costs=costs,
        quality=_one(KnownQuality, stored.get("quality")),
        other_models=_other_models(stored.get("other_models")),
        suggestion=stored.get("suggested_route"),
        rows_digest=row.rows_digest,
        notes=stored.get("notes", []),
        intervals=row.intervals,
    )


def _cut(row: Calibration, stored: Mapping[str, Any], spending: Spending | None) -> Cut:
    names = {field.name for field in fields(Cut)}
    values = {name: value for name, value in stored.items() if name in names}
    values |= {
        "threshold": row.threshold,
        "gap_lower": row.gap_lower,
        "gap_upper": row.gap_upper,
        "strong_fraction": row.strong_fraction,
        "next_share_below": row.next_share_below,
        "next_share_above": row.next_share_above,
        "spending": spending,
        "tie": _one(Tie, stored.get("tie")),
        "passed_over": _one(PassedOver, stored.get("passed_over")),
        "loss": _loss(stored.get("loss")),
    }
    return Cut(**values)


def _loss(stored: Mapping[str, Any] | None) -> CutLoss | None:
    if stored is None:
        return None
    more = tuple(Projection(**projection) for projection in stored["more_labels"])
    return CutLoss(**{**stored, "more_labels": more})


def _certainty(row: Calibration, stored: Mapping[str, Any]) -> Certainty:
    names = {field.name for field in fields(Certainty)}
    values = {name: value for name, value in stored.items() if name in names}
    next_share = dict(row.intervals["next_requests"])
    next_requests = next_share.pop("requests")
    values |= {
        "requests": row.requests,
        "prompts": row.prompts,
        "clusters": row.clusters,
        "cluster_kind": row.cluster_kind,
        "n_eff": row.effective_size,
        "long_run": Interval(**row.intervals["long_run"]),
        "next_requests": next_requests,
        "next_share": Interval(**next_share),
        "excluded": float(sum(row.excluded.values())),
        "decided_by": stored.get("decided_by", row.cluster_kind),
        "named_prompts": tuple(RecurringPrompt(**p) for p in stored.get("named_prompts", ())),
        "without_named": _without(stored.get("without_named")),
    }
    return Certainty(**(_BEFORE_DAYS | values))


_BEFORE_DAYS: dict[str, Any] = {
    "days": None,
    "weeks": 0,
    "untimed": 0.0,
    "lag_1_correlation": None,
    "days_are_alike": False,
    "days_for_one_point": None,
    "recurring_prompts": 0,
    "recurring_share": 0.0,
}
"""What a record says whose intervals were computed without a look at the days."""


def _without(stored: Mapping[str, Any] | None) -> WithoutPrompts | None:
    if stored is None:
        return None
    return WithoutPrompts(**{**stored, "long_run": Interval(**stored["long_run"])})


def _self_check(row: Calibration, stored: Mapping[str, Any] | None) -> SelfCheck | None:
    if stored is None:
        return None
    # Before days were counted, its confidence was that of the intervals and was not said again.
    before = {
        "earlier_days": None,
        "later_days": None,
        "confidence": row.intervals["long_run"]["confidence"],
    }
    return SelfCheck(**{**before, **stored})


def _one(kind: type[Any], stored: Mapping[str, Any] | None) -> Any:
    return None if stored is None else kind(**stored)


def _pair(row: Calibration, policy: Policy) -> ModelPair | None:
    if row.strong_model is None or row.weak_model is None:
        return named_pair(policy.routers[0].spec)
    return ModelPair(row.strong_model, row.weak_model)


def _other_models(stored: Mapping[str, Any] | None) -> OtherModels | None:
    return None if stored is None else OtherModels(stored["share"], tuple(stored["models"]))
