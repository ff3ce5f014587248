"""Whose a request is: the end user and the conversation that its body names."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import NamedTuple

_CLAUDE_CODE = re.compile(r"(user_[0-9a-f]+)_account_[0-9a-f-]*_session_([0-9a-f-]{8,})")

_LONGEST = 512
"""Characters of an id that are looked at."""


class Caller(NamedTuple):
    """Of one request; None where it does not say."""

    end_user: str | None = None
    conversation: str | None = None


def user_and_session(written: str | None) -> tuple[str | None, str | None]:
    """Return the end user and the session of a client's user id.

    Claude Code writes both into `metadata.user_id`: in one word up to its versions of 2025, in
    JSON since.
    """
    if written is None:
        return None, None
    if written.startswith("user_") and (parts := _CLAUDE_CODE.fullmatch(written)) is not None:
        return parts[1], parts[2]
    if written.startswith("{") and "session_id" in written:
        try:
            held = json.loads(written)
        except (ValueError, RecursionError):
            held = None
        if not isinstance(held, dict):
            held = {}
        user = _id(held.get("device_id")) or _id(held.get("account_uuid"))
        return user, _id(held.get("session_id"))
    return written, None


def caller_of(body: Mapping[str, object]) -> Caller:
    """Return whose a request is, by the fields that the APIs and their gateways have for it."""
    metadata = body.get("metadata")
    meta: Mapping[str, object] = metadata if isinstance(metadata, dict) else {}
    conversation = body.get("conversation")  # Responses: an id, or an object with one
    if isinstance(conversation, dict):
        conversation = conversation.get("id")
    sessions = (conversation, body.get("session_id"), meta.get("session_id"))
    written = _first(body.get("user"), meta.get("user_id"), body.get("safety_identifier"))
    user, session = user_and_session(written)
    return Caller(user, _first(*sessions) or session)


def _first(*values: object) -> str | None:
    return next((written for value in values if (written := _id(value)) is not None), None)


def _id(value: object) -> str | None:
    if isinstance(value, bool) or not isinstance(value, (str, int)):
        return None
    try:
        return str(value).strip()[:_LONGEST] or None
    except ValueError:  # an integer of more digits than Python writes
        return None
