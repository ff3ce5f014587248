"""Training of the `mf` router: files of preference data in, a checkpoint out."""

from __future__ import annotations

import time
from dataclasses import asdict
from typing import TYPE_CHECKING

from routectl.embedding import DEFAULT, Embedder, open_embedder
from routectl.routers.checkpoint import require_free, write_checkpoint
from routectl.routers.embedded import embedder_config, probe_tensor
from routectl.routers.seen_prompts import seen_file
from routectl.routers.standardised import Standardisation
from routectl.routers.surface import Surface
from routectl.training.card import curve_files, embedder_line, model_card
from routectl.training.data import (
    TrainingData,
    embedder_noise,
    held_out_apgr,
    projected_noise,
    read_training_data,
)
from routectl.training.difficulty import DifficultySettings, fit_difficulty
from routectl.training.factorize import Fit, Settings, factorize
from routectl.training.partial import PartialRun
from routectl.training.report import Progress, TrainingReport, no_progress
from routectl.training.request import TrainingRequest, request_facts

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_INTRODUCTION = """
A checkpoint of routectl's `mf` router: matrix factorization, section 4.2.2 of RouteLLM
(arXiv 2406.18665). From a prompt alone it predicts how likely the strong model's answer would win
against the weak model's.
"""

_STANDARDISED = """;
  each number standardised over the prompts of the training"""

_BESIDE = """;
  beside it the length of the whole question, without lettered answers"""

_LIMITS = """
It orders prompts by one difficulty, the same for every pair of models; pairs differ in how far
their rates spread. How models differ on a whole kind of prompts is not in a rate.
"""


def train_mf(
    request: TrainingRequest,
    *,
    embedder: str | None = None,
    reads: str = "head",
    settings: Settings | DifficultySettings | None = None,
    question_length: bool = False,
    on_progress: Progress = no_progress,
) -> TrainingReport:
    """Train matrix factorization and write its checkpoint, whole or not at all.

    Prompts are held out whole, with all of their comparisons, so that the held-out loss is one on
    prompts never seen. The same files and seed give the same weights on the same machine. A run
    that is stopped keeps its vectors; the fit itself takes seconds and begins again.

    Args:
        embedder: as for `embedding.open_embedder`; None is the one that is installed.
        reads: what is read of a long prompt, one of `embedding.READS`.
        settings: which of the two fits, and how; None is `factorize` with its own settings.
        question_length: whether the length of a prompt's question stands beside its vector.

    Raises:
        InputError: a file cannot be read, or there is too little to learn from.
        RouterError: the default pair is not in the data.
        CheckpointError: the embedder cannot be loaded, or the output is not free.
        EmbeddingError: the embedder is remote and does not answer as it should.
    """
    from routectl.routers.mf import open_router

    started = time.monotonic()
    settings = settings or Settings()
    require_free(request.output)
    asked = {**asdict(settings), "question_length": question_length}
    facts = request_facts("mf", request, {**asked, "embedder": embedder, "reads": reads})
    with PartialRun(request.output, facts) as partial:
        model = open_embedder(embedder or DEFAULT, reads=reads)
        data = read_training_data(request, model, partial, on_progress)
        standardisation = (
            Standardisation.fit(data.vectors[data.used]) if model.anisotropic else None
        )
        surface = _surface(data) if question_length else None
        vectors = _features(data, standardisation, surface)
        fit = _fit(data, vectors, settings, request.seed, on_progress)
        report = TrainingReport.of(
            "mf",
            request,
            data,
            curve=fit.curve,
            metrics=_metrics(fit, data, vectors),
            seconds=time.monotonic() - started,
        )
        tensors = {
            "model_vectors": fit.model_vectors,
            "projection": fit.projection,
            "weights": fit.weights,
            **probe_tensor(model),
            **({} if standardisation is None else standardisation.tensors),
        }
        write_checkpoint(
            request.output,
            _config(request, data, model, fit, standardisation, surface),
            tensors,
            model_card(
                report,
                request,
                introduction=_INTRODUCTION,
                reads=embedder_line(model)
                + (_STANDARDISED if model.anisotropic else "")
                + (_BESIDE if question_length else ""),
                settings=asked,
                limits=_LIMITS if isinstance(settings, DifficultySettings) else None,
                early_stopping=isinstance(settings, Settings),
            ),
            {**curve_files(report), **seen_file(data.used_prompts)},
        )
        partial.remove()
    return report.with_fingerprint(open_router(request.output, None, None).identity.fingerprint)


def _surface(data: TrainingData) -> Surface:
    """Of the prompts in use: those that resemble a benchmark's have no say in the constants."""
    return Surface.fit([data.comparisons.prompts[index] for index in data.used])


def _features(
    data: TrainingData, standardisation: Standardisation | None, surface: Surface | None
) -> NDArray[np.float32]:
    import numpy as np

    vectors = data.vectors if standardisation is None else standardisation.of(data.vectors)
    if surface is None:
        return vectors
    return np.hstack([vectors, surface.of(data.comparisons.prompts).astype(np.float32)])


def _fit(
    data: TrainingData,
    vectors: NDArray[np.float32],
    settings: Settings | DifficultySettings,
    seed: int,
    on_progress: Progress,
) -> Fit:
    def on_step(done: int, most: int) -> None:
        on_progress("train", done, most)

    if isinstance(settings, DifficultySettings):
        return fit_difficulty(vectors, data.training, data.measured, settings, on_step)
    return factorize(vectors, data.training, data.measured, settings, seed, on_step)


def _config(
    request: TrainingRequest,
    data: TrainingData,
    model: Embedder,
    fit: Fit,
    standardisation: Standardisation | None,
    surface: Surface | None,
) -> dict[str, object]:
    import numpy as np

    prompts = data.comparisons.prompts
    of_embedding = fit.projection[:, : model.dimension].astype(np.float64)
    along: dict[str, object] = {}
    if standardisation is not None:
        noise = projected_noise(model, prompts, of_embedding / standardisation.spread)
        along = {"projected_noise": noise}
    return {
        "kind": "mf",
        "name": request.output.name,
        "licence": request.licence,
        "default_pair": {"strong": data.pair.strong, "weak": data.pair.weak},
        "dimension": len(fit.weights),
        "models": list(data.comparisons.models),
        "embedder": embedder_config(model, embedder_noise(model, prompts)),
        **along,
        **({} if surface is None else {"surface": surface.config}),
    }


def _metrics(fit: Fit, data: TrainingData, vectors: NDArray[np.float32]) -> dict[str, float]:
    from routectl.routers.mf import Factors, sigmoid

    factors = Factors(data.comparisons.models, fit.model_vectors, fit.projection, fit.weights)
    win_rates = sigmoid(vectors @ factors.direction(data.pair))
    return held_out_apgr(win_rates, data.measured, data.pair)
