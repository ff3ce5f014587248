"""An adapter of a base model, learned from preference data."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from routectl.checkpoint import require_free
from routectl.embedding import DEFAULT, open_embedder
from routectl.embedding.base_models import BaseFiles, default_base, keep_base
from routectl.embedding.language_model import DEFAULT_TEMPLATE, load_model
from routectl.errors import CheckpointError
from routectl.escaping import markdown
from routectl.routers.causal_model import RATINGS, RatingReader
from routectl.training.causal_llm.measures import HELD_OUT_EXAMPLES, measured_apgr, score_noise
from routectl.training.data import TrainingData, read_training_data
from routectl.training.fits.adapter import AdapterSettings, Examples, FitState, fit_adapter
from routectl.training.fits.curve import LossCurve
from routectl.training.labels import (
    StrongWeakLabels,
    strong_weak_labels,
    task_intercepts,
    weak_quality,
    with_graded_scores,
)
from routectl.training.output.card import curve_files, model_card, name_list
from routectl.training.output.lineage import lineage_file
from routectl.training.output.partial import PartialRun
from routectl.training.output.report import TrainingReport
from routectl.training.progress import Progress, no_progress
from routectl.training.request import TrainingRequest
from routectl.training.run import Trained, run_training

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from routectl.routers.causal_llm import CausalLlmRouter

MAX_TOKENS = 512
"""Tokens that are read when scoring, template included."""
SCORE_THRESHOLD = 4
"""From which rating on the weak model's answer is good enough (RouteLLM's default)."""

# What a battle's outcome says of the weak model's answer. A rating of 4 or 5 is good enough, so a
# tie is 4 and a win of the weak model 5; how bad a lost answer was is not known, so it is 1.
_RATING_OF_OUTCOME = (1, 4, 5)

_INTRODUCTION = """
A checkpoint of routectl's `causal_llm` router: a causal language model that predicts one of five
ratings of the weak model's answer, section 4.2.4 of RouteLLM (arXiv 2406.18665). The strong win
rate is the probability of a rating below {threshold}. How a task goes as a whole was taken out of
what it learned, so it knows which prompts of a task are hard rather than which task is.

It is a low-rank adapter (of the query and value projections, {parameters:,} numbers) of the base
model {base}, which is installed apart.
"""

_LIMITS = """
It is slow: a prompt takes about half a second of one CPU core. It learned from {learned:,} prompts
with a label, and its loss was taken on {measured:,} held-out ones, because each takes as long as a
scored one. The epochs of the curve are evaluations: parts of a pass over the examples.

It gives one score for every pair of a strong and a weak model: strong are {strong}; the
others above are weak.
"""


def train_causal_llm(
    request: TrainingRequest,
    *,
    base: Path | None = None,
    settings: AdapterSettings | None = None,
    on_progress: Progress = no_progress,
) -> TrainingReport:
    """Train an adapter of a base model and write its checkpoint, whole or not at all.

    A run that is stopped goes on from its last kept step, and ends at the adapter that it would
    have ended at.

    Args:
        base: folder of the base model; None is the default one.

    Raises:
        InputError: a file cannot be read, or there is too little to learn from.
        RouterError: the default pair is not in the data.
        CheckpointError: the base or peft is missing, or the output is not free.
    """
    started = time.monotonic()
    settings = settings or AdapterSettings()
    require_free(request.output)
    _require_peft()
    base_files = default_base() if base is None else keep_base(base)
    chosen = {**asdict(settings), "base": base_files.digest}

    def learn(partial: PartialRun) -> Trained:
        data = read_training_data(
            request, open_embedder(DEFAULT), partial, on_progress, vectors=False
        )
        labels = strong_weak_labels(data.comparisons, data.pair)
        learned = labels.of_prompts(~data.held_out)
        measured = _measured(labels.of_prompts(data.held_out), request.seed)
        reader = RatingReader(base_files.folder, DEFAULT_TEMPLATE, settings.max_tokens)
        examples_of = _examples(request, data, labels, reader)
        training, testing = examples_of(learned), examples_of(measured)
        tensors, state = _fit(
            base_files, reader, training, testing, settings, request.seed, partial, on_progress
        )
        config: dict[str, object] = {
            "kind": "causal_llm",
            "name": request.output.name,
            "licence": request.licence,
            "default_pair": {"strong": data.pair.strong, "weak": data.pair.weak},
            "models": {"strong": list(labels.strong_models), "weak": list(labels.weak_models)},
            "base": {"name": base_files.name, "digest": base_files.digest},
            "adapter": {"rank": settings.rank, "scale": settings.scale},
            "template": asdict(DEFAULT_TEMPLATE),
            "score_threshold": SCORE_THRESHOLD,
            "max_tokens": MAX_TOKENS,
        }
        router = _as_it_scores(base_files, tensors, settings.scale, config)
        metrics = measured_apgr(router, data, on_progress)
        config["noise"] = score_noise(router, data, on_progress)
        report = TrainingReport.of(
            "causal_llm",
            request,
            data,
            curve=_curve(state, training, testing),
            metrics=metrics,
            seconds=time.monotonic() - started,
        )
        report = replace(report, models=(*labels.strong_models, *labels.weak_models))
        card = model_card(
            report,
            request,
            introduction=_INTRODUCTION.format(
                threshold=SCORE_THRESHOLD,
                parameters=sum(tensor.size for tensor in tensors.values()),
                base=markdown(base_files.name),
            ),
            reads=f"the beginning of a long prompt, {MAX_TOKENS} tokens with the template",
            settings={**chosen, "score threshold": SCORE_THRESHOLD},
            limits=_LIMITS.format(
                learned=len(learned),
                measured=len(measured),
                strong=name_list(labels.strong_models),
            ),
        )
        seen = lineage_file(data, learned=learned.prompt, measured=measured.prompt)
        return Trained(
            config=config,
            tensors=tensors,
            card=card,
            files={**curve_files(report), **seen},
            report=report,
        )

    return run_training("causal_llm", request, chosen, learn)


def targets(
    outcome: NDArray[np.float32], quality: NDArray[np.float32] | None = None
) -> NDArray[np.float32]:
    """The share of each rating of the weak models' answers, shape (n, 5), rows sum to 1.

    Args:
        outcome: shares of strong wins, ties and weak wins, shape (n, 3).
        quality: mean score of the weak models' answers, 0 to 1, shape (n,); NaN where none
            has a score. Where it is known it decides: that share is a 5, the rest a 1. A tie of
            two wrong answers is no sign that the weak one was good enough.
    """
    import numpy as np

    shares = np.zeros((len(outcome), len(RATINGS)), dtype=np.float32)
    for column, rating in enumerate(_RATING_OF_OUTCOME):
        shares[:, rating - 1] = outcome[:, column]
    if quality is None:
        return shares
    return with_graded_scores(shares, quality, won=0, lost=len(RATINGS) - 1)


def _require_peft() -> None:
    from importlib.util import find_spec

    if find_spec("peft") is None:
        raise CheckpointError(
            "Training a causal language model takes the package peft; run "
            "`pip install 'routectl[causal-llm]'`."
        )


def _measured(labels: StrongWeakLabels, seed: int) -> StrongWeakLabels:
    """All labels, or `HELD_OUT_EXAMPLES` of them drawn at random."""
    import numpy as np

    if len(labels) <= HELD_OUT_EXAMPLES:
        return labels
    drawn = np.random.default_rng([seed, 3]).permutation(labels.prompt)[:HELD_OUT_EXAMPLES]
    wanted = np.zeros(int(labels.prompt.max()) + 1, dtype=np.bool_)
    wanted[drawn] = True
    return labels.of_prompts(wanted)


def _examples(
    request: TrainingRequest, data: TrainingData, labels: StrongWeakLabels, reader: RatingReader
) -> Callable[[StrongWeakLabels], Examples]:
    """A function from part of the labels to examples; the training part has the intercepts."""
    import numpy as np

    rated = targets(labels.outcome, weak_quality(request, data)[labels.prompt])
    learned = ~data.held_out[labels.prompt]
    task_intercept = task_intercepts(rated, data.comparisons.task[labels.prompt], learned)

    def of(part: StrongWeakLabels) -> Examples:
        rows = np.searchsorted(labels.prompt, part.prompt)
        prompts = [data.comparisons.prompts[row] for row in part.prompt]
        return Examples(reader.read(prompts), rated[rows], task_intercept[rows])

    return of


def _fit(
    base: BaseFiles,
    reader: RatingReader,
    training: Examples,
    testing: Examples,
    settings: AdapterSettings,
    seed: int,
    partial: PartialRun,
    on_progress: Progress,
) -> tuple[dict[str, NDArray[np.float32]], FitState]:
    """The adapter and where its fit ended, from where an earlier run stopped."""

    def keep(state: FitState) -> None:
        facts = asdict(state)
        partial.save("fit", facts.pop("tensors"), facts)

    state = None
    kept = partial.load("fit")
    if kept is not None:
        state = FitState(tensors=kept[0], **kept[1])
    return fit_adapter(
        load_model(base.folder, settings.dtype),
        training,
        testing,
        reader.ratings,
        settings,
        seed,
        state,
        keep,
        lambda done, total: on_progress("train", done, total),
    )


def _curve(state: FitState, training: Examples, testing: Examples) -> LossCurve:
    """The losses, with the baseline of the mean target and the task intercepts."""
    import numpy as np

    # A rating that was never seen costs no infinite loss: it has a tenth of an example.
    shares = np.maximum(training.targets.mean(axis=0), 0.1 / len(training))
    logits = np.log(shares) + testing.task_intercept
    logs = logits - np.logaddexp.reduce(logits, axis=1, keepdims=True)
    baseline = -(testing.targets * logs).sum(axis=1).mean()
    return LossCurve(
        tuple(state.training), tuple(state.held_out), state.best_evaluation, float(baseline)
    )


def _as_it_scores(
    base: BaseFiles,
    tensors: dict[str, NDArray[np.float32]],
    scale: float,
    config: dict[str, Any],
) -> CausalLlmRouter:
    """The router that the checkpoint will be, in float32."""
    from routectl.records import RouterIdentity
    from routectl.routers.causal_llm import CausalLlmRouter, Head
    from routectl.routers.causal_model import merge_adapter

    model = load_model(base.folder)
    merge_adapter(model, tensors, scale)
    reader = RatingReader(base.folder, DEFAULT_TEMPLATE, MAX_TOKENS)
    identity = RouterIdentity("causal_llm", "", None, 0.0)
    return CausalLlmRouter(identity, model, reader, Head(tensors["bias"]), SCORE_THRESHOLD)
