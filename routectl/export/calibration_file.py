"""A calibration as a file that can be reviewed, and checked on another machine.

It holds the JSON that `routectl show --json` prints and its digest: no prompt is in it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from routectl.errors import InputError

FILE_VERSION = 1
"""Of the file; a reader refuses newer ones."""

_KEY = "routectl_calibration"


@dataclass(frozen=True, slots=True)
class CalibrationFile:
    """What a file holds."""

    calibration: Mapping[str, Any]
    """As `routectl show --json` printed it."""
    digest: str
    """That the file states."""

    @property
    def is_whole(self) -> bool:
        """The digest is that of the content."""
        return self.digest == _digest(self.calibration)


def calibration_document(calibration: Mapping[str, Any]) -> str:
    """The file of a calibration, ending in a newline.

    Args:
        calibration: plain JSON values.
    """
    document = {
        _KEY: FILE_VERSION,
        "digest": _digest(calibration),
        "calibration": dict(calibration),
    }
    return json.dumps(document, indent=2) + "\n"


def read_calibration_document(data: bytes) -> CalibrationFile:
    """What `calibration_document` wrote, whole or not.

    Raises:
        InputError: it is something else, or of a newer version.
    """
    try:
        document = json.loads(data)
    except (ValueError, RecursionError):
        document = None
    version = document.get(_KEY) if isinstance(document, dict) else None
    if not isinstance(document, dict) or type(version) is not int or version < 1:
        raise InputError(
            "it is no file of a calibration: `routectl show c12 --output FILE` writes one"
        )
    if version > FILE_VERSION:
        raise InputError(
            f"it is a file of version {version}, and this routectl reads up to {FILE_VERSION}: "
            "install a newer routectl"
        )
    calibration, digest = document.get("calibration"), document.get("digest")
    if not isinstance(calibration, dict) or not isinstance(digest, str):
        raise InputError("it is a file of a calibration without the calibration or its digest")
    return CalibrationFile(calibration, digest)


def is_calibration_document(content: bytes) -> bool:
    """Whether all of a file was written as `calibration_document`, and is as it was written."""
    try:
        file = read_calibration_document(content)
    except InputError:
        return False
    return calibration_document(file.calibration).encode() == content


def _digest(calibration: Mapping[str, Any]) -> str:
    """SHA-256 of the values, however the file is laid out and its keys are ordered."""
    text = json.dumps(calibration, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
