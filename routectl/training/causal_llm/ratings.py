"""New rows for the five ratings of a `causal_llm` checkpoint, whose adapter stays as it is.

What a language model's last layer holds of a prompt is more than what the rows of its vocabulary
for "1" to "5" read from it. Here these five rows are learned and nothing below them, so each prompt
is read once and no gradient goes through the model. What is learned is the direction in which
difficulty grows (`fits/difficulty.py`), u, standardised; rating r then has the logit (3 - r) u, a
rating scale on which one step costs as much as the next.

With teachers (`distillation.py`), u is what they say of a prompt, by ridge regression.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from routectl.checkpoint import (
    SHIPPED,
    Checkpoint,
    read_checkpoint,
    read_weights,
    require_free,
)
from routectl.embedding import DEFAULT, open_embedder
from routectl.errors import InputError
from routectl.escaping import markdown
from routectl.records import RouterSpec
from routectl.routers.causal_llm import Head, open_router
from routectl.routers.causal_model import LENGTH_WEIGHT, RATINGS, ROWS
from routectl.routers.features import Features
from routectl.routers.mf import Factors, Scoring
from routectl.routers.question_length import QuestionLength
from routectl.routers.standardised import Standardisation
from routectl.training.causal_llm.measures import HELD_OUT_EXAMPLES, measured_apgr, score_noise
from routectl.training.data import TrainingData, read_training_data
from routectl.training.distillation import (
    TeacherScores,
    distillation_loss,
    fingerprints,
    regress,
    score_with_teachers,
)
from routectl.training.fits.difficulty import DifficultySettings, fit_difficulty
from routectl.training.labels import StrongWeakLabels, strong_weak_labels
from routectl.training.output.card import (
    curve_files,
    flattered,
    model_card,
    name_list,
    vector_lines,
)
from routectl.training.output.lineage import known_held_out, lineage_file
from routectl.training.output.partial import PartialRun
from routectl.training.output.report import TrainingReport
from routectl.training.progress import Progress, no_progress
from routectl.training.request import TrainingRequest
from routectl.training.run import Trained, run_training

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from routectl.preferences.comparisons import Comparisons
    from routectl.routers.causal_llm import CausalLlmRouter
    from routectl.training.fits.curve import LossCurve

_READ_AT_ONCE = 64
"""Prompts of a kept piece: that much a stopped run reads again."""

_KEPT = ("kind", "base", "adapter", "template", "score_threshold", "max_tokens")
"""Of the adapter's config: what is the new checkpoint's, too."""

_INTRODUCTION = """
A checkpoint of routectl's `causal_llm` router: a causal language model that predicts one of five
ratings of the weak model's answer, section 4.2.4 of RouteLLM (arXiv 2406.18665). The strong win
rate is the probability of a rating below {threshold}. How a task goes as a whole was taken out of
what it learned, so it knows which prompts of a task are hard rather than which task is.

It is the low-rank adapter of {adapter} (of the base model {base}, which is installed apart), with
rows of its own for the five ratings: what the last layer says of difficulty, in one direction.
"""

_DISTILLED_INTRODUCTION = """
It learned that direction from what slower routers say and from no label: the strong win rates of
{teachers},
standardised.
"""
_DISTILLED_PRECISION = 10.0
"""A teacher's scores have no noise, so they are regularised less than labels;
research/routers.md has what was tried."""

_LIMITS = """
It is slow: a prompt takes about half a second of one CPU core. It learned from {learned:,} prompts,
and its loss was taken on {measured:,} held-out ones.
{before} had been trained before.
{flattered}

It gives one score for every pair of a strong and a weak model: strong are {strong}; the
others above are weak.
"""


def train_rating_rows(
    request: TrainingRequest,
    adapter: Path,
    *,
    teachers: Sequence[RouterSpec] = (),
    question_length: bool = False,
    precision: float | None = None,
    on_progress: Progress = no_progress,
) -> TrainingReport:
    """Learn new rows for the five ratings of a causal_llm checkpoint, and write it anew.

    A run that is stopped keeps what it has read.

    Args:
        adapter: a checkpoint of routectl's own; or the name of a shipped one.
        teachers: routers whose scores are learned in place of labels, for the default pair where
            they know models; of several the mean. A weight is then what a prompt counts.
        question_length: whether the length of a prompt's question is an extra feature.
        precision: as of `DifficultySettings`, whose own is None; with teachers that of a ridge
            regression, and None is 10.

    Raises:
        InputError: a file cannot be read, or there is too little to learn from.
        RouterError: the default pair is not in the data, or a teacher does not know it.
        CheckpointError: the adapter, its base or a teacher's checkpoint is missing, or the output
            is not free.
    """
    started = time.monotonic()
    if precision is None:
        precision = _DISTILLED_PRECISION if teachers else DifficultySettings().precision
    require_free(request.output)
    folder = SHIPPED / adapter if (SHIPPED / adapter).is_dir() else adapter
    taken = read_checkpoint(folder, "causal_llm")
    adapter_tensors, digest = read_weights(taken)
    opened = open_router(folder, None, None)
    chosen: dict[str, object] = {
        "adapter": digest,
        "question_length": question_length,
        "precision": precision,
    }
    if teachers:
        chosen["teachers"] = fingerprints(teachers)

    def learn(partial: PartialRun) -> Trained:
        data = read_training_data(
            request, open_embedder(DEFAULT), partial, on_progress, vectors=False
        )
        labels = strong_weak_labels(data.comparisons, data.pair)
        learned, measured = _split(data, request.seed)
        router: Any = opened.load()
        states = _states(router, data, learned, measured, partial, on_progress)
        length_feature = None
        if question_length:
            length_feature = QuestionLength.fit([data.comparisons.prompts[row] for row in learned])
        features = Features(Standardisation.fit(states[learned]), length_feature)
        vectors = features.vectors(states, data.comparisons.prompts)
        teacher_scores = None
        if teachers:
            prompts = [data.comparisons.prompts[row] for row in (*learned, *measured)]
            teacher_scores = score_with_teachers(teachers, data.pair, prompts, partial, on_progress)
            fit = _fit_of_teachers(vectors, data, learned, measured, teacher_scores, precision)
        else:
            fit = _fit_of_labels(vectors, data, learned, measured, precision, on_progress)
        head = _head(fit.direction, vectors[learned], states.shape[1], features)
        router = router.rated_by(head)
        tensors = {**adapter_tensors, **_tensors(head)}
        config: dict[str, object] = {
            **{key: taken.config[key] for key in _KEPT},
            "name": request.output.name,
            "licence": request.licence,
            "default_pair": {"strong": data.pair.strong, "weak": data.pair.weak},
            "models": {"strong": list(labels.strong_models), "weak": list(labels.weak_models)},
            "noise": score_noise(router, data, on_progress),
            **({} if length_feature is None else {"surface": length_feature.config}),
            **({} if teacher_scores is None else teacher_scores.config),
        }
        report = TrainingReport.of(
            "causal_llm",
            request,
            data,
            curve=fit.curve,
            held_out_loss=fit.held_out_loss,
            baseline_loss=fit.baseline_loss,
            metrics=measured_apgr(router, data, on_progress),
            seconds=time.monotonic() - started,
        )
        report = replace(report, models=(*labels.strong_models, *labels.weak_models))
        card = _card(
            report,
            request,
            taken,
            chosen,
            data,
            labels,
            (learned, measured),
            length_feature,
            teacher_scores,
        )
        seen = lineage_file(data, _parts(taken, teacher_scores), learned=learned, measured=measured)
        return Trained(
            config=config,
            tensors=tensors,
            card=card,
            files={**curve_files(report), **seen},
            report=report,
        )

    return run_training("causal_llm", request, chosen, learn)


def _parts(taken: Checkpoint, teacher_scores: TeacherScores | None) -> list[Path | None]:
    """The checkpoints that the new one is built on."""
    return [taken.folder, *(() if teacher_scores is None else teacher_scores.parts)]


def _card(
    report: TrainingReport,
    request: TrainingRequest,
    taken: Checkpoint,
    chosen: Mapping[str, object],
    data: TrainingData,
    labels: StrongWeakLabels,
    rows: tuple[NDArray[np.intp], NDArray[np.intp]],
    length_feature: QuestionLength | None,
    teacher_scores: TeacherScores | None,
) -> str:
    """The model card.

    Args:
        taken: the checkpoint whose adapter it has.
        chosen: the settings by name.
        rows: the prompts that were learned from, and those that the loss was taken on.
    """
    threshold = taken.config["score_threshold"]
    introduction = _INTRODUCTION.format(
        threshold=threshold,
        adapter=markdown(taken.folder.name),
        base=markdown(taken.get("base", "name", kind=str)),
    )
    settings = {**chosen, "score threshold": threshold}
    if teacher_scores is not None:
        introduction += _DISTILLED_INTRODUCTION.format(teachers=teacher_scores.introduced)
        settings["teachers"] = teacher_scores.named
    learned, measured = rows
    max_tokens = taken.get("max_tokens", kind=int)
    return model_card(
        report,
        request,
        introduction=introduction,
        reads=f"the beginning of a long prompt, {max_tokens} tokens with the template"
        + vector_lines(Features(question_length=length_feature)),
        settings=settings,
        limits=_LIMITS.format(
            learned=len(learned),
            measured=len(measured),
            before="The adapter" if teacher_scores is None else "The adapter and the teachers",
            flattered=flattered(known_held_out(data, _parts(taken, teacher_scores))),
            strong=name_list(labels.strong_models),
        ),
        early_stopping=False,
    )


def _split(data: TrainingData, seed: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """The prompts that are learned from and those that the loss is taken on, ascending."""
    import numpy as np

    learned = data.used[~data.held_out[data.used]]
    held_out = data.used[data.held_out[data.used]]
    measured = np.random.default_rng([seed, 3]).permutation(held_out)[:HELD_OUT_EXAMPLES]
    return learned, np.sort(measured)


def _weight(data: TrainingData) -> NDArray[np.float64]:
    """Of each prompt the weights of its rows, shape (prompts,)."""
    import numpy as np

    comparisons = data.comparisons
    row_weights = np.bincount(
        comparisons.prompt, weights=comparisons.weight, minlength=len(comparisons.prompts)
    )
    return row_weights.astype(np.float64)


def _states(
    router: CausalLlmRouter,
    data: TrainingData,
    learned: NDArray[np.intp],
    measured: NDArray[np.intp],
    partial: PartialRun,
    on_progress: Progress,
) -> NDArray[np.float32]:
    """The last states of these prompts, shape (prompts, width); 0 of the others."""
    import numpy as np

    rows = np.concatenate((learned, measured))
    pieces = []
    for start in range(0, len(rows), _READ_AT_ONCE):
        on_progress("read", start, len(rows))
        name = f"states-{start:08d}"
        kept = partial.load(name)
        if kept is None:
            texts = [data.comparisons.prompts[row] for row in rows[start : start + _READ_AT_ONCE]]
            pieces.append(router.last_states(texts))
            partial.save(name, {"states": pieces[-1]})
        else:
            pieces.append(kept[0]["states"])
    on_progress("read", len(rows), len(rows))
    all_states = np.concatenate(pieces)
    states = np.zeros((len(data.comparisons.prompts), all_states.shape[1]), dtype=np.float32)
    states[rows] = all_states
    return states


def _tensors(head: Head) -> dict[str, NDArray[Any]]:
    assert head.rows is not None
    tensors = {ROWS: head.rows, "bias": head.bias}
    return tensors if head.length_weight is None else {**tensors, LENGTH_WEIGHT: head.length_weight}


@dataclass(frozen=True, slots=True)
class _Fit:
    """The direction in which difficulty grows, of vectors of D numbers."""

    direction: NDArray[np.float64]
    """Shape (D,)."""
    curve: LossCurve | None = None
    held_out_loss: float | None = None
    baseline_loss: float | None = None


def _fit_of_labels(
    vectors: NDArray[np.float32],
    data: TrainingData,
    learned: NDArray[np.intp],
    measured: NDArray[np.intp],
    precision: float,
    on_progress: Progress,
) -> _Fit:
    """By who did better on which prompt."""
    import numpy as np

    def only(rows: NDArray[np.intp]) -> Comparisons:
        wanted = np.zeros(len(vectors), dtype=np.bool_)
        wanted[rows] = True
        return data.comparisons.of_prompts(wanted)

    fit = fit_difficulty(
        vectors,
        only(learned),
        only(measured),
        DifficultySettings(precision=precision),
        lambda done, most: on_progress("train", done, most),
    )
    factors = Factors(data.comparisons.models, fit.model_vectors, fit.projection, fit.weights)
    return _Fit(factors.direction(data.pair), fit.curve)


def _fit_of_teachers(
    vectors: NDArray[np.float32],
    data: TrainingData,
    learned: NDArray[np.intp],
    measured: NDArray[np.intp],
    teacher_scores: TeacherScores,
    precision: float,
) -> _Fit:
    """By what teachers say of the learned prompts, and then of the measured ones."""
    import numpy as np

    logits, test = np.split(teacher_scores.logits, [len(learned)])
    direction, offset = regress(vectors[learned], logits, _weight(data)[learned], precision)
    said = vectors[measured].astype(np.float64) @ direction + offset
    return _Fit(
        direction,
        held_out_loss=distillation_loss(test, said),
        baseline_loss=distillation_loss(test, np.full(len(test), logits.mean())),
    )


def _head(
    direction: NDArray[np.float64],
    learned: NDArray[np.float32],
    width: int,
    features: Features,
) -> Head:
    """The head whose ratings say how difficult a prompt is.

    Args:
        direction: shape (D,), of the vectors that features compute from states.
        learned: the vectors that were learned from, shape (n, D).
        width: of a state.
    """
    import numpy as np

    scoring = Scoring.of(direction, width, features)
    difficulty = learned.astype(np.float64) @ direction
    mean, spread = difficulty.mean(), difficulty.std()
    if not spread > 0:
        raise InputError(
            "No prompt is harder than another by these labels, so no rating can be learned; give "
            "more data."
        )
    steps = np.array([3.0 - float(rating) for rating in RATINGS]) / spread
    length_feature, length_weight = features.question_length, None
    if length_feature is not None and scoring.length_weight is not None:
        length_weight = (steps * scoring.length_weight[0]).astype(np.float32)
    return Head(
        (steps * (scoring.offset - mean)).astype(np.float32),
        np.outer(steps, scoring.direction).astype(np.float32),
        length_feature,
        length_weight,
    )
