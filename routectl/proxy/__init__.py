"""Deciding requests as they come: what a gateway runs. It reads routes.json and no database.

Importing this package loads neither torch nor SQLAlchemy.
"""

from routectl.proxy.decider import (
    Decider,
    Decision,
    RequestFacts,
    decide_at_once,
    deciding_text,
    decision_of,
)
from routectl.proxy.lines import LONGEST, body_of, decided_lines
from routectl.proxy.running import Running
from routectl.proxy.serving import serve
from routectl.proxy.settings import Settings

__all__ = [
    "LONGEST",
    "Decider",
    "Decision",
    "RequestFacts",
    "Running",
    "Settings",
    "body_of",
    "decide_at_once",
    "decided_lines",
    "deciding_text",
    "decision_of",
    "serve",
]
