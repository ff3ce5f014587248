"""A decision as what a proxy takes: the config string, and documents that say where it is from."""

from routectl.export.config_string import config_string
from routectl.export.decision import Decision
from routectl.export.documents import document
from routectl.export.files import write_atomically

__all__ = ["Decision", "config_string", "document", "write_atomically"]
