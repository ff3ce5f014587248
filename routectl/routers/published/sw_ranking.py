"""Similarity-weighted ranking from the data that RouteLLM publishes it as.

There are no weights: a folder holds battles in Chatbot Arena's columns (`battles*.json`, `.jsonl`
or `.csv`, plain or gzipped) and a vector of each battle's first turn (`embeddings*.npy`), several
of either one after the other by name. As in the published package, battles whose first turn has
fewer than 16 characters drop out first, and have no vector; tiers come from the ratings of all
others. The fit itself is exact here: the published one stops early, and lets battles within a tier
pull that tier towards 0, where here they drop out.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from routectl.errors import CheckpointError
from routectl.records import RouterIdentity
from routectl.routers.pairs import choose_pair
from routectl.routers.protocol import OpenRouter, fingerprint
from routectl.routers.published.embedded import EmbeddedRemotely
from routectl.routers.published.folder import files_named
from routectl.routers.published.mf import DEFAULT_PAIR
from routectl.routers.sw_ranking.bradley_terry import counts, fit
from routectl.routers.sw_ranking.noise import SAFETY_FACTOR, score_noise
from routectl.routers.sw_ranking.ranking import Ranking, Ratings
from routectl.routers.sw_ranking.router import SUMMARY, SwRankingRouter
from routectl.routers.sw_ranking.tiers import MOST_TIERS, make_tiers

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

LEAST_CHARACTERS = 16
"""Battles on shorter first turns are not used."""


def open_published(folder: Path, strong_model: str | None, weak_model: str | None) -> OpenRouter:
    """Open published battles for a model pair; None takes RouteLLM's own.

    Raises:
        RouterError: the battles do not know a model, or both are of one tier.
        InputError: a battle cannot be read.
        CheckpointError: the embeddings are damaged, pickled, or not one for each battle.
        UsageError: `OPENAI_BASE_URL` is no address.
    """
    from routectl.embedding.remote import NOISE

    ranking = read_published(folder)
    pair = choose_pair(
        strong_model or DEFAULT_PAIR.strong,
        weak_model or DEFAULT_PAIR.weak,
        DEFAULT_PAIR,
        ranking.models,
    )
    tiers = ranking.tiers_of(pair)
    ratings = Ratings(ranking)
    noise = score_noise(ratings, _between(ranking.vectors), NOISE)
    of_pair = SAFETY_FACTOR * float(noise[tiers[0], tiers[1]])
    embedded = EmbeddedRemotely.of(ranking.vectors.shape[1])
    facts = embedded.facts("sw_ranking", _digest(folder), pair)
    identity = RouterIdentity("sw_ranking", fingerprint(facts), pair, of_pair, facts)
    description = embedded.description(
        "sw_ranking", SUMMARY, folder, ranking.models, DEFAULT_PAIR, None
    )
    return OpenRouter(
        identity,
        description,
        lambda: SwRankingRouter(identity, ranking, tiers, embedded.open(folder)),
        embedded.shares,
    )


def read_published(folder: Path) -> Ranking:
    """The ranking that published battles and embeddings make.

    Raises:
        RouterError: the battles give the models no ratings.
        InputError: a battle cannot be read.
        CheckpointError: the embeddings are damaged, pickled, or not one for each battle.
    """
    import numpy as np

    first, second, outcome, models = _battles(folder)
    vectors = _embeddings(folder)
    if len(vectors) != len(first):
        raise CheckpointError(
            f"{folder} holds {len(first):,} battles on first turns of {LEAST_CHARACTERS} or more "
            f"characters, and {len(vectors):,} vectors; the published layout has one for each."
        )
    rows, weight = np.zeros(len(first), dtype=np.int64), np.ones(len(first))
    together = counts(rows, first, second, outcome, weight, (1, len(models)))
    tiers = make_tiers(fit(together, len(models))[0], min(MOST_TIERS, len(models)))
    size = int(tiers.max()) + 1
    # A battle is one of a few kinds, so there are far fewer distinct rows than battles.
    kind = (tiers[first] * size + tiers[second]) * 3 + (2 * outcome).astype(np.int64)
    distinct, group = np.unique(kind, return_inverse=True)
    positions = np.arange(len(distinct))
    statistics = counts(
        positions,
        distinct // 3 // size,
        distinct // 3 % size,
        distinct % 3 / 2,
        np.ones(len(distinct)),
        (len(distinct), size),
    )
    order = np.argsort(group, kind="stable")
    return Ranking(
        models,
        tuple(tiers.tolist()),
        vectors[order],
        statistics.astype(np.float32),
        group[order].astype(np.int32),
        0.0,
        np.zeros((size, size), dtype=np.float32),
    )


def _battles(
    folder: Path,
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64], tuple[str, ...]]:
    """Model a, model b and outcome of each battle that is used, and the models' names."""
    import numpy as np

    from routectl.tables import read_rows

    models: dict[str, int] = {}
    rows: list[tuple[int, int, float]] = []
    for path in files_named(folder, "battles*"):
        for row in read_rows(path)[1]:
            votes = [row.number(f"winner_model_{side}") for side in "ab"]
            try:
                first_turn = json.loads(row.text("prompt"))[0].strip()
            except (ValueError, LookupError, TypeError, AttributeError):
                raise row.error("column 'prompt' must hold a JSON list of turns") from None
            if len(first_turn) < LEAST_CHARACTERS:
                continue
            # Whoever won; all else counts as a tie.
            outcome = 1.0 if votes[0] == 1 else 0.0 if votes[1] == 1 else 0.5
            a, b = (models.setdefault(row.text(f"model_{side}"), len(models)) for side in "ab")
            rows.append((a, b, outcome))
    if len(models) < 2:
        raise CheckpointError(f"{folder} holds no battles of two models that could be used.")
    table = np.array(rows)
    first, second = table[:, 0].astype(np.int64), table[:, 1].astype(np.int64)
    return first, second, table[:, 2], tuple(models)


def _embeddings(folder: Path) -> NDArray[Any]:
    import numpy as np

    parts = []
    for path in files_named(folder, "embeddings*.npy"):
        try:
            part = np.load(path, allow_pickle=False)
        except (ValueError, EOFError, OSError) as error:
            raise CheckpointError(
                f"{path} is damaged, or holds pickled objects, which are never loaded because they "
                "can run code; save it anew as an array of numbers."
            ) from error
        if part.ndim != 2 or part.dtype.kind != "f":
            raise CheckpointError(f"{path} must hold one vector a row, of floating-point numbers.")
        parts.append(part.astype(np.float32))
    if len({part.shape[1] for part in parts}) != 1:
        raise CheckpointError(f"{folder}: the embeddings have vectors of different lengths.")
    vectors = np.concatenate(parts)
    lengths = np.linalg.norm(vectors, axis=1)
    if not (np.isfinite(lengths) & (lengths > 0)).all():
        raise CheckpointError(f"{folder}: a vector is zero or holds values that are not finite.")
    return vectors


def _between(vectors: NDArray[Any]) -> NDArray[np.float32]:
    """Vectors that are none of the battles' own, each halfway between two of them."""
    import numpy as np

    step = max(1, len(vectors) // 32)
    chosen = vectors[::step].astype(np.float32)
    return np.asarray(chosen + np.roll(chosen, 1, axis=0), dtype=np.float32)


def _digest(folder: Path) -> str:
    digest = hashlib.sha256()
    for path in (*files_named(folder, "battles*"), *files_named(folder, "embeddings*.npy")):
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()
