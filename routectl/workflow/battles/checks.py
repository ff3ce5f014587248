"""`routectl battles check`: can a router learn from the battles, and do they look like the
traffic?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from routectl.embedding import Embedder
from routectl.errors import InputError
from routectl.extraction import EXTRACTION_VERSION
from routectl.preferences.soundness import Soundness, examine
from routectl.records import Population
from routectl.similarity import MeanSimilarity, mean_similarity, nearest
from routectl.store import battles as stored
from routectl.store.engine import Location, Store
from routectl.store.opening import open_store
from routectl.store.populations import requests_by_version
from routectl.store.scores import texts
from routectl.workflow.embedding import embed, open_for_comparison
from routectl.workflow.reporter import Reporter
from routectl.workflow.traffic.populations import say_other_versions

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Baseline:
    """The similarity of traffic to itself: without it nobody can tell whether another one is high.

    Half of the prompts, drawn at random, looks for neighbours among as many prompts of either
    side: the nearest of many is nearer than the nearest of few.
    """

    queries: int
    others: int
    """Prompts among which neighbours were looked for, on each side."""
    to_traffic: float
    """Mean over the requests of half of the prompts, neighbours from the other half."""
    to_battles: float
    """The same requests, neighbours from the battles."""


@dataclass(frozen=True, slots=True)
class TrafficSimilarity:
    """How similar the battles are to the traffic: RouteLLM's Table 5, by requests."""

    similarity: MeanSimilarity
    prompts: int
    """Distinct prompts of the traffic that were compared."""
    prompts_in_all: int
    battle_prompts: int
    baseline: Baseline | None
    """None where the traffic has fewer than two prompts."""
    embedder: str
    seed: int
    """Of the draw of prompts and of the half."""


@dataclass(frozen=True, slots=True)
class BattleCheck:
    """The result of a check of the stored battles."""

    soundness: Soundness
    traffic: TrafficSimilarity | None

    @property
    def failed(self) -> bool:
        """Whether a check said no."""
        return any(finding.fails for finding in self.soundness.findings)


def check_battles(
    location: Location,
    population: Population,
    *,
    with_traffic: bool,
    few_battles: int,
    most_prompts: int,
    embedder: str | None,
    seed: int,
    reporter: Reporter,
) -> BattleCheck:
    """Check the stored battles.

    Args:
        with_traffic: compare them with the traffic, too, if there is any.
        few_battles: battles below which a model counts as rated roughly.
        most_prompts: prompts of the traffic to compare, drawn at random; 0 compares all.
        embedder: as for `embedding.open_embedder`; None is the one that is installed.

    Raises:
        InputError: there are no battles.
    """
    with open_store(location) as store:
        with store.read() as connection:
            soundness = examine(stored.stored_battles(connection), few_battles)
            weights: Mapping[int, float] = {}
            if with_traffic:
                weights = stored.traffic_weights(connection, population, EXTRACTION_VERSION)
                _, others = requests_by_version(connection, population, EXTRACTION_VERSION)
                say_other_versions(others, reporter)
        if not soundness.battles:
            raise InputError("the database holds no battles: run `routectl battles import FILE`")
        if not weights:
            return BattleCheck(soundness, None)
        model = open_for_comparison(embedder, "battles and traffic", reporter)
        drawn = _draw(weights, most_prompts, seed)
        return BattleCheck(soundness, _compare(store, drawn, len(weights), model, seed, reporter))


def _draw(weights: Mapping[int, float], most: int, seed: int) -> dict[int, float]:
    import numpy as np

    ids = list(weights)
    if most and len(ids) > most:
        ids = np.random.default_rng([seed, 0]).choice(ids, most, replace=False).tolist()
    return {id: weights[id] for id in ids}


def _compare(
    store: Store,
    weights: Mapping[int, float],
    prompts_in_all: int,
    model: Embedder,
    seed: int,
    reporter: Reporter,
) -> TrafficSimilarity | None:
    import numpy as np

    with store.read() as connection:
        traffic_texts = texts(connection, list(weights))
        battle_texts = list(stored.battle_prompts(connection).values())
    ids = [id for id in weights if id in traffic_texts]
    if not ids or not battle_texts:
        reporter.note("the texts of the prompts were purged, so similarity cannot be measured")
        return None
    traffic = embed(model, [traffic_texts[id] for id in ids], "embedding the traffic", reporter)
    battles = embed(model, battle_texts, "embedding the battles", reporter)
    weight = np.array([weights[id] for id in ids])
    return TrafficSimilarity(
        mean_similarity(nearest(traffic, battles).cosine, weight),
        len(ids),
        prompts_in_all,
        len(battle_texts),
        _baseline(traffic, weight, battles, seed) if len(ids) > 1 else None,
        model.name,
        seed,
    )


def _baseline(
    traffic: NDArray[np.float32],
    weight: NDArray[np.float64],
    battles: NDArray[np.float32],
    seed: int,
) -> Baseline:
    import numpy as np

    random = np.random.default_rng([seed, 1])
    order = random.permutation(len(traffic))
    half, rest = order[: len(order) // 2], order[len(order) // 2 :]
    size = min(len(rest), len(battles))
    drawn = random.choice(len(battles), size, replace=False)

    def mean(others: NDArray[np.float32]) -> float:
        return mean_similarity(nearest(traffic[half], others).cosine, weight[half]).mean

    return Baseline(len(half), size, mean(traffic[rest[:size]]), mean(battles[drawn]))
