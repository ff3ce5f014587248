"""A policy as what a proxy takes: documents that say where it is from, written whole."""

from routectl.export.calibration_file import (
    CalibrationFile,
    calibration_document,
    is_calibration_document,
    read_calibration_document,
)
from routectl.export.documents import Exported, document, is_exported
from routectl.export.litellm import (
    CALLBACK,
    STRONG_TIER,
    WEAK_TIER,
    is_litellm_fragment,
    litellm_config,
    litellm_fragment,
)
from routectl.export.routes import ActiveRoute, is_routes_document, read_routes, routes_document

__all__ = [
    "CALLBACK",
    "STRONG_TIER",
    "WEAK_TIER",
    "ActiveRoute",
    "CalibrationFile",
    "Exported",
    "calibration_document",
    "document",
    "is_calibration_document",
    "is_exported",
    "is_litellm_fragment",
    "is_routes_document",
    "litellm_config",
    "litellm_fragment",
    "read_calibration_document",
    "read_routes",
    "routes_document",
]
