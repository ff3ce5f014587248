"""A budget that no call can exceed: each one's worst case is reserved before it is sent."""

from __future__ import annotations

from decimal import Decimal
from threading import Condition, Event


class LimitReachedError(Exception):
    """The next call's worst case no longer fits. Never reaches a person as it is."""


class Budget:
    """Money that several threads spend."""

    def __init__(self, limit: Decimal | None, spent: Decimal) -> None:
        """
        Args:
            limit: US dollars; None is no limit.
            spent: of it, already.
        """
        self._limit = limit
        self._spent = spent
        self._aside = Decimal(0)
        self._changed = Condition()

    def set_aside(self, worst: Decimal, stop: Event) -> None:
        """Set money aside for a call.

        Waits for calls under way where they may leave enough: most cost far less than their worst
        case.

        Raises:
            LimitReachedError: there is not enough left, or `stop` is set.
        """
        with self._changed:
            while True:
                if stop.is_set():
                    raise LimitReachedError
                if self._limit is None or self._spent + self._aside + worst <= self._limit:
                    self._aside += worst
                    return
                if not self._aside:
                    raise LimitReachedError
                self._changed.wait()

    def settle(self, worst: Decimal, cost: Decimal) -> None:
        """Book what a call cost, in place of what was set aside for it."""
        with self._changed:
            self._aside -= worst
            self._spent += cost
            self._changed.notify_all()

    def wake(self) -> None:
        """Let those that wait look at their `stop`."""
        with self._changed:
            self._changed.notify_all()
