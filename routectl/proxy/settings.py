"""How `routectl serve` takes requests and passes them on."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from routectl.errors import UsageError
from routectl.policy import SEGMENT_FIELDS

TOKEN, UPSTREAM_KEY = "ROUTECTL_TOKEN", "ROUTECTL_UPSTREAM_KEY"


@dataclass(frozen=True, slots=True)
class Upstream:
    """An OpenAI-compatible endpoint."""

    address: str
    """Without a slash at its end."""
    key: str | None = field(repr=False)


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
    token: str | None = field(repr=False)
    """What clients send as a bearer token; None takes all of them."""
    upstream_key: str | None = field(repr=False)
    upstreams: Mapping[str, Upstream] = field(default_factory=dict)
    """Model -> an endpoint of its own."""
    log: Path | None = None
    """Where decisions are noted."""
    log_prompts: bool = False
    allow_client_threshold: str | None = None
    """The route that decides a request whose model name has a threshold of the client's own."""
    segment_headers: Mapping[str, str] = field(default_factory=dict)
    """Field of `policy.SEGMENT_FIELDS` -> header in which the gateway before this server names its
    value."""

    @classmethod
    def from_environment(
        cls,
        *,
        upstreams: Sequence[str],
        deadline: float | None,
        max_body: int,
        max_concurrent: int,
        log: Path | None = None,
        log_prompts: bool = False,
        allow_client_threshold: str | None = None,
        segment_headers: Sequence[str] = (),
    ) -> Settings:
        """Settings with the secrets that the environment holds.

        Args:
            upstreams: URL, of all models; or MODEL=URL, of one.

        Raises:
            UsageError: an address is none, holds a password, or is given twice; a secret is none
                that a header can hold, or would be told to two providers.
        """
        if log_prompts and log is None:
            raise UsageError("--log-prompts says what --log holds: name its file, too")
        addresses: dict[str | None, str] = {}
        for text in upstreams:
            model, url = _parted(text)
            if model in addresses:
                raise UsageError(
                    "--upstream is given twice "
                    + ("for all models" if model is None else f"for {model}")
                )
            addresses[model] = _address(url)
        general = addresses.pop(None, None)
        key = _secret(UPSTREAM_KEY)
        _require_own_keys(addresses)
        own = {
            model: Upstream(address, _key_of(model, address, general, key))
            for model, address in addresses.items()
            if model is not None
        }
        return cls(
            upstream=general,
            upstreams=own,
            deadline=deadline,
            max_body=max_body,
            max_concurrent=max_concurrent,
            token=_secret(TOKEN),
            upstream_key=key,
            log=log,
            log_prompts=log_prompts,
            allow_client_threshold=allow_client_threshold,
            segment_headers=_headers(segment_headers),
        )

    def upstream_of(self, model: str | None) -> Upstream | None:
        """The endpoint that has a model, if there is one."""
        if model is not None and model in self.upstreams:
            return self.upstreams[model]
        return None if self.upstream is None else Upstream(self.upstream, self.upstream_key)

    @property
    def passes_on(self) -> bool:
        """Whether there is any endpoint."""
        return self.upstream is not None or bool(self.upstreams)


def _headers(texts: Sequence[str]) -> dict[str, str]:
    headers: dict[str, str] = {}
    for text in texts:
        field_name, _, header = text.partition("=")
        if field_name not in SEGMENT_FIELDS or not _HEADER.fullmatch(header):
            raise UsageError(
                "--segment-header takes FIELD=HEADER, such as team=X-Team; the fields are "
                f"{', '.join(SEGMENT_FIELDS)}"
            )
        if field_name in headers:
            raise UsageError(f"--segment-header names two headers for {field_name}")
        headers[field_name] = header
    return headers


_HEADER = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")


def own_key(model: str) -> str:
    """The variable that holds the key of a model's own endpoint."""
    return f"{UPSTREAM_KEY}_{re.sub('[^A-Z0-9]+', '_', model.upper())}"


def _secret(name: str) -> str | None:
    """What a variable holds, without the line end that a file leaves; None for nothing."""
    secret = os.environ.get(name, "").strip()
    if not secret.isascii() or not secret.isprintable():
        raise UsageError(f"{name} holds characters that no header can have: set it anew")
    return secret or None


def _require_own_keys(addresses: Mapping[str | None, str]) -> None:
    """Refuse models at different providers whose key is in one variable."""
    holders: dict[str, tuple[str, str]] = {}
    for model, address in addresses.items():
        if model is None or _secret(own_key(model)) is None:
            continue
        first, its = holders.setdefault(own_key(model), (model, address))
        if _origin(its) != _origin(address):
            raise UsageError(
                f"{own_key(model)} is the key of both {first} and {model}, which have different "
                "hosts: give one of the models another name"
            )


def _key_of(model: str, address: str, general: str | None, key: str | None) -> str | None:
    own = _secret(own_key(model))
    if own is not None:
        return own
    # One provider's key is not told to another one.
    return key if general is not None and _origin(address) == _origin(general) else None


def _origin(address: str) -> tuple[str, str]:
    parts = urlsplit(address)
    return parts.scheme, parts.netloc.lower()


def _parted(text: str) -> tuple[str | None, str]:
    model, equals, url = text.partition("=http")
    if equals and model and not re.match("https?:", model):
        return model, f"http{url}"
    return None, text


def _address(text: str) -> str:
    try:
        parts = urlsplit(text)
        port_is_good = parts.port != 0
    except ValueError:
        port_is_good = False
    # The address is not repeated: what precedes an @ may be a key.
    if not port_is_good or parts.scheme not in ("http", "https") or not parts.hostname:
        raise UsageError(
            "--upstream takes an address such as https://HOST/v1, or MODEL=https://HOST/v1"
        )
    if "@" in parts.netloc or parts.query or parts.fragment:
        raise UsageError(f"--upstream takes an address alone: the key goes into {UPSTREAM_KEY}")
    return text.rstrip("/")
