"""The steps before any fit: read, choose the pair, embed, leave out what leaks, hold out."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from routectl.embedding import DEFAULT, Embedder, open_embedder
from routectl.errors import InputError, RouterError
from routectl.model_names import resolve
from routectl.preferences.comparisons import Comparisons, ratings, read_comparisons
from routectl.preferences.contamination import SIMILAR, read_all
from routectl.records import ModelPair
from routectl.routers.features import Features
from routectl.routers.question_length import QuestionLength
from routectl.routers.standardised import Standardisation
from routectl.similarity import nearest
from routectl.training.output.partial import PartialRun
from routectl.training.progress import Progress
from routectl.training.request import TrainingRequest

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from routectl.evaluation.bootstrap import Comparison

_HELD_OUT_SHARE = 0.1
_EMBEDDED_AT_ONCE = 256
_KEPT_AT_ONCE = 2048
"""Prompts of a kept piece: that much a stopped run embeds again."""
_NOISE_SAMPLE = 128
_ROUTER, _LENGTH = "router", "length"


@dataclass(frozen=True, slots=True)
class TrainingData:
    """What a router learns from, and what it is measured on."""

    comparisons: Comparisons
    """Those that meet the conditions, without the prompts that resemble a benchmark's."""
    pair: ModelPair
    """The default pair."""
    held_out: NDArray[np.bool_]
    """Shape (prompts,): a tenth of the prompts in use, held out with all of their comparisons."""
    similar_prompts: int
    """Prompts that were left out because they resemble one of a benchmark's."""
    vectors: NDArray[np.float32]
    """Of `comparisons.prompts`, shape (prompts, D); shape (0, D) where nobody asked for them."""

    @property
    def training(self) -> Comparisons:
        return self.comparisons.of_prompts(~self.held_out)

    @property
    def measured(self) -> Comparisons:
        """The comparisons on held-out prompts."""
        return self.comparisons.of_prompts(self.held_out)

    @property
    def used(self) -> NDArray[np.intp]:
        """Indices of the prompts that have a comparison, ascending."""
        import numpy as np

        return np.unique(self.comparisons.prompt)

    @property
    def used_prompts(self) -> list[str]:
        """The texts of `used`, held-out ones included."""
        return [self.comparisons.prompts[row] for row in self.used]


def read_training_data(
    request: TrainingRequest,
    embedder: Embedder,
    partial: PartialRun,
    on_progress: Progress,
    *,
    vectors: bool = True,
) -> TrainingData:
    """Read the request's files and prepare them.

    Args:
        embedder: for the vectors, and for the contamination check, which the installed one does
            where this one's cosines say nothing.
        partial: keeps the vectors of a run that is stopped.
        vectors: whether the caller needs the vectors; without benchmarks nothing else does.

    Raises:
        InputError: a file cannot be read, or there is too little to learn from.
        RouterError: the default pair is not in the data.
        EmbeddingError: the embedder is remote and does not answer as it should.
    """
    import numpy as np

    comparisons = read_comparisons(
        request.battles,
        request.gold,
        request.conditions,
        lambda _, done, total: on_progress("read", done, total),
        request.weights,
    )
    _require_enough(comparisons)
    pair = _default_pair(comparisons, request.strong_model, request.weak_model)
    judged = read_all(request.benchmarks)
    alike = np.zeros(len(comparisons.prompts), dtype=np.bool_)
    embedded_prompts = np.empty((0, embedder.dimension), dtype=np.float32)
    if judged:
        comparing = embedder if embedder.comparable else open_embedder(DEFAULT)
        embedded = embed_texts(comparing, [*comparisons.prompts, *judged], partial, on_progress)
        embedded_prompts = embedded[: len(comparisons.prompts)]
        alike = nearest(embedded_prompts, embedded[len(embedded_prompts) :]).cosine >= SIMILAR
        comparisons = comparisons.of_prompts(~alike)
        _require_enough(comparisons)
    if vectors and not (embedder.comparable and judged):
        embedded_prompts = embed_texts(embedder, comparisons.prompts, partial, on_progress)
    return TrainingData(
        comparisons, pair, _held_out(comparisons, request.seed), int(alike.sum()), embedded_prompts
    )


def embed_texts(
    embedder: Embedder, texts: Sequence[str], partial: PartialRun, on_progress: Progress
) -> NDArray[np.float32]:
    """Shape (n, D); what a stopped run embedded is not embedded again."""
    import numpy as np

    vectors = np.empty((len(texts), embedder.dimension), dtype=np.float32)
    for start in range(0, len(texts), _KEPT_AT_ONCE):
        part = texts[start : start + _KEPT_AT_ONCE]
        name = f"vectors-{embedder.digest[:8]}-{start:08d}"
        key = {"embedder": embedder.digest, "texts": _digest(part)}
        kept = partial.load(name)
        if kept is not None and kept[1] == key:
            vectors[start : start + len(part)] = kept[0]["vectors"]
        else:
            for at in range(start, start + len(part), _EMBEDDED_AT_ONCE):
                on_progress("embed", at, len(texts))
                stop = min(at + _EMBEDDED_AT_ONCE, start + len(part))
                vectors[at:stop] = embedder.embed(texts[at:stop])
            partial.save(name, {"vectors": vectors[start : start + len(part)]}, key)
    on_progress("embed", len(texts), len(texts))
    return vectors


def plain_features(data: TrainingData, embedder: Embedder, question_length: bool) -> Features:
    """The features of the prompts in use, with one direction for all of them.

    Those that resemble a benchmark's have no say in the constants.

    Args:
        question_length: whether the length of a prompt's question is an extra feature.
    """
    return Features(
        None if embedder.comparable else Standardisation.fit(data.vectors[data.used]),
        QuestionLength.fit(data.used_prompts) if question_length else None,
    )


def embedder_noise(embedder: Embedder, prompts: Sequence[str]) -> float:
    """The embedder's noise, measured on prompts of all lengths; see `embedding.noise`."""
    from routectl.embedding.noise import embedding_noise

    return max(embedding_noise(embedder, _of_all_lengths(prompts)), embedder.least_noise)


def projected_noise(
    embedder: Embedder,
    prompts: Sequence[str],
    project: Callable[[NDArray[np.float32], Sequence[str]], NDArray[np.floating]],
    steepest: float,
) -> float:
    """The noise of features that are computed from the vectors.

    Where their numbers differ much in size, hardly any of the noise lies along what is learned.

    Args:
        project: computes features, shape (n, d), from the vectors of n prompts, shape (n, D), and
            the prompts.
        steepest: how far features move at most where a vector moves by 1.
    """
    from routectl.embedding.noise import embedding_noise

    texts = _of_all_lengths(prompts)
    seen = embedding_noise(embedder, texts, lambda vectors: project(vectors, texts))
    return max(seen, embedder.least_noise * steepest)


def _of_all_lengths(prompts: Sequence[str]) -> list[str]:
    by_length = sorted(prompts, key=len)
    step = max(1, len(by_length) // _NOISE_SAMPLE)
    return by_length[::step][:_NOISE_SAMPLE]


def held_out_apgr(
    win_rates: NDArray[np.float64], measured: Comparisons, pair: ModelPair
) -> dict[str, float]:
    """APGR of a pair on held-out prompts, where the two met and their gap is significant.

    Args:
        win_rates: of all prompts of the comparisons, shape (prompts,); only those of prompts on
            which the pair met are read.

    Returns:
        `apgr`, `apgr_low`, `apgr_high` (95 % bootstrap), `apgr_prompts`, and `length_difference`,
        `length_low`, `length_high`: by how much it is above the APGR of the prompts' lengths, on
        the same draws. Or nothing.
    """
    import numpy as np

    from routectl.evaluation.bootstrap import bootstrap
    from routectl.evaluation.metrics import APGR

    strong, weak = (measured.models.index(name) for name in (pair.strong, pair.weak))
    forward = (measured.model_a == strong) & (measured.model_b == weak)
    backward = (measured.model_a == weak) & (measured.model_b == strong)
    met = forward | backward
    gain = np.where(forward, 1.0, -1.0) * (2.0 * measured.outcome - 1.0)
    gain = gain[met]
    if not gain.sum() > 0:
        return {}
    rows = measured.prompt[met]
    scores = {_ROUTER: win_rates[rows], _LENGTH: length_scores([measured.prompts[r] for r in rows])}
    drawn = bootstrap(scores, gain, np.zeros(len(gain)), metrics=(APGR,))
    estimate = drawn.estimate(_ROUTER, APGR)
    if estimate.value is None or not np.isfinite(estimate.low):
        return {}
    return {
        "apgr": estimate.value,
        "apgr_low": estimate.low,
        "apgr_high": estimate.high,
        "apgr_prompts": float(len(gain)),
        **length_figures(drawn.compare(_ROUTER, _LENGTH)),
    }


def length_scores(prompts: Sequence[str]) -> NDArray[np.float64]:
    """Scores in [0, 1) that order prompts by their lengths, as the `length` router does."""
    import numpy as np

    lengths = np.array([len(prompt) for prompt in prompts], dtype=np.float64)
    scores: NDArray[np.float64] = lengths / (lengths.max(initial=0.0) + 1)
    return scores


def length_figures(compared: Comparison) -> dict[str, float]:
    """A router's APGR less that of the prompts' lengths, by the names that a report has."""
    if compared.difference is None or not math.isfinite(compared.high - compared.low):
        return {}
    return {
        "length_difference": compared.difference,
        "length_low": compared.low,
        "length_high": compared.high,
    }


def _digest(texts: Sequence[str]) -> str:
    digest = hashlib.sha256()
    for text in texts:
        digest.update(hashlib.sha256(text.encode()).digest())
    return digest.hexdigest()


def _require_enough(comparisons: Comparisons) -> None:
    import numpy as np

    if len(comparisons) == 0:
        raise InputError(
            "There is nothing to learn from: every prompt resembles one of a benchmark."
        )
    if len(np.unique(comparisons.prompt)) < 2:
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


def _held_out(comparisons: Comparisons, seed: int) -> NDArray[np.bool_]:
    """Which prompts are held out, shape (prompts,): a tenth of those in use, at least one."""
    import numpy as np

    used = np.unique(comparisons.prompt)
    count = max(1, round(_HELD_OUT_SHARE * len(used)))
    held_out = np.zeros(len(comparisons.prompts), dtype=np.bool_)
    held_out[np.random.default_rng([seed, 1]).permutation(used)[:count]] = True
    return held_out
