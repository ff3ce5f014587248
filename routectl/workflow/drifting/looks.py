"""What looks at drift say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from routectl.store.drift_checks import NewLook
from routectl.store.models import DriftCheck

if TYPE_CHECKING:
    from routectl.calibration.drift import Baseline


class Alarm(StrEnum):
    """What a look is about."""

    TRAFFIC = "traffic"
    """The share of requests whose score reaches the threshold."""
    PROXY = "proxy"
    """Prompts that the proxy decides otherwise than the stored score and the policy say."""
    FALLBACK = "fallback"
    """Requests that the proxy could not score in time, or at all."""


@dataclass(frozen=True, slots=True)
class Ringing:
    """An alarm that rings."""

    alarm: Alarm
    day: str
    """That was looked at last."""
    since: str
    """From which day on it has rung without a break."""
    share: float
    """Of that last day."""


@dataclass(frozen=True, slots=True)
class LoggedDecisions:
    """Decisions by a calibration, as the proxy logged them, that no look is at yet; weights."""

    count: float
    fallback: float | None
    """The share of them that could not be scored in time, or at all; None of none."""
    of_whole_days: float
    """Those of days that the next look is at."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Drift:
    """What is known of a route's drift since its calibration."""

    baseline: Baseline | None
    """None where the calibration's days are too few or have no times; of `status` also as long as
    there is no day to look at."""
    tolerance: float
    """How far the share may be from the calibrated one before it counts, as a share in [0, 1]."""
    looks: Mapping[str, Sequence[DriftCheck | NewLook]]
    """By alarm, in the order of their days, those of today among them."""
    new: tuple[NewLook, ...] = ()
    """Those that are not stored yet."""
    waits_for_scores: bool = False
    """A day that is over is not looked at, because requests lack a score."""

    @property
    def ringing(self) -> list[Ringing]:
        """The alarms that ring now."""
        ringing = []
        for alarm in Alarm:
            looks = self.looks.get(alarm.value, ())
            since = None
            for look in reversed(looks):
                if not look.rang:
                    break
                since = look.day
            if since is not None:
                last = looks[-1]
                ringing.append(Ringing(alarm, last.day, since, last.share or 0.0))
        return ringing

    @property
    def e_value(self) -> float | None:
        """The largest of the alarms' last ones; None before the first look."""
        last = [looks[-1].e_value for looks in self.looks.values() if looks]
        return max(last, default=None)


def drift_limit() -> float:
    """The e-value at which an alarm rings."""
    from routectl.calibration.drift import LIMIT

    return LIMIT
