"""The plots of one evaluation, as files."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from routectl.errors import InputError, reason_of
from routectl.evaluation.benchmark import JudgedPair
from routectl.output import PUBLIC, Output, check_folder, make_folder
from routectl.report.drawing import Heading, check_suffix, is_plot, save, style
from routectl.report.lines import Threshold
from routectl.report.quality_cost import draw_quality_costs, quality_costs
from routectl.report.quality_curve import draw_quality_curves, quality_curves
from routectl.report.reliability import draw_reliabilities, reliabilities
from routectl.report.score_histogram import draw_score_histograms, score_histograms

if TYPE_CHECKING:
    from matplotlib.figure import Figure


PLOTS = ("quality", "cost", "scores", "reliability")


def plot_outputs(
    benchmark: str,
    folder: Path,
    formats: Sequence[str] = ("png",),
    *,
    inputs: Sequence[Path] = (),
    force: bool = False,
) -> dict[tuple[str, str], Output]:
    """The files that an evaluation's plots will be, by plot and format, checked.

    Raises:
        UsageError: another format, or one must not be written, see `routectl.output`.
    """
    check_folder(folder, "--plots")
    outputs = {}
    for suffix in formats:
        check_suffix(suffix)
        for name in PLOTS:
            path = folder / f"{_file_name(benchmark)}-{name}.{suffix}"
            outputs[name, suffix] = Output(
                path=path, option="plot", inputs=inputs, is_ours=is_plot, force=force, mode=PUBLIC
            )
            if path.exists() or path.is_symlink():
                outputs[name, suffix].check()
    return outputs


def draw_evaluation(
    judged: JudgedPair,
    scores: Mapping[str, NDArray[np.float64]],
    outputs: Mapping[tuple[str, str], Output],
    *,
    baselines: Mapping[str, NDArray[np.float64]] | None = None,
    thresholds: Mapping[str, tuple[str, float]] | None = None,
    draws: int = 1000,
    seed: int = 0,
    confidence: float = 0.95,
) -> list[Path]:
    """Write `<benchmark>-quality`, `-cost`, `-scores` and `-reliability` into a folder.

    The plot of costs is left out where the benchmark has none.

    Args:
        judged: n rows. Of their prompts nothing is drawn.
        scores: strong win rates by router, at least one, shape (n,).
        outputs: from `plot_outputs`; their folder is made if it is not there.
        baselines: scores that only serve to compare, such as those of length, by name; random and
            the oracle are there anyway.
        thresholds: by router, the config string and the threshold in it.
        draws, seed, confidence: of the bootstrap.

    Returns:
        The files, plot by plot.

    Raises:
        UsageError: a file must not be written, or matplotlib is not installed.
        CalibrationError: scores that are no strong win rates.
        InputError: as `quality_curves`; or a file cannot be written.
    """
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
    wanted = {key: output for key, output in outputs.items() if key[0] in figures}
    for folder in {output.path.parent for output in wanted.values()}:
        try:
            make_folder(folder)
        except OSError as error:
            raise InputError(f"cannot make the folder {folder}: {reason_of(error)}") from None
    paths = []
    for name, figure in figures.items():
        for (plot, _), output in wanted.items():
            if plot == name:
                save(figure, output)
                paths.append(output.path)
    return paths


def _file_name(benchmark: str) -> str:
    """A benchmark's name without what a file's name must not hold."""
    return re.sub(r"[^\w.-]+", "-", benchmark).strip(".-") or "benchmark"
