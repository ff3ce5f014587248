"""A report as one self-contained HTML file: what is on it is in words, and laid out here.

The file asks nothing of anybody: its style, its script and its data are in it, and its own content
security policy forbids every request. Nothing that a text holds is read as markup.
"""

from routectl.report.page.content import Chart, Curve, Figure, Page, Part, Section, Table
from routectl.report.page.rendering import is_page, render

__all__ = ["Chart", "Curve", "Figure", "Page", "Part", "Section", "Table", "is_page", "render"]
