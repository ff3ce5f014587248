"""The plots of one evaluation, as files."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from routectl.errors import InputError
from routectl.evaluation.benchmark import JudgedPair
from routectl.report.drawing import Heading, check_suffix, save, style
from routectl.report.lines import Threshold
from routectl.report.quality_cost import draw_quality_costs, quality_costs
from routectl.report.quality_curve import draw_quality_curves, quality_curves
from routectl.report.reliability import draw_reliabilities, reliabilities
from routectl.report.score_histogram import draw_score_histograms, score_histograms

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def draw_evaluation(
    judged: JudgedPair,
    scores: Mapping[str, NDArray[np.float64]],
    folder: Path,
    *,
    baselines: Mapping[str, NDArray[np.float64]] | None = None,
    thresholds: Mapping[str, tuple[str, float]] | None = None,
    formats: Sequence[str] = ("png",),
    draws: int = 1000,
    seed: int = 0,
    confidence: float = 0.95,
) -> list[Path]:
    """Write `<benchmark>-quality`, `-cost`, `-scores` and `-reliability` into a folder.

    The plot of costs is left out where the benchmark has none. Files of these names are replaced.

    Args:
        judged: n rows. Of their prompts nothing is drawn.
        scores: strong win rates by router, at least one, shape (n,).
        folder: made if it is not there.
        baselines: scores that only serve to compare, such as those of length, by name; random and
            the oracle are there anyway.
        thresholds: by router, the config string and the threshold in it.
        formats: "png", "svg".
        draws, seed, confidence: of the bootstrap.

    Returns:
        The files, plot by plot.

    Raises:
        UsageError: another format, or matplotlib is not installed.
        CalibrationError: scores that are no strong win rates.
        InputError: as `quality_curves`; or a file cannot be written.
    """
    for suffix in formats:
        check_suffix(suffix)
    with style():
        pass  # Says that matplotlib is missing before a minute of draws.
    operated = {
        name: Threshold(config, value) for name, (config, value) in (thresholds or {}).items()
    }
    heading = Heading.of(judged)
    figures: dict[str, Figure] = {
        "quality": draw_quality_curves(
            quality_curves(
                judged,
                scores,
                baselines=baselines,
                thresholds=operated,
                draws=draws,
                seed=seed,
                confidence=confidence,
            ),
            heading,
        )
    }
    if judged.strong_cost is not None:
        costs = quality_costs(judged, scores, baselines=baselines, thresholds=operated)
        figures["cost"] = draw_quality_costs(costs, heading)
    figures["scores"] = draw_score_histograms(score_histograms(judged, scores, operated), heading)
    figures["reliability"] = draw_reliabilities(
        reliabilities(judged, scores, confidence=confidence), heading
    )
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"cannot make the folder {folder}: {error.strerror}") from None
    paths = []
    for name, figure in figures.items():
        for suffix in formats:
            path = folder / f"{_file_name(judged.benchmark)}-{name}.{suffix}"
            save(figure, path)
            paths.append(path)
    return paths


def _file_name(benchmark: str) -> str:
    """A benchmark's name without what a file's name must not hold."""
    return re.sub(r"[^\w.-]+", "-", benchmark).strip(".-") or "benchmark"
