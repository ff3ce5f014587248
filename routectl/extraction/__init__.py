"""A chat request -> the text that a router scores.

The proxy and the calibrator call this one function, so that they decide alike. What a version
returns for a body never changes: stored requests carry the version that they were read with, a
policy decides with its own, and scores of two versions never mix. Every released version stays.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from routectl.extraction import version_1, version_2
from routectl.extraction.texts import clean
from routectl.extraction.version_2 import BODY_KEYS, holds_turns

__all__ = [
    "BODY_KEYS",
    "EXTRACTION_VERSION",
    "FIRST_TEXT",
    "VERSIONS",
    "clean",
    "extract",
    "holds_turns",
]

EXTRACTION_VERSION = 2
"""Of what is imported and calibrated now."""

VERSIONS: Mapping[int, Callable[[object], str | None]] = {
    1: version_1.extract,
    2: version_2.extract,
}

FIRST_TEXT: Mapping[int, Callable[[object], str | None]] = {2: version_2.extract_first}
"""Of the versions that can: what reads the first human text of a conversation."""


def extract(body: object, version: int = EXTRACTION_VERSION, *, first: bool = False) -> str | None:
    """Return the last human text of a request's conversation.

    Args:
        body: A request body, its conversation alone, or any other JSON value.
        version: One of `VERSIONS`; each module says what its version reads.
        first: Return the first human text instead; of a version in `FIRST_TEXT`.

    Returns:
        The text, or None where there is no human text. Never empty, never only whitespace; it
        encodes to UTF-8 and has no NUL. Never raises on a JSON value, however malformed.

    Raises:
        ValueError: There is no such version.
    """
    readers = FIRST_TEXT if first else VERSIONS
    read = readers.get(version)
    if read is None:
        versions = ", ".join(map(str, readers))
        raise ValueError(f"There is no extraction version {version}; there are {versions}.")
    return read(body)
