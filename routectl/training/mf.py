"""Training of the `mf` router: files of preference data in, a checkpoint out."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

from routectl.embedding import DEFAULT, Embedder, open_embedder
from routectl.embedding.names import is_hidden
from routectl.errors import InputError, UsageError
from routectl.preferences.comparisons import Comparisons
from routectl.routers.embedded import embedder_config, probe_tensor
from routectl.routers.features import Features
from routectl.routers.kinds import Kinds
from routectl.training.data import (
    TrainingData,
    embedder_noise,
    held_out_apgr,
    plain_features,
    projected_noise,
    read_training_data,
)
from routectl.training.fits.difficulty import DifficultySettings, Fit, fit_difficulty
from routectl.training.output.card import (
    curve_files,
    embedder_limits,
    embedder_line,
    model_card,
    vector_lines,
)
from routectl.training.output.lineage import embedder_part, known_held_out, lineage_file
from routectl.training.output.partial import PartialRun
from routectl.training.output.report import TrainingReport
from routectl.training.progress import Progress, no_progress
from routectl.training.request import TrainingRequest
from routectl.training.run import Trained, run_training

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_INTRODUCTION = """
A checkpoint of routectl's `mf` router: matrix factorization, section 4.2.2 of RouteLLM
(arXiv 2406.18665). From a prompt alone it predicts how likely the strong model's answer would win
against the weak model's.
"""

_KINDS = """;
  features that let the direction differ near each of {count} clusters of prompts"""

_LIMITS_OF_KINDS = """
It orders prompts by one difficulty, the same for every pair of models, which has a direction of its
own near each cluster of prompts that it learned from; pairs differ in how far their rates spread.
How models differ on a whole cluster of prompts is not in a rate.
"""

_LIMITS = """
It orders prompts by one difficulty, the same for every pair of models; pairs differ in how far
their rates spread. How models differ on a whole task is not in a rate.
"""


def train_mf(
    request: TrainingRequest,
    *,
    embedder: str | None = None,
    settings: DifficultySettings | None = None,
    question_length: bool = False,
    kinds: int = 0,
    refit: bool = False,
    on_progress: Progress = no_progress,
) -> TrainingReport:
    """Train matrix factorization and write its checkpoint, whole or not at all.

    Prompts are held out whole, with all of their comparisons, so that the held-out loss is one on
    prompts never seen. The same files and seed give the same weights on the same machine. A run
    that is stopped keeps its vectors; the fit itself takes seconds and begins again.

    Args:
        embedder: as for `embedding.open_embedder`; None is the one that is installed.
        settings: how the fit is done.
        question_length: whether the length of a prompt's question is an extra feature.
        kinds: how many clusters of prompts have a direction of their own (`routers/kinds.py`); 0 is
            one direction for all.
        refit: whether the weights are those of a second fit, of all prompts, once the held-out
            loss of the first is measured.

    Raises:
        InputError: a file cannot be read, or there is too little to learn from.
        RouterError: the default pair is not in the data.
        CheckpointError: the embedder cannot be loaded, or the output is not free.
        EmbeddingError: the embedder is remote and does not answer as it should.
        UsageError: clusters are asked for, and the embedder has no sentence embedding.
    """
    started = time.monotonic()
    settings = settings or DifficultySettings()
    asked: dict[str, object] = {**asdict(settings), "question_length": question_length}
    if kinds:
        asked["kinds"] = kinds
    if refit:
        asked["refit"] = refit

    def learn(partial: PartialRun) -> Trained:
        model = open_embedder(embedder or DEFAULT)
        if kinds and not model.sentence_dimension:
            instead = f"write {model.name}+{DEFAULT}" if is_hidden(model.name) else "name another"
            raise UsageError(
                f"Clusters of prompts are found by a sentence embedding, and {model.name!r} has "
                f"none; {instead}."
            )
        data = read_training_data(request, model, partial, on_progress)
        features = _features(data, model, question_length, kinds, request.seed)
        vectors = features.of(data.vectors, data.comparisons.prompts)
        fit = _fit(data, vectors, settings, data.training, on_progress)
        report = TrainingReport.of(
            "mf",
            request,
            data,
            curve=fit.curve,
            metrics=_metrics(fit, data, vectors),
            seconds=time.monotonic() - started,
        )
        if refit:
            fit = _fit(data, vectors, settings, data.comparisons, on_progress)
        tensors = {
            "model_vectors": fit.model_vectors,
            "projection": fit.projection,
            "weights": fit.weights,
            **probe_tensor(model),
            **_tensors(features),
        }
        below = embedder_limits(model, known_held_out(data, [embedder_part(model.name)]))
        return Trained(
            config=_config(request, data, model, fit, features),
            tensors=tensors,
            card=model_card(
                report,
                request,
                introduction=_INTRODUCTION,
                reads=embedder_line(model)
                + vector_lines(features)
                + (_KINDS.format(count=kinds) if kinds else ""),
                settings=asked,
                limits=_limits(kinds, below),
                early_stopping=False,
                refitted=refit,
            ),
            files={
                **curve_files(report),
                **lineage_file(
                    data, [embedder_part(model.name)], learned=data.used if refit else None
                ),
            },
            report=report,
        )

    return run_training("mf", request, {**asked, "embedder": embedder}, learn)


def _features(
    data: TrainingData, model: Embedder, question_length: bool, kinds: int, seed: int
) -> Features:
    """Of the prompts in use: those that resemble a benchmark's have no say in the constants.

    Raises:
        InputError: there are fewer prompts than clusters are asked for.
    """
    features = plain_features(data, model, question_length)
    if not kinds:
        return features
    prompts, embeddings = data.used_prompts, data.vectors[data.used]
    if kinds > len(prompts):
        raise InputError(
            f"{kinds} clusters of prompts cannot be found among {len(prompts)} prompts; ask for "
            "fewer."
        )
    sentences = embeddings[:, -model.sentence_dimension :]
    vectors = features.vectors(embeddings, prompts)
    return replace(features, kinds=Kinds.fit(sentences, vectors, kinds, seed))


def _tensors(features: Features) -> dict[str, NDArray[Any]]:
    parts = (features.standardisation, features.kinds)
    return {name: tensor for part in parts if part for name, tensor in part.tensors.items()}


def _limits(kinds: int, below: str | None) -> str:
    of_fit = (_LIMITS_OF_KINDS if kinds else _LIMITS).strip("\n")
    return of_fit if below is None else f"{of_fit}\n\n{below}"


def _fit(
    data: TrainingData,
    vectors: NDArray[np.float32],
    settings: DifficultySettings,
    learned: Comparisons,
    on_progress: Progress,
) -> Fit:
    def on_step(done: int, most: int) -> None:
        on_progress("train", done, most)

    return fit_difficulty(vectors, learned, data.measured, settings, on_step)


def _config(
    request: TrainingRequest,
    data: TrainingData,
    model: Embedder,
    fit: Fit,
    features: Features,
) -> dict[str, object]:
    along: dict[str, object] = {}
    if features.standardisation is not None or features.kinds is not None:
        along = {"projected_noise": _projected_noise(data, model, fit, features)}
    prompts, length_feature, kinds = (
        data.comparisons.prompts,
        features.question_length,
        features.kinds,
    )
    return {
        "kind": "mf",
        "name": request.output.name,
        "licence": request.licence,
        "default_pair": {"strong": data.pair.strong, "weak": data.pair.weak},
        "dimension": len(fit.weights),
        "models": list(data.comparisons.models),
        "embedder": embedder_config(model, embedder_noise(model, prompts)),
        **along,
        **({} if length_feature is None else {"surface": length_feature.config}),
        **({} if kinds is None else {"kinds": kinds.config}),
    }


def _projected_noise(data: TrainingData, model: Embedder, fit: Fit, features: Features) -> float:
    """The noise of projected vectors, the features of the clusters included."""
    import numpy as np

    projection = fit.projection.astype(np.float64)
    of_embedding = projection[:, : model.dimension]
    if features.standardisation is not None:
        of_embedding = of_embedding / features.standardisation.spread
    steepest = float(np.linalg.norm(of_embedding, 2))
    kinds = features.kinds
    if kinds is None:
        return projected_noise(
            model,
            data.comparisons.prompts,
            lambda embedded, _: embedded @ of_embedding.T,
            steepest,
        )
    of_kinds = projection[:, -kinds.width :]
    if model.least_noise:
        embeddings = data.vectors[data.used]
        vectors = features.vectors(embeddings, data.used_prompts)
        steepest += kinds.steepest(embeddings, vectors, of_kinds[0])

    def project(embedded: NDArray[np.float32], texts: Sequence[str]) -> NDArray[np.floating]:
        cluster_features = kinds.of(embedded, features.vectors(embedded, texts))
        return embedded @ of_embedding.T + cluster_features @ of_kinds.T

    return projected_noise(model, data.comparisons.prompts, project, steepest)


def _metrics(fit: Fit, data: TrainingData, vectors: NDArray[np.float32]) -> dict[str, float]:
    from routectl.routers.mf import Factors, sigmoid

    factors = Factors(data.comparisons.models, fit.model_vectors, fit.projection, fit.weights)
    win_rates = sigmoid(vectors @ factors.direction(data.pair))
    return held_out_apgr(win_rates, data.measured, data.pair)
