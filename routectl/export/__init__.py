"""A policy as what a proxy takes: documents that say where it is from, written whole."""

from routectl.export.documents import Exported, document, is_exported

__all__ = ["Exported", "document", "is_exported"]
