"""Readers of log formats, filters, and sampling.

One reader is one module of this package and one line in the registry of `formats`.
"""

from routectl.traffic.counts import ImportCounts
from routectl.traffic.filters import matches, parse_condition, parse_deadline, parse_time
from routectl.traffic.finding import find_sources
from routectl.traffic.formats import FORMATS, advice_of, read, sniff
from routectl.traffic.paths import NAME as MAPPED
from routectl.traffic.paths import Paths
from routectl.traffic.sampling import SAMPLE_KEY, sample, take
from routectl.traffic.source import Source, open_source, shown, source_of

__all__ = [
    "FORMATS",
    "MAPPED",
    "SAMPLE_KEY",
    "ImportCounts",
    "Paths",
    "Source",
    "advice_of",
    "find_sources",
    "matches",
    "open_source",
    "parse_condition",
    "parse_deadline",
    "parse_time",
    "read",
    "sample",
    "shown",
    "sniff",
    "source_of",
    "take",
]
