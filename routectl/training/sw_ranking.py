"""Training of the `sw_ranking` router: files of preference data in, a checkpoint out.

Nothing is fitted but the models' ratings, which sort them into tiers, and, where it is asked for,
the metric by which prompts are compared. What is kept is the prompts' vectors in half precision
and, for each prompt, how often two tiers met on it and which one won.
"""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

from routectl.embedding import DEFAULT, Embedder, open_embedder
from routectl.errors import UsageError
from routectl.preferences.comparisons import rating_loss
from routectl.preferences.connectivity import choose_prior
from routectl.routers.embedded import embedder_config, probe_tensor
from routectl.routers.sw_ranking.bradley_terry import counts, even, fit
from routectl.routers.sw_ranking.metric import Metric
from routectl.routers.sw_ranking.neighbours import unit
from routectl.routers.sw_ranking.noise import score_noise
from routectl.routers.sw_ranking.ranking import Ranking, Ratings
from routectl.routers.sw_ranking.router import win_rates
from routectl.routers.sw_ranking.tiers import MOST_TIERS, make_tiers
from routectl.training.data import (
    TrainingData,
    embedder_noise,
    held_out_apgr,
    plain_features,
    projected_noise,
    read_training_data,
)
from routectl.training.fits.difficulty import DifficultySettings, fit_difficulty
from routectl.training.output.card import (
    embedder_limits,
    embedder_line,
    model_card,
    name_list,
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

    from routectl.preferences.comparisons import Comparisons

MetricName = Literal["cosine", "difficulty"]

_NOISE_SAMPLE = 128

_INTRODUCTION = """
A checkpoint of routectl's `sw_ranking` router: similarity-weighted ranking, section 4.2.1 of
RouteLLM (arXiv 2406.18665). For each prompt it rates tiers of models anew, from all battles of the
training data, those on similar prompts weighing more. It holds the vectors of the training data's
prompts in half precision and which tier won how often on each; it holds no text.
"""

_COMPARED = """;
  compared are {numbers} numbers of that: principal components, made alike, and the difficulty"""

_LIMITS = """
Models of one tier have one rating: it refuses a pair of them. Where nothing in its data resembles a
prompt (no cosine above 0), all battles weigh the same.
"""


def train_sw_ranking(
    request: TrainingRequest,
    *,
    embedder: str | None = None,
    metric: MetricName = "difficulty",
    question_length: bool = False,
    on_progress: Progress = no_progress,
) -> TrainingReport:
    """Rate the models, sort them into tiers, and write vectors and outcomes as a checkpoint.

    A tenth of the prompts is held out whole and does not go into the checkpoint. The same files and
    seed give the same weights on the same machine. A run that is stopped keeps its vectors.

    Args:
        embedder: as for `embedding.open_embedder`; None is the one that is installed.
        metric: how prompts are compared: in a space that is learned, in which those are alike that
            are about as hard (`routers/sw_ranking/metric.py`), or by the cosines of their
            embeddings, as published.
        question_length: whether the length of a prompt's question has a part in the former.

    Raises:
        InputError: a file cannot be read, or there is too little to learn from; or there are models
            that never met the others.
        RouterError: the default pair is not in the data, or of one tier.
        CheckpointError: the embedder cannot be loaded, or the output is not free.
        EmbeddingError: the embedder is remote and does not answer as it should.
        UsageError: the cosines of this embedder say nothing, or leave no room for a length, so that
            a metric has to be learned.
    """
    if question_length and metric == "cosine":
        raise UsageError("a length has no part in a cosine; see --metric")
    started = time.monotonic()
    settings = {"embedder": embedder, "metric": metric, "question_length": question_length}
    difficulty = DifficultySettings()

    def learn(partial: PartialRun) -> Trained:
        model = open_embedder(embedder or DEFAULT)
        if metric == "cosine" and not model.comparable:
            raise UsageError(
                f"sw_ranking weighs battles by cosine, which says nothing between the vectors of "
                f"{model.name}; leave out --metric cosine, or --embedder"
            )
        data = read_training_data(request, model, partial, on_progress)
        added, why = choose_prior(data.training)
        ratings = model_ratings(data.training, added)
        learned = None
        if metric != "cosine":
            learned = _metric(data, model, question_length, difficulty, on_progress)
        unlike = _unlike(data, model, learned)
        on_progress("measure", 0, 3)
        noise = embedder_noise(model, data.comparisons.prompts)
        moved = noise if learned is None else _projected_noise(data, model, learned)
        on_progress("measure", 1, 3)
        if learned is not None:
            data = replace(data, vectors=learned.of(data.vectors, data.comparisons.prompts))
        ranking = make_ranking(data, ratings, added)
        ranking.tiers_of(data.pair)
        solver = Ratings(ranking)
        ranking.noise[:] = score_noise(solver, unlike, moved)
        on_progress("measure", 2, 3)
        report = _measured(request, data, ranking, solver, ratings, time.monotonic() - started)
        on_progress("measure", 3, 3)
        config = {
            "kind": "sw_ranking",
            "name": request.output.name,
            "licence": request.licence,
            "default_pair": {"strong": data.pair.strong, "weak": data.pair.weak},
            "models": list(ranking.models),
            "tiers": list(ranking.tiers),
            "prior": ranking.prior,
            "prompts": len(ranking.vectors),
            "count_rows": len(ranking.counts),
            "embedder": embedder_config(model, noise),
            **({} if learned is None else learned.config),
        }
        tensors: dict[str, NDArray[Any]] = {
            "vectors": ranking.vectors,
            "counts": ranking.counts,
            "group": ranking.group,
            "noise": ranking.noise,
            **probe_tensor(model),
            **({} if learned is None else learned.tensors),
        }
        card = model_card(
            report,
            request,
            introduction=_INTRODUCTION,
            reads=embedder_line(model) + _metric_lines(learned),
            early_stopping=False,
            settings={
                "tiers": ranking.tier_count,
                "prior, ties between each two models": added,
                "metric": metric,
                **({} if learned is None else {"precision": difficulty.precision}),
            },
            limits="\n\n".join(
                part
                for part in (
                    _LIMITS.strip(),
                    embedder_limits(model, known_held_out(data, [embedder_part(model.name)])),
                    why and f"{why}.",
                    _tier_lines(ranking),
                )
                if part
            ),
        )
        return Trained(
            config=config,
            tensors=tensors,
            card=card,
            files=lineage_file(data, [embedder_part(model.name)]),
            report=report.with_notes(why),
        )

    return run_training("sw_ranking", request, settings, learn)


def model_ratings(comparisons: Comparisons, prior: float) -> NDArray[np.float64]:
    """Bradley and Terry's ratings of the models, shape (models,); log-odds, mean 0.

    Raises:
        RouterError: there are none.
    """
    models = len(comparisons.models)
    alike = comparisons.prompt * 0
    statistics = counts(
        alike,
        comparisons.model_a,
        comparisons.model_b,
        comparisons.outcome,
        comparisons.weight,
        (1, models),
    )
    ratings = fit(statistics + even(models, prior), models)[0]
    centred: NDArray[np.float64] = ratings - ratings.mean()
    return centred


def make_ranking(data: TrainingData, ratings: NDArray[np.float64], prior: float) -> Ranking:
    """The training prompts and their outcomes by tier; the noise is 0 so far.

    A prompt on which only models of one tier met stays: it can be the nearest one.
    """
    import numpy as np

    tiers = make_tiers(ratings, min(MOST_TIERS, len(ratings)))
    size = int(tiers.max()) + 1
    training = data.training
    used, row = np.unique(training.prompt, return_inverse=True)
    statistics = counts(
        row,
        tiers[training.model_a],
        tiers[training.model_b],
        training.outcome,
        training.weight,
        (len(used), size),
    )
    distinct, group = np.unique(statistics.astype(np.float32), axis=0, return_inverse=True)
    order = np.argsort(group, axis=None, kind="stable")
    return Ranking(
        training.models,
        tuple(tiers.tolist()),
        data.vectors[used[order]].astype(np.float16),
        distinct,
        group.ravel()[order].astype(np.int32),
        prior,
        np.zeros((size, size), dtype=np.float32),
    )


def _metric(
    data: TrainingData,
    model: Embedder,
    question_length: bool,
    settings: DifficultySettings,
    on_progress: Progress,
) -> Metric:
    """Learned from the comparisons of the prompts that are not held out."""
    import numpy as np

    from routectl.routers.mf import Factors

    features = plain_features(data, model, question_length)
    vectors = features.vectors(data.vectors, data.comparisons.prompts)
    fit = fit_difficulty(
        vectors,
        data.training,
        data.measured,
        settings,
        lambda done, most: on_progress("train", done, most),
    )
    factors = Factors(data.comparisons.models, fit.model_vectors, fit.projection, fit.weights)
    learned_from = vectors[np.unique(data.training.prompt)]
    return Metric.fit(features, learned_from, factors.direction(data.pair))


def _metric_lines(metric: Metric | None) -> str:
    if metric is None:
        return ""
    return vector_lines(metric.features) + _COMPARED.format(numbers=len(metric.offset))


def _projected_noise(data: TrainingData, model: Embedder, metric: Metric) -> float:
    """Of what is compared, at length 1, as it is compared."""
    import numpy as np

    of_embedding = metric.projection[:, : model.dimension].astype(np.float64)
    if metric.features.standardisation is not None:
        of_embedding = of_embedding / metric.features.standardisation.spread
    metric_vectors = metric.of(data.vectors[data.used], data.used_prompts)
    steepest = float(np.linalg.norm(of_embedding, 2) / np.linalg.norm(metric_vectors, axis=1).min())
    return projected_noise(
        model,
        data.comparisons.prompts,
        lambda vectors, texts: unit(metric.of(vectors, texts)),
        steepest,
    )


def _unlike(data: TrainingData, model: Embedder, metric: Metric | None) -> NDArray[np.float32]:
    """Vectors of prompts that are not in the ranking: some held out, some of other tasks."""
    import numpy as np

    from routectl.embedding.remote import PROBES

    held_out = np.flatnonzero(data.held_out)[:_NOISE_SAMPLE]
    texts = [*(data.comparisons.prompts[row] for row in held_out), *PROBES, "Hi", "?"]
    odd = model.embed(texts[len(held_out) :])
    vectors = np.concatenate((data.vectors[held_out], odd))
    return vectors if metric is None else metric.of(vectors, texts)


def _measured(
    request: TrainingRequest,
    data: TrainingData,
    ranking: Ranking,
    solver: Ratings,
    ratings: NDArray[np.float64],
    seconds: float,
) -> TrainingReport:
    """The report, with the loss and the APGR on the held-out prompts."""
    import numpy as np

    measured, tiers = data.measured, np.array(ranking.tiers)
    used, row = np.unique(measured.prompt, return_inverse=True)
    by_prompt = solver.of(data.vectors[used])
    p = win_rates(by_prompt[row], tiers[measured.model_a], tiers[measured.model_b])
    y, w = measured.outcome.astype(np.float64), measured.weight.astype(np.float64)
    loss = -(w * (y * np.log(p) + (1 - y) * np.log1p(-p))).sum() / w.sum()
    rates = np.full(len(data.comparisons.prompts), np.nan)
    rates[used] = win_rates(by_prompt, *ranking.tiers_of(data.pair))
    return TrainingReport.of(
        "sw_ranking",
        request,
        data,
        metrics=held_out_apgr(rates, measured, data.pair),
        seconds=seconds,
        held_out_loss=float(loss),
        baseline_loss=rating_loss(ratings, measured),
    )


def _tier_lines(ranking: Ranking) -> str:
    lines = []
    for number in range(ranking.tier_count):
        names = [m for m, tier in zip(ranking.models, ranking.tiers, strict=True) if tier == number]
        lines.append(f"- {name_list(names)}")
    return "The tiers, the strongest first:\n\n" + "\n".join(lines)
