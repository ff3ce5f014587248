"""The training curve: the losses of each epoch, as numbers and as a picture."""

from __future__ import annotations

import io
from dataclasses import dataclass

from routectl.escaping import visible


@dataclass(frozen=True, slots=True)
class LossCurve:
    """Mean cross-entropies, in nats, after each epoch."""

    training: tuple[float, ...]
    held_out: tuple[float, ...]
    best_epoch: int
    """The epoch whose weights were kept; the first is 1."""
    baseline: float
    """Held-out loss of what knows nothing of the prompt."""


def curve_picture(curve: LossCurve, title: str) -> bytes | None:
    """The curve as a PNG; None where matplotlib, the extra `plots`, is not installed."""
    try:
        from matplotlib.figure import Figure
        from matplotlib.ticker import MaxNLocator
    except ImportError:
        return None

    figure = Figure(figsize=(6.4, 4.0), dpi=120, layout="constrained")
    axes = figure.add_subplot()
    epochs = range(1, len(curve.held_out) + 1)
    # Okabe and Ito's blue and vermilion: told apart by any eye, and by their dashes in grey.
    axes.plot(epochs, curve.training, color="#0072B2", marker="o", ms=3, ls="--", label="training")
    axes.plot(epochs, curve.held_out, color="#D55E00", marker="o", ms=3, label="held out")
    axes.axhline(curve.baseline, color="0.4", lw=1, ls=":", label="knowing no prompt, held out")
    axes.plot(
        [curve.best_epoch],
        [curve.held_out[curve.best_epoch - 1]],
        color="#D55E00",
        marker="s",
        ms=9,
        mfc="none",
        ls="none",
        label=f"kept: epoch {curve.best_epoch}",
    )
    axes.set_xlabel("epoch")
    axes.set_ylabel("cross-entropy, nats")
    axes.set_title(visible(title).replace("$", r"\$"))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid(color="0.9")
    axes.legend()
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", metadata={"Software": None})
    return buffer.getvalue()
