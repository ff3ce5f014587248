"""The tokens that an upstream's answer says it took, read while the answer is passed on."""

from __future__ import annotations

import json
from typing import Any

_LONGEST = 4 * 2**20
"""Bytes of an answer, or of an event, that are looked at."""
_IN, _OUT = ("prompt_tokens", "input_tokens"), ("completion_tokens", "output_tokens")
_CACHED = ("cache_read_input_tokens", "cache_creation_input_tokens")
"""What Anthropic counts apart from `input_tokens`."""


class Usage:
    """Tokens in and out; None where the answer does not say."""

    def __init__(self, *, is_stream: bool) -> None:
        self.tokens_in: int | None = None
        self.tokens_out: int | None = None
        self._is_stream = is_stream
        self._held = bytearray()
        self._passes_over = False

    def feed(self, part: bytes) -> None:
        """Look at the next bytes of the answer."""
        if not self._is_stream:
            if len(self._held) <= _LONGEST:
                self._held += part
            return
        *lines, rest = part.split(b"\n")
        for line in lines:
            if not self._passes_over:
                self._event(bytes(self._held) + line)
            self._held.clear()
            self._passes_over = False
        self._held += rest
        if len(self._held) > _LONGEST:
            self._held.clear()
            self._passes_over = True

    def end(self) -> None:
        """The answer is over."""
        if self._is_stream:
            self._event(bytes(self._held))
        elif len(self._held) <= _LONGEST:
            self._take(bytes(self._held))

    def _event(self, line: bytes) -> None:
        if line.startswith(b"data:") and b'"usage"' in line:
            self._take(line.removeprefix(b"data:"))

    def _take(self, text: bytes) -> None:
        try:
            value = json.loads(text)
        except (ValueError, RecursionError):
            return
        if not isinstance(value, dict):
            return
        # Events of Responses hold the answer, those of Messages its beginning.
        for holder in (value, value.get("response"), value.get("message")):
            usage = holder.get("usage") if isinstance(holder, dict) else None
            if isinstance(usage, dict):
                self._count(usage)

    def _count(self, usage: dict[str, Any]) -> None:
        counts = {key: n for key, n in usage.items() if type(n) is int and n >= 0}
        tokens_in = next((counts[key] for key in _IN if key in counts), None)
        tokens_out = next((counts[key] for key in _OUT if key in counts), None)
        if tokens_in is not None:
            self.tokens_in = tokens_in + sum(counts.get(key, 0) for key in _CACHED)
        if tokens_out is not None:
            self.tokens_out = tokens_out
