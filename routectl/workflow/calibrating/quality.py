"""What is known of a router's quality, which is printed with every saving."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import Connection

from routectl.store.evaluations import newest_evaluation
from routectl.store.models import Evaluation

APGR = "APGR"
TRAFFIC = "traffic"
"""The value of `evaluations.kind` where the prompts were traffic."""


@dataclass(frozen=True, slots=True)
class KnownQuality:
    """The newest evaluation of a router at its fingerprint."""

    evaluation_id: int
    on_traffic: bool
    """On prompts of this database's traffic; else on a benchmark's."""
    benchmark: str
    strong_model: str
    """Of the pair whose answers were compared."""
    weak_model: str
    apgr: Mapping[str, Any] | None
    """Value, low and high; None where no gap between the models was shown."""
    confidence: float

    def to_json(self) -> dict[str, object]:
        """As plain JSON values."""
        return asdict(self)


def known_quality(connection: Connection, fingerprint: str) -> KnownQuality | None:
    """What the newest evaluation says, on traffic before a benchmark; None where there is none."""
    row = newest_evaluation(connection, fingerprint)
    return None if row is None else quality_of(row)


def quality_of(row: Evaluation) -> KnownQuality:
    """What an evaluation says."""
    return KnownQuality(
        evaluation_id=row.id,
        on_traffic=row.kind == TRAFFIC,
        benchmark=row.benchmark,
        strong_model=row.strong_model,
        weak_model=row.weak_model,
        apgr=row.figures.get(APGR),
        confidence=row.confidence,
    )
