"""What `routectl serve --log` writes: a JSON object a line, which `routectl import` reads."""

from __future__ import annotations

import json
import logging
import re
import secrets
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from routectl.errors import reason_of
from routectl.extraction import extract
from routectl.needs import UNKNOWN, needs_of
from routectl.output import Output, append_line
from routectl.proxy.decider import Decision, RequestFacts

log = logging.getLogger("routectl.proxy")

FORMAT = "routectl-decision"
"""As `traffic.decisions` reads it."""
_BEGINNING = re.compile(rb'\{"format": "routectl-decision"')


@dataclass(slots=True, kw_only=True)
class Answered:
    """What a call is named, and how it ended, as far as its answer says."""

    client_request_id: str | None = None
    """The client's own, which may be that of other calls, too."""

    asked_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    status: int | None = None
    """Of HTTP; None where the request was only decided."""
    tokens_in: int | None = None
    tokens_out: int | None = None


class DecisionLog:
    """A file to which decisions are appended. A full disk fails no request."""

    def __init__(self, path: Path, routes: Path, *, with_prompts: bool) -> None:
        """Take up the file.

        Args:
            routes: an input that it must not be.

        Raises:
            UsageError, InputError: it must not be written, or cannot be.
        """
        Output(
            path=path,
            option="--log",
            inputs=[routes],
            is_ours=lambda head: _BEGINNING.match(head) is not None,
            is_appended=True,
            can_be_forced=False,
        ).check()
        self._path = path
        self._with_prompts = with_prompts
        self.failures = 0
        """Lines that could not be written."""

    def write(
        self, decision: Decision, facts: RequestFacts, call_type: str, answered: Answered
    ) -> None:
        """Note a decision and what became of it.

        Args:
            facts: with the request itself as `whole`.
        """
        # The call's id, too: attempts of one call have one, and clients repeat theirs.
        own_id = f"rd-{secrets.token_hex(16)}"
        row: dict[str, Any] = {
            "format": FORMAT,
            "version": 1,
            "id": own_id,
            "time": answered.asked_at.isoformat(timespec="milliseconds"),
            "call_type": call_type,
            **decision.to_json(),
            "status": answered.status,
            "tokens_in": answered.tokens_in,
            "tokens_out": answered.tokens_out,
            "conversation": facts.conversation,
            "end_user": facts.end_user,
            "segment": facts.segment,
            "team": facts.fields.get("team"),
            "key_alias": facts.fields.get("key_alias"),
            "request_id": own_id,
            "client_request_id": answered.client_request_id,
            **(needs_of(facts.whole) if isinstance(facts.whole, dict) else UNKNOWN)._asdict(),
        }
        if self._with_prompts:
            row["prompt"] = extract(facts.whole, decision.extraction_version)
        try:
            append_line(self._path, json.dumps(row).encode() + b"\n")
        except OSError as error:
            self.failures += 1
            log.error("a decision was not written to %s: %s", self._path, reason_of(error))
