"""Text that every database can hold. Used by all versions of the extraction."""

from __future__ import annotations


def clean(text: str) -> str:
    """Return `text` as UTF-8 and PostgreSQL can hold it: U+FFFD for lone surrogates and NUL."""
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:
            text = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text.replace("\0", "\N{REPLACEMENT CHARACTER}")
