"""Who runs a command."""

from __future__ import annotations

import getpass
import os
import socket


def actor() -> str:
    """ROUTECTL_ACTOR where set (a CI job, say), else user@host."""
    named = os.environ.get("ROUTECTL_ACTOR", "").strip()
    if named:
        return named
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a container's user id without a name
        user = str(os.getuid())
    return f"{user}@{socket.gethostname()}"
