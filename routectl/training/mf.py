"""Training of the `mf` router: files of preference data in, a checkpoint out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from routectl.embedding import DEFAULT, Embedder, open_embedder
from routectl.errors import InputError, RouterError
from routectl.records import Condition, ModelPair
from routectl.routers.checkpoint import require_free, write_checkpoint
from routectl.routers.model_names import resolve
from routectl.training.card import mf_card
from routectl.training.comparisons import Comparisons, ratings, read_comparisons
from routectl.training.contamination import read_all, similar
from routectl.training.factorize import Fit, Settings, factorize
from routectl.training.report import Progress, TrainingReport, no_progress

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_HELD_OUT_SHARE = 0.1
_NOISE_SAMPLE = 128
_EMBEDDED_AT_ONCE = 256


def train_mf(
    *,
    battles: Sequence[Path],
    gold: Sequence[Path],
    output: Path,
    embedder: str | None = None,
    reads: str = "head",
    seed: int = 0,
    drop_ties: bool = False,
    strong_model: str | None = None,
    weak_model: str | None = None,
    conditions: Sequence[Condition] = (),
    benchmarks: Sequence[Path] = (),
    licence: str | None = None,
    settings: Settings | None = None,
    on_progress: Progress = no_progress,
) -> TrainingReport:
    """Train matrix factorization and write its checkpoint, whole or not at all.

    Prompts are held out whole, with all of their comparisons, so that the held-out loss is one on
    prompts never seen. The same files and seed give the same weights on the same machine.

    Args:
        battles: files that `battles.read_battles` can read.
        gold: files that `gold.read_gold` can read.
        output: folder to write; must be new or empty.
        embedder: as for `embedding.open_embedder`; None is the one that is installed.
        reads: what is read of a long prompt, one of `embedding.READS`.
        drop_ties: leave ties out, as the published training does.
        strong_model: the default pair's; None is the model with the highest rating.
        weak_model: the same; None is the lowest rated that was compared with the strong one.
        conditions: only rows that meet them are learned from, see `rows.keep`.
        benchmarks: files of prompts on which the router will be judged; prompts that resemble one
            of them (`contamination.SIMILAR`) are left out.
        licence: what the model card and `routers show` say the checkpoint may be used under.

    Raises:
        InputError: a file cannot be read, or there is too little to learn from.
        RouterError: the default pair is not in the data.
        CheckpointError: the embedder cannot be loaded, or the output is not free.
        EmbeddingError: the embedder is remote and does not answer as it should.
    """
    import numpy as np

    from routectl.routers.mf import open_router

    settings = settings or Settings()
    require_free(output)
    comparisons = read_comparisons(
        battles, gold, conditions, lambda _, done, total: on_progress("read", done, total)
    )
    if drop_ties:
        comparisons = comparisons.without_ties()
    _require_enough(comparisons, drop_ties)
    pair = _default_pair(comparisons, strong_model, weak_model)
    model = open_embedder(embedder or DEFAULT, reads=reads)
    judged = read_all(benchmarks)
    total = len(comparisons.prompts) + len(judged)
    vectors = _embed(model, comparisons.prompts, 0, total, on_progress)
    alike = np.zeros(len(vectors), dtype=np.bool_)
    if judged:
        alike = similar(vectors, _embed(model, judged, len(vectors), total, on_progress))
        comparisons = comparisons.of_prompts(~alike)
        _require_enough(comparisons, drop_ties)
    held_out = _held_out(comparisons, seed)
    fit = factorize(
        vectors,
        comparisons.of_prompts(~held_out),
        comparisons.of_prompts(held_out),
        settings,
        seed,
        lambda done, most: on_progress("train", done, most),
    )
    config: dict[str, object] = {
        "kind": "mf",
        "name": output.name,
        "licence": licence,
        "default_pair": {"strong": pair.strong, "weak": pair.weak},
        "dimension": settings.dimension,
        "models": list(comparisons.models),
        "embedder": {
            "name": model.name,
            "digest": model.digest,
            "dimension": model.dimension,
            "max_tokens": model.max_tokens,
            "reads": reads,
            "noise": _noise(model, comparisons),
        },
    }
    metrics = _held_out_apgr(fit, vectors, comparisons.of_prompts(held_out), pair)
    report = TrainingReport(
        router="mf",
        path=output,
        fingerprint="",
        default_pair=pair,
        battles=comparisons.battle_rows,
        gold=comparisons.gold_rows,
        comparisons=len(comparisons),
        ties=comparisons.ties,
        prompts=len(np.unique(comparisons.prompt)),
        held_out_prompts=int(held_out.sum()),
        similar_prompts=int(alike.sum()),
        models=comparisons.models,
        epochs=fit.epochs,
        held_out_loss=fit.held_out_loss,
        baseline_loss=fit.baseline_loss,
        metrics=metrics,
    )
    tensors = {
        "model_vectors": fit.model_vectors,
        "projection": fit.projection,
        "weights": fit.weights,
    }
    if model.probe is not None:
        tensors["probe"] = model.probe
    card = mf_card(
        report, model, reads, settings, seed, drop_ties, [*battles, *gold], conditions, licence
    )
    write_checkpoint(output, config, tensors, card)
    fingerprint = open_router(output, None, None).identity.fingerprint
    return _with_fingerprint(report, fingerprint)


def _require_enough(comparisons: Comparisons, drop_ties: bool) -> None:
    import numpy as np

    if len(comparisons) == 0:
        why = "every comparison is a tie, and ties are dropped" if drop_ties else "nothing is left"
        raise InputError(f"There is nothing to learn from: {why}.")
    prompts = len(np.unique(comparisons.prompt))
    if prompts < 2:
        raise InputError(
            "There is only one prompt to learn from, and one has to be held out; give more data."
        )


def _default_pair(
    comparisons: Comparisons, strong_model: str | None, weak_model: str | None
) -> ModelPair:
    import numpy as np

    models, rating = comparisons.models, ratings(comparisons)
    if strong_model is None:
        strong = models[int(np.argmax(rating))]
    else:
        strong = resolve(strong_model, models, side="strong")
    if weak_model is None:
        at = models.index(strong)
        a, b = comparisons.model_a, comparisons.model_b
        rivals = np.unique(np.concatenate((a[b == at], b[a == at])))
        weak = models[int(rivals[np.argmin(rating[rivals])])] if len(rivals) else strong
    else:
        weak = resolve(weak_model, models, side="weak")
    if strong == weak:
        raise RouterError(
            f"{strong} would be both the strong and the weak model of the default pair; "
            "name two different models."
        )
    return ModelPair(strong, weak)


def _embed(
    model: Embedder, texts: Sequence[str], before: int, total: int, on_progress: Progress
) -> NDArray[np.float32]:
    import numpy as np

    vectors = np.empty((len(texts), model.dimension), dtype=np.float32)
    for start in range(0, len(texts), _EMBEDDED_AT_ONCE):
        on_progress("embed", before + start, total)
        stop = start + _EMBEDDED_AT_ONCE
        vectors[start:stop] = model.embed(texts[start:stop])
    on_progress("embed", before + len(texts), total)
    return vectors


def _held_out(comparisons: Comparisons, seed: int) -> NDArray[np.bool_]:
    """Which prompts are held out, shape (prompts,): a tenth of those in use, at least one."""
    import numpy as np

    used = np.unique(comparisons.prompt)
    count = max(1, round(_HELD_OUT_SHARE * len(used)))
    held_out = np.zeros(len(comparisons.prompts), dtype=np.bool_)
    held_out[np.random.default_rng([seed, 1]).permutation(used)[:count]] = True
    return held_out


def _noise(model: Embedder, comparisons: Comparisons) -> float:
    from routectl.embedding.noise import embedding_noise

    by_length = sorted(comparisons.prompts, key=len)
    step = max(1, len(by_length) // _NOISE_SAMPLE)
    return max(embedding_noise(model, by_length[::step][:_NOISE_SAMPLE]), model.least_noise)


def _held_out_apgr(
    fit: Fit, vectors: NDArray[np.float32], held_out: Comparisons, pair: ModelPair
) -> dict[str, float]:
    """APGR of the default pair on held-out prompts, where the pair met and has a gap there."""
    import numpy as np

    from routectl.evaluation.metrics import apgr, apgr_interval, quality_curve
    from routectl.routers.mf import Factors

    strong, weak = (held_out.models.index(name) for name in (pair.strong, pair.weak))
    forward = (held_out.model_a == strong) & (held_out.model_b == weak)
    backward = (held_out.model_a == weak) & (held_out.model_b == strong)
    met = forward | backward
    gain = np.where(forward, 1.0, -1.0) * (2.0 * held_out.outcome - 1.0)
    gain = gain[met]
    if not gain.sum() > 0:
        return {}
    factors = Factors(held_out.models, fit.model_vectors, fit.projection, fit.weights)
    scores = vectors[held_out.prompt[met]] @ factors.direction(pair)
    zero = np.zeros(len(gain))
    low, high = apgr_interval(scores, gain, zero)
    return {
        "apgr": apgr(quality_curve(scores, gain, zero)),
        "apgr_low": low,
        "apgr_high": high,
        "apgr_prompts": float(len(gain)),
    }


def _with_fingerprint(report: TrainingReport, fingerprint: str) -> TrainingReport:
    from dataclasses import replace

    return replace(report, fingerprint=fingerprint)
