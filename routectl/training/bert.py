"""Training of the `bert` router: files of preference data in, a checkpoint out."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from routectl.checkpoint import require_free
from routectl.embedding import DEFAULT, open_embedder
from routectl.embedding.trained_bert import Base, BertClassifier, require_fitting, trained_shapes
from routectl.errors import CheckpointError, InputError
from routectl.escaping import markdown
from routectl.records import RouterIdentity, RouterSpec
from routectl.routers.bert import BertRouter
from routectl.training.data import TrainingData, held_out_apgr, read_training_data
from routectl.training.distillation import (
    TeacherScores,
    fingerprints,
    score_with_teachers,
    shares_of_classes,
)
from routectl.training.fits.finetune import Settings, States, fine_tune
from routectl.training.labels import (
    StrongWeakLabels,
    strong_weak_labels,
    task_intercepts,
    weak_quality,
    with_graded_scores,
)
from routectl.training.output.card import curve_files, flattered, model_card, name_list
from routectl.training.output.lineage import known_held_out, lineage_file
from routectl.training.output.partial import PartialRun
from routectl.training.output.report import TrainingReport
from routectl.training.progress import Progress, no_progress
from routectl.training.request import TrainingRequest
from routectl.training.run import Trained, run_training

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from routectl.embedding.bert_files import BertSettings
    from routectl.embedding.files import EmbedderFiles

# Of the classes; the third is a win of the weak model. A right answer ties with a perfect one.
_STRONG_WON, _TIE = 0, 1

_KEPT_AT_ONCE = 512
"""Prompts of a kept piece of states: that much a stopped run computes again."""
_NOISE_BUDGETS = (1, 256, 1024, 8192)
_NOISE_SAMPLE = 128

_INTRODUCTION = """
A checkpoint of routectl's `bert` router: a BERT classifier, section 4.2.3 of RouteLLM
(arXiv 2406.18665). From a prompt alone it predicts whether a strong model's answer would win
against a weak model's, tie with it or lose. It holds the last layers and the head; the layers
below are those of the encoder that is named here.

Where answers have graded scores, it learned from those of models about as good as the weak one
against a perfect answer; else from wins of strong models, ties and wins of weak ones. How a task
goes as a whole was taken out, so it knows which prompts of a task are hard rather than which task
is.
"""

_DISTILLED = Settings(learning_rate=3e-4, max_epochs=6)
"""A teacher's scores have no noise, so more can be learned of them than of labels."""

_DISTILLED_INTRODUCTION = """
A checkpoint of routectl's `bert` router: a BERT classifier, section 4.2.3 of RouteLLM
(arXiv 2406.18665). From a prompt alone it predicts what slower routers would say: it learned the
strong win rates of {teachers},
standardised, and no label. It holds the last layers and the head; the layers below are those of the
encoder that is named here.
"""

_DISTILLED_LIMITS = """
Losses are those against the teachers' scores. The teachers were trained, too.
{flattered}
"""

_LIMITS = """
Of the models above it knows two groups, and decides between them. Within a group it tells no model
from another. It learned little or nothing from models of neither group, and does not know them.

- Strong group: {strong}
- Weak group: {weak}
"""


@dataclass(frozen=True, slots=True)
class _Encoder:
    """The base, found and in memory."""

    files: EmbedderFiles
    settings: BertSettings
    base: Base
    model: Any
    """The BertForSequenceClassification that is trained."""


def train_bert(
    request: TrainingRequest,
    *,
    base: str | None = None,
    teachers: Sequence[RouterSpec] = (),
    settings: Settings | None = None,
    on_progress: Progress = no_progress,
) -> TrainingReport:
    """Train a BERT classifier and write its checkpoint, whole or not at all.

    The same files and seed give the same weights on the same machine, however often the training
    was stopped on the way: the output of the frozen layers is kept, and every epoch. The
    states take 0.8 kB of memory a token (with the default base), about 0.1 GB for 1,000 prompts.

    Args:
        base: folder of a BERT, or its name on the model hub; None is the one that is installed.
        teachers: routers whose scores are learned in place of labels, for the default pair where
            they know models; of several the mean. Of the labels is only taken which models are of
            which group.
        settings: how the fit is done; None is `Settings` as they are, or `_DISTILLED` with
            teachers.

    Raises:
        InputError: a file cannot be read, or there is too little to learn from.
        RouterError: the default pair is not in the data, or a teacher does not know it.
        CheckpointError: the base cannot be loaded, or the output is not free.
    """
    started = time.monotonic()
    settings = settings or (_DISTILLED if teachers else Settings())
    # Before the teachers are opened, which may take long.
    require_free(request.output)
    asked: dict[str, object] = {**asdict(settings), "base": base}
    if teachers:
        asked["teachers"] = fingerprints(teachers)

    def learn(partial: PartialRun) -> Trained:
        encoder = _open_base(base or DEFAULT, settings, request.seed)
        data = read_training_data(request, open_embedder(), partial, on_progress, vectors=False)
        labels = strong_weak_labels(data.comparisons, data.pair)
        learned = (
            _of_teachers(teachers, data, partial, on_progress)
            if teachers
            else _of_labels(request, data, labels)
        )
        held_out = data.held_out[learned.prompt]
        names = trained_shapes(encoder.base, settings.layers)
        prompts = [data.comparisons.prompts[row] for row in learned.prompt]
        fit = fine_tune(
            encoder.model,
            names,
            _states(encoder, settings.layers, prompts, partial, on_progress),
            learned.outcome,
            learned.task_intercept,
            held_out,
            settings,
            request.seed,
            partial,
            lambda done, most: on_progress("train", done, most),
        )
        tensors = _as_stored(fit.tensors)
        router = _router(encoder, tensors)
        report = TrainingReport.of(
            "bert",
            request,
            data,
            curve=fit.curve,
            metrics=_metrics(router, data),
            seconds=time.monotonic() - started,
        )
        return Trained(
            config=_config(request, data, labels, encoder.base, settings, _noise(router, prompts))
            | ({} if learned.teacher_scores is None else learned.teacher_scores.config),
            tensors=tensors,
            card=_card(
                report,
                request,
                labels,
                encoder.base,
                settings,
                learned.teacher_scores,
                known_held_out(data, learned.parts),
            ),
            files={**curve_files(report), **lineage_file(data, learned.parts)},
            report=report,
        )

    return run_training("bert", request, asked, learn)


@dataclass(frozen=True, slots=True)
class _Learned:
    """What is learned of n prompts."""

    prompt: NDArray[np.integer]
    """Indices into the comparisons' prompts, ascending, shape (n,)."""
    outcome: NDArray[np.float32]
    """Shares of the classes, shape (n, 3); rows sum to 1."""
    task_intercept: NDArray[np.float32]
    """What their tasks add to the logits, shape (n, 3)."""
    teacher_scores: TeacherScores | None = None
    """That of teachers, where labels have no say."""

    @property
    def parts(self) -> tuple[Path | None, ...]:
        return () if self.teacher_scores is None else self.teacher_scores.parts


def _of_labels(request: TrainingRequest, data: TrainingData, labels: StrongWeakLabels) -> _Learned:
    """The outcomes of strong against weak models, or the graded scores of weak ones."""
    held_out = data.held_out[labels.prompt]
    if held_out.all() or not held_out.any():
        raise InputError(
            "There are too few prompts on which a strong model met a weak one: some have to "
            "be held out, and some learned from; give more data."
        )
    quality = weak_quality(request, data)[labels.prompt]
    outcome = with_graded_scores(labels.outcome, quality, won=_STRONG_WON, lost=_TIE)
    task_intercept = task_intercepts(outcome, data.comparisons.task[labels.prompt], ~held_out)
    return _Learned(labels.prompt, outcome, task_intercept)


def _of_teachers(
    teachers: Sequence[RouterSpec], data: TrainingData, partial: PartialRun, on_progress: Progress
) -> _Learned:
    """Teachers' scores of all prompts in use, whichever models met on them."""
    import numpy as np

    teacher_scores = score_with_teachers(
        teachers, data.pair, data.used_prompts, partial, on_progress
    )
    outcome = shares_of_classes(teacher_scores.logits, won=_STRONG_WON, lost=_TIE)
    return _Learned(data.used, outcome, np.zeros_like(outcome), teacher_scores)


def _open_base(name: str, settings: Settings, seed: int) -> _Encoder:
    """Find a base, and make a classifier of it whose head is drawn by the seed."""
    import torch

    from routectl.embedding.bert_files import encoder_settings
    from routectl.embedding.files import locate_encoder
    from routectl.embedding.sentence_transformer import quiet

    files = locate_encoder(name)
    base_settings = encoder_settings(files)
    torch.manual_seed(seed)
    try:
        with quiet():
            from transformers import AutoModelForSequenceClassification

            model = AutoModelForSequenceClassification.from_pretrained(
                files.folder,
                num_labels=3,
                use_safetensors=True,
                local_files_only=True,
                trust_remote_code=False,
                dtype="float32",
                # A base may be a classifier of other classes.
                ignore_mismatched_sizes=True,
            )
    except Exception as error:  # whatever the library raises on damaged files
        raise CheckpointError(
            f"The encoder {name!r} in {files.folder} cannot be loaded ({type(error).__name__}); "
            "restore its files."
        ) from error
    if not 0 <= settings.layers <= base_settings.layers:
        raise InputError(
            f"{settings.layers} layers cannot be trained: the encoder {name!r} has "
            f"{base_settings.layers}."
        )
    sizes = model.config
    base = Base(
        files.name,
        files.digest(),
        base_settings.layers,
        int(sizes.hidden_size),
        int(sizes.intermediate_size),
        base_settings.max_tokens,
    )
    return _Encoder(files, base_settings, base, model)


def _states(
    encoder: _Encoder,
    trained_layers: int,
    prompts: Sequence[str],
    partial: PartialRun,
    on_progress: Progress,
) -> States:
    """The output of the layers below the trained ones; what was kept is taken up."""
    import numpy as np
    import torch

    from routectl.embedding.batches import batches
    from routectl.embedding.bert import Bert
    from routectl.embedding.reading import TokenReader

    bert = Bert(encoder.settings)
    require_fitting(bert.tokenizer, bert.vocabulary, encoder.files.folder)
    reader = TokenReader(bert.tokenizer, encoder.base.max_tokens)
    tokens = reader.read(prompts)
    lengths = [len(ids) for ids in tokens]
    starts = np.concatenate(([0], np.cumsum(lengths))).astype(np.int64)
    values = np.empty((starts[-1], bert.dimension), dtype=np.float16)
    for first in range(0, len(prompts), _KEPT_AT_ONCE):
        last = min(first + _KEPT_AT_ONCE, len(prompts))
        piece, name = values[starts[first] : starts[last]], f"states-{first:08d}"
        kept = partial.load(name)
        if kept is not None:
            piece[:] = kept[0]["states"]
            continue
        for rows in batches(lengths[first:last], 1024):
            on_progress("encode", first, len(prompts))
            with torch.inference_mode():
                texts = [tokens[first + row] for row in rows]
                batch_states = bert.states(texts, encoder.base.layers - trained_layers).numpy()
            ends = np.cumsum([len(ids) for ids in texts])[:-1]
            for row, part in zip(rows, np.split(batch_states, ends), strict=True):
                values[starts[first + row] : starts[first + row + 1]] = part
        partial.save(name, {"states": piece})
    on_progress("encode", len(prompts), len(prompts))
    return States(values, starts)


def _as_stored(tensors: dict[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """In half precision, which is what all figures are then measured with."""
    import numpy as np

    stored = {name: tensor.astype(np.float16) for name, tensor in tensors.items()}
    if not all(np.isfinite(tensor).all() for tensor in stored.values()):
        raise InputError(
            "The training ended at weights that are no finite numbers; another --seed may do "
            "better, else the labels hold something that cannot be learned."
        )
    return stored


def _router(encoder: _Encoder, tensors: dict[str, NDArray[Any]]) -> BertRouter:
    from routectl.embedding.reading import TokenReader

    classifier = BertClassifier.of(encoder.settings, tensors)
    reader = TokenReader(classifier.bert.tokenizer, encoder.base.max_tokens)
    return BertRouter(RouterIdentity("bert", "", None, 0.0), classifier, reader)


def _metrics(router: BertRouter, data: TrainingData) -> dict[str, float]:
    import numpy as np

    rates = np.full(len(data.comparisons.prompts), np.nan)
    rows = np.flatnonzero(data.held_out)
    rates[rows] = router.strong_win_rates([data.comparisons.prompts[row] for row in rows])
    return held_out_apgr(rates, data.measured, data.pair)


def _noise(router: BertRouter, prompts: Sequence[str]) -> float:
    """The largest difference between two scores of one prompt over batch sizes, times a factor."""
    import numpy as np

    from routectl.embedding.noise import SAFETY_FACTOR

    by_length = sorted(prompts, key=len)
    sample = by_length[:: max(1, len(by_length) // _NOISE_SAMPLE)][:_NOISE_SAMPLE]
    scores = [router.strong_win_rates(sample, token_budget=size) for size in _NOISE_BUDGETS]
    # Scores that happen to agree in every bit do not show that all do.
    seen = max(float(np.ptp(scores, axis=0).max()), float(np.finfo(np.float32).eps))
    return seen * SAFETY_FACTOR


def _config(
    request: TrainingRequest,
    data: TrainingData,
    labels: StrongWeakLabels,
    base: Base,
    settings: Settings,
    noise: float,
) -> dict[str, object]:
    return {
        "kind": "bert",
        "name": request.output.name,
        "licence": request.licence,
        "default_pair": {"strong": data.pair.strong, "weak": data.pair.weak},
        "strong_models": list(labels.strong_models),
        "weak_models": list(labels.weak_models),
        "base": asdict(base),
        "trained_layers": settings.layers,
        "noise": noise,
    }


def _card(
    report: TrainingReport,
    request: TrainingRequest,
    labels: StrongWeakLabels,
    base: Base,
    settings: Settings,
    teacher_scores: TeacherScores | None,
    learned_held_out: int,
) -> str:
    groups = _LIMITS.format(
        strong=name_list(labels.strong_models), weak=name_list(labels.weak_models)
    )
    introduction, limits = _INTRODUCTION, groups
    asked: dict[str, object] = asdict(settings)
    if teacher_scores is not None:
        introduction = _DISTILLED_INTRODUCTION.format(teachers=teacher_scores.introduced)
        limits = (
            f"{_DISTILLED_LIMITS.format(flattered=flattered(learned_held_out))}\n{groups.lstrip()}"
        )
        asked["teachers"] = teacher_scores.named
    return model_card(
        report,
        request,
        introduction=introduction,
        reads=f"{markdown(base.name)}, {base.max_tokens} tokens (`head`), digest\n"
        f"  `{base.digest}`",
        settings=asked,
        limits=limits,
    )
