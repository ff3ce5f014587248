"""What a proxy should carry out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from routectl.records import ModelPair


@dataclass(frozen=True, slots=True)
class Decision:
    """A threshold, or an unconditional choice, and where it comes from."""

    mode: str
    """threshold, always_strong or always_weak."""
    router: str | None
    """For always_strong: the router that the route's last threshold named, if any."""
    threshold: str | None
    """Exactly as the proxy will read it."""
    fingerprint: str | None
    model_pair: ModelPair | None
    scored_as: Mapping[str, str]
    """Model of the pair that the router does not know -> the one that it is scored as."""
    strong_fraction: float | None
    """What the threshold achieved on the sample that it was chosen on."""
    calibration_id: int | None
    route: str | None
    activation_id: int | None
