"""Deciding requests as they come: what a gateway runs. It reads routes.json and no database.

Importing this package loads neither torch nor SQLAlchemy.
"""

from routectl.proxy.decider import Decider, Decision, RequestFacts
from routectl.proxy.lines import decided_lines
from routectl.proxy.running import Running
from routectl.proxy.serving import serve
from routectl.proxy.settings import Settings

__all__ = ["Decider", "Decision", "RequestFacts", "Running", "Settings", "decided_lines", "serve"]
