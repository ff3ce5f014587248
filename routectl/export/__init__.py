"""A policy as what a proxy takes: documents that say where it is from, written whole."""

from routectl.export.documents import Exported, document, is_exported
from routectl.export.routes import ActiveRoute, is_routes_document, read_routes, routes_document

__all__ = [
    "ActiveRoute",
    "Exported",
    "document",
    "is_exported",
    "is_routes_document",
    "read_routes",
    "routes_document",
]
