"""`--unit conversation`: a conversation's first request decides, and the rest of it follows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from sqlalchemy import Connection

from routectl.calibration import first_of_conversation
from routectl.errors import CalibrationError
from routectl.extraction import EXTRACTION_VERSION
from routectl.store.populations import first_times, times
from routectl.store.scores import ScoredRequests

_DAY = 86_400.0


@dataclass(frozen=True, slots=True)
class Conversations:
    """The conversations of a calibration whose unit they are."""

    conversations: int
    begin_in_log: int
    """Those whose first request is in the log: nothing of them came before it, and the log begins
    a day or more before it."""
    requests_alone: int
    """Requests of no conversation, which are decided alone."""

    def to_json(self) -> dict[str, int]:
        """As plain JSON values."""
        return asdict(self)

    @classmethod
    def from_json(cls, stored: Mapping[str, Any] | None) -> Conversations | None:
        """What `to_json` wrote; raises TypeError."""
        return None if stored is None else cls(**stored)


def by_conversation(
    connection: Connection, rows: ScoredRequests
) -> tuple[ScoredRequests, Conversations]:
    """The requests with the score that decides each: that of the first request of its conversation.

    The first request is the earliest with a prompt. In the log it holds one human text, the first
    of its conversation, which is what a proxy scores of every later request. Where the log begins
    later than a conversation, the first request that is there stands for it.

    Raises:
        CalibrationError: no request is of a conversation.
    """
    import numpy as np

    in_one = rows.conversations >= 0
    if not in_one.any():
        raise CalibrationError(
            "no request of the population names its conversation, so none has a first request: "
            "leave --unit out, or import a log with session or trace ids"
        )
    first = first_of_conversation(rows.conversations, rows.times)
    begins = in_one & (first == np.arange(len(first)))
    ids, begun = rows.conversations[begins], rows.times[begins]
    all_ids, earliest = first_times(connection, EXTRACTION_VERSION)
    log_begins, _ = times(connection, EXTRACTION_VERSION)
    in_log = 0
    if log_begins is not None and len(all_ids):
        place = np.minimum(np.searchsorted(all_ids, ids), len(all_ids) - 1)
        is_first = (all_ids[place] == ids) & (begun <= earliest[place])
        # A conversation of the log's first day may have begun before it.
        in_log = int(np.count_nonzero(is_first & (begun >= log_begins.timestamp() + _DAY)))
    win_rates = (rows.win_rates if rows.text_scores is None else rows.text_scores)[first]
    if rows.needs_strong is not None:
        # Each for itself: the rest of the conversation may be weak.
        win_rates = np.where(rows.needs_strong, 1.0, win_rates)
    decided = replace(
        rows,
        win_rates=win_rates,
        prompts=rows.prompts[first],
        longer_than_read=rows.longer_than_read[first],
    )
    return decided, Conversations(len(ids), in_log, int(np.count_nonzero(~in_one)))
