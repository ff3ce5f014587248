"""How `routectl serve` takes requests and passes them on."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from routectl.errors import UsageError

TOKEN, UPSTREAM_KEY = "ROUTECTL_TOKEN", "ROUTECTL_UPSTREAM_KEY"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How requests are taken and passed on."""

    upstream: str | None
    """Address of an OpenAI-compatible endpoint, without a slash at its end; None: only decide."""
    deadline: float | None
    """Seconds to wait for a score; None is three times what a long prompt takes."""
    max_body: int
    """Bytes."""
    max_concurrent: int
    segment_header: str | None
    """In which the gateway before this server names a request's segment; None: nobody names one."""
    token: str | None = field(repr=False)
    """What clients send as a bearer token; None takes all of them."""
    upstream_key: str | None = field(repr=False)

    @classmethod
    def from_environment(
        cls,
        *,
        upstream: str | None,
        deadline: float | None,
        max_body: int,
        max_concurrent: int,
        segment_header: str | None,
    ) -> Settings:
        """Settings with the secrets that the environment holds.

        Raises:
            UsageError: the upstream's address is none, or holds a password.
        """
        return cls(
            upstream=None if upstream is None else _address(upstream),
            deadline=deadline,
            max_body=max_body,
            max_concurrent=max_concurrent,
            segment_header=segment_header,
            token=os.environ.get(TOKEN) or None,
            upstream_key=os.environ.get(UPSTREAM_KEY) or None,
        )


def _address(text: str) -> str:
    try:
        parts = urlsplit(text)
        port_is_good = parts.port != 0
    except ValueError:
        port_is_good = False
    # The address is not repeated: what precedes an @ may be a key.
    if not port_is_good or parts.scheme not in ("http", "https") or not parts.hostname:
        raise UsageError("--upstream takes an address such as https://HOST/v1")
    if "@" in parts.netloc or parts.query or parts.fragment:
        raise UsageError(f"--upstream takes an address alone: the key goes into {UPSTREAM_KEY}")
    return text.rstrip("/")
