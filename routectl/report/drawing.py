"""What all pictures share: the style, the colours, the words around them, and the files.

Nothing here touches matplotlib's global state for longer than a picture takes: figures are made
without pyplot, so there is no window and nothing to close.
"""

from __future__ import annotations

import io
import textwrap
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from routectl.errors import UsageError
from routectl.escaping import visible
from routectl.evaluation.benchmark import JudgedPair
from routectl.output import Output

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.container import Container
    from matplotlib.figure import Figure

    Shown = Artist | Container

FORMATS = ("png", "svg")
WIDTH = 7.2
"""Of a whole picture, in inches."""

BLUE, VERMILION, GREEN, PURPLE = "#0072B2", "#D55E00", "#009E73", "#CC79A7"
ORANGE, SKY = "#E69F00", "#56B4E9"
GREY = "#595959"
COLOURS = (BLUE, VERMILION, GREEN, PURPLE, ORANGE, SKY)
"""Okabe and Ito's, which any eye tells apart, without the yellow, which white paper swallows."""

_STYLE = {
    "axes.axisbelow": True,
    "axes.formatter.useoffset": False,
    "axes.grid": True,
    "axes.labelsize": 9.5,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlelocation": "left",
    "axes.titlesize": 9.5,
    "figure.dpi": 150,
    "font.size": 9,
    "grid.color": "0.9",
    "hatch.linewidth": 0.6,
    "legend.fontsize": 8.5,
    "legend.frameon": False,
    "legend.title_fontsize": 8,
    "lines.linewidth": 1.6,
    # Texts stay texts: they can be searched, copied and read aloud.
    "svg.fonttype": "none",
    # Without a salt, the ids in an SVG are drawn at random.
    "svg.hashsalt": "routectl",
}
_METADATA: dict[str, dict[str, str | None]] = {
    "png": {"Software": "routectl"},
    "svg": {"Date": None, "Creator": "routectl"},
}
_PNG_END = b"\0\0\0\0IEND\xaeB`\x82"
_HEAD_BYTES = 4096
"""Of a picture, which say what drew it."""
_CHARACTERS_PER_INCH = 13.5
"""Of small text: what a line of it holds."""


@dataclass(frozen=True, slots=True)
class Heading:
    """What a picture is about."""

    benchmark: str
    strong: str
    weak: str
    prompts: int
    requests: float | None = None
    """How many requests the prompts stand for; None where each stands for itself."""

    @classmethod
    def of(cls, judged: JudgedPair) -> Heading:
        """The heading of all pictures of one evaluation."""
        requests = None if judged.weights is None else float(judged.weights.sum())
        return cls(judged.benchmark, judged.pair.strong, judged.pair.weak, len(judged), requests)

    @property
    def unit(self) -> str:
        """What shares are shares of."""
        return "prompts" if self.requests is None else "requests"

    def text(self, what: str) -> str:
        """Two lines or more: benchmark, what is shown, and of how many prompts; the pair."""
        rows = f"n = {self.prompts:,} prompts"
        if self.requests is not None:
            rows += f" that stand for {self.requests:,.0f} requests"
        pair = f"{visible(self.strong)} (strong) / {visible(self.weak)} (weak)"
        return wrapped(f"{visible(self.benchmark)}: {what}, {rows}\n{pair}", 0.9 * WIDTH)


@contextmanager
def style() -> Iterator[None]:
    """The style of all pictures, whatever the user's own settings of matplotlib are.

    Raises:
        UsageError: matplotlib is not installed.
    """
    try:
        from matplotlib.style import context
    except ImportError:
        raise UsageError(
            "plots take the package matplotlib: run `pip install 'routectl[plots]'`"
        ) from None
    with context(["default", _STYLE]):
        yield


def check_suffix(suffix: str) -> None:
    """Raises UsageError if pictures are not written in this format ("png", "svg")."""
    if suffix.lower() not in FORMATS:
        asked = repr(suffix) if suffix else "a file without a suffix"
        raise UsageError(f"plots are written as {' or '.join(FORMATS)}, not as {asked}")


def is_plot(content: bytes) -> bool:
    """Whether a file is a figure that `save` wrote, by how it begins and ends."""
    is_png = content.startswith(b"\x89PNG\r\n\x1a\n") and content.endswith(_PNG_END)
    is_svg = content.startswith(b"<?xml") and content.endswith(b"</svg>\n")
    head = content[:_HEAD_BYTES]
    return (is_png and b"Software\0routectl" in head) or (is_svg and b">routectl<" in head)


def save(figure: Figure, output: Output) -> None:
    """Write a figure as what the path's suffix says, PNG or SVG. Equal figures are equal files.

    Raises:
        UsageError: another suffix, or none, or a path that must not be written.
        InputError: the file cannot be written.
    """
    suffix = output.path.suffix.removeprefix(".").lower()
    check_suffix(suffix)
    buffer = io.BytesIO()
    with style(), warnings.catch_warnings():
        # A name in a script that the font lacks shows as boxes in a PNG, and whole in an SVG.
        warnings.filterwarnings("ignore", message="Glyph .* missing")
        figure.savefig(buffer, format=suffix, metadata=_METADATA[suffix])
    output.write(buffer.getvalue())


def plain(text: str) -> str:
    """A line of text that matplotlib does not read as mathematics, and that an SVG may hold."""
    return visible(text).replace("$", r"\$")


def percent(share: float) -> str:
    """A share in [0, 1] as a percentage with one decimal; more where it would read 0 or 100."""
    text = f"{100 * share:.1f} %"
    if text == "0.0 %" and share > 0:
        return "< 0.1 %"
    return "> 99.9 %" if text == "100.0 %" and share < 1 else text


def number(value: float) -> str:
    """A quality or a cost, with as many decimals as its size wants."""
    size = abs(value)
    if 0 < size < 0.01:
        return f"{value:.2g}"
    return f"{value:,.{3 if size < 10 else 2 if size < 100 else 1}f}"


def wrapped(text: str, width: float) -> str:
    """Text in lines that fit into so many inches, a word that is longer broken up."""
    most = int(width * _CHARACTERS_PER_INCH)
    lines = [line for paragraph in text.split("\n") for line in textwrap.wrap(paragraph, most)]
    return "\n".join(map(plain, lines))


def panels_per_row(count: int) -> int:
    """How many of so many panels go into a row: three at most, four in a square."""
    return 2 if count == 4 else min(count, 3)


def new_figure(height: float) -> Figure:
    """An empty figure that makes room for what is drawn in and around its axes.

    Args:
        height: of the axes with their labels, in inches; titles and legends add theirs.
    """
    from matplotlib.figure import Figure

    return Figure(figsize=(WIDTH, height), layout="constrained")


def title(figure: Figure, text: str) -> None:
    """A title, from the left edge."""
    figure.suptitle(text, x=0.01, ha="left", fontsize=10.5)
    _grow(figure, text.count("\n") + 1)


def legend_below(
    figure: Figure, left: Sequence[Shown], right: Sequence[Shown], note: Sequence[str] = ()
) -> None:
    """A legend under the axes, where it hides nothing; of two columns where they fit.

    Args:
        left, right: what each column explains, by its label.
        note: lines above it, of what else must be said.
    """
    from matplotlib.lines import Line2D

    columns = [[str(handle.get_label()) for handle in column] for column in (left, right)]
    longest = sum(max(map(len, column), default=0) for column in columns)
    shown: list[Shown] = [*left, *right]
    two = longest <= (WIDTH - 1.2) * _CHARACTERS_PER_INCH
    if two:
        rows = max(len(left), len(right))
        # matplotlib fills the columns one after the other, each with half of the entries.
        blanks = [Line2D([], [], linestyle="none", label=" ") for _ in range(rows)]
        shown = [*left, *blanks[len(left) :], *right, *blanks[len(right) :]]
    labels = [wrapped(str(handle.get_label()), WIDTH - 0.7) or " " for handle in shown]
    figure.legend(
        cast("list[Artist]", shown),  # matplotlib takes containers, too; its types forgot them
        labels,
        title="\n".join(wrapped(line, WIDTH) for line in note),
        loc="outside lower left",
        alignment="left",
        ncols=2 if two else 1,
        handlelength=3.4,
    )
    lines = sum(label.count("\n") + 1 for label in labels)
    _grow(figure, len(note) + (lines / 2 if two else lines))


def _grow(figure: Figure, lines: float) -> None:
    """By so many lines of text."""
    figure.set_figheight(figure.get_figheight() + 0.185 * lines + 0.1)
