"""A policy as what a proxy takes: documents that say where it is from, written whole."""

from routectl.export.documents import Exported, document
from routectl.export.files import write_atomically

__all__ = ["Exported", "document", "write_atomically"]
