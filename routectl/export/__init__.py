"""A policy as what a proxy takes: documents that say where it is from, written whole."""

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
    "Exported",
    "document",
    "is_exported",
    "is_litellm_fragment",
    "is_routes_document",
    "litellm_config",
    "litellm_fragment",
    "read_routes",
    "routes_document",
]
