"""Deciding requests as they come: what a gateway runs. It reads routes.json and no database.

Importing this package loads neither torch nor SQLAlchemy.
"""

from routectl.proxy.decider import Decider, Decision
from routectl.proxy.running import Running

__all__ = ["Decider", "Decision", "Running"]
