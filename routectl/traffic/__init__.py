"""Readers of log formats, filters, and sampling.

One reader is one module beside its siblings and one line in the registry of `formats`.
"""

from routectl.traffic.counts import ImportCounts
from routectl.traffic.filters import matches, parse_condition, parse_time
from routectl.traffic.finding import find_sources
from routectl.traffic.formats import FORMATS, read, sniff
from routectl.traffic.sampling import SAMPLE_KEY, sample, take
from routectl.traffic.source import Source, open_source

__all__ = [
    "FORMATS",
    "SAMPLE_KEY",
    "ImportCounts",
    "Source",
    "find_sources",
    "matches",
    "open_source",
    "parse_condition",
    "parse_time",
    "read",
    "sample",
    "sniff",
    "take",
]
