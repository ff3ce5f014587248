"""One call that a log holds twice: a framework's span of it, and its client's below that."""

from __future__ import annotations

from collections import OrderedDict

_REMEMBERED = 20_000


class Calls:
    """The calls of a log, as many as were read last, by id."""

    def __init__(self) -> None:
        self._prompts: OrderedDict[str, int] = OrderedDict()
        self._parents: OrderedDict[str, int] = OrderedDict()

    def is_repeated(self, call: str | None, parent: str | None, prompt: str | None) -> bool:
        """Tell whether a call is one that was read before: the one above it or below it.

        One that is below another with the same prompt is the same call. Which of the two comes
        first in the log does not matter.
        """
        key = hash(prompt)
        repeated = (parent is not None and self._prompts.get(parent) == key) or (
            call is not None and self._parents.get(call) == key
        )
        if call is not None:
            _remember(self._prompts, call, key)
            if parent is not None:
                _remember(self._parents, parent, key)
        return repeated


def _remember(calls: OrderedDict[str, int], call: str, key: int) -> None:
    calls[call] = key
    if len(calls) > _REMEMBERED:
        calls.popitem(last=False)
