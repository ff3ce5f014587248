"""Which prompts of the traffic are judged, and how many requests each stands for."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from routectl.errors import NoPromptsError, UsageError
from routectl.extraction import EXTRACTION_VERSION
from routectl.judging.prompts import draw_key
from routectl.records import Population
from routectl.routers import OpenRouter
from routectl.store.engine import Location, Store
from routectl.store.opening import open_store
from routectl.store.populations import overview
from routectl.store.scores import scored_requests, texts, win_rates
from routectl.workflow.reporter import Reporter
from routectl.workflow.scoring import score_missing, score_prompts
from routectl.workflow.traffic.populations import (
    ready_routers,
    refuse_an_empty_population,
    say_what_the_population_mixes,
)

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_TEXTS_AT_ONCE = 10_000
FEWEST_PROMPTS = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """The settings of a labelling."""

    population: Population
    sample: int
    """Prompts to draw."""
    seed: int = 0
    """Of the draw and of the bootstrap."""
    draws: int = 1000
    """Of the bootstrap."""
    confidence: float = 0.95
    note: str | None = None


@dataclass(frozen=True, slots=True)
class DrawnTraffic:
    """Prompts that were drawn, each with the scores of all routers. n of them."""

    routers: list[OpenRouter]
    """The first one's scores gave the strata."""
    router_ids: list[int]
    """In the store."""
    prompts: list[str]
    """Distinct, in an order of which every beginning is spread over the strata."""
    ids: NDArray[np.int64]
    """Shape (n,), of the prompts in the store."""
    win_rates: list[NDArray[np.float64]]
    """By router, shape (n,)."""
    weights: NDArray[np.float64]
    """Shape (n,): how many requests each stands for."""
    strata: NDArray[np.int64]
    """Shape (n,)."""
    own_requests: float
    """Weight of the requests that sent one of the drawn prompts."""
    requests: float
    """Weight of the requests that they stand for."""
    distinct: int
    """Prompts that could have been drawn."""
    excluded: dict[str, float]
    """Weight of the requests that cannot be drawn, by reason."""


def draw_traffic(
    location: Location,
    routers: Sequence[OpenRouter],
    question: Question,
    reporter: Reporter,
    *,
    unnamed: Collection[str] = (),
) -> DrawnTraffic:
    """Score the population with the first router, as far as it is not, and draw prompts by strata
    of these scores. The other routers score what was drawn.

    Args:
        unnamed: fingerprints of routers that nobody asked for by name. Of these a slow one takes
            part only if all of its scores are stored.

    Raises:
        NoPromptsError: the population is empty, or none of its requests has a prompt.
        UsageError: it has fewer prompts than the sample.
    """
    import numpy as np

    from routectl.evaluation.strata import draw_by_strata

    population = question.population
    with open_store(location) as store:
        with store.read() as connection:
            traffic = overview(connection, population, EXTRACTION_VERSION)
            refuse_an_empty_population(connection, traffic, population)
        say_what_the_population_mixes(traffic, population, reporter)
        ready = ready_routers(store, routers, unnamed, population, reporter)
        if not ready:
            raise UsageError("no router is left to evaluate: name one with -r")
        first = score_missing(store, ready[0], population, reporter).router_id
        rows = scored_requests(store, first, population, EXTRACTION_VERSION)
        ids, first_row, inverse = np.unique(rows.prompts, return_index=True, return_inverse=True)
        requests = np.zeros(len(ids))
        np.add.at(requests, inverse, rows.weights)
        random_numbers = _random_numbers(store, ids, question.seed)
        has_text = ~np.isnan(random_numbers)
        ids, scores = ids[has_text], rows.win_rates[first_row][has_text]
        requests, random_numbers = requests[has_text], random_numbers[has_text]
        _refuse_too_few(len(ids), question.sample)
        drawn = draw_by_strata(scores, requests, random_numbers, question.sample)
        chosen = ids[drawn.rows]
        others = score_prompts(store, ready[1:], chosen.tolist(), reporter)
        router_ids = [first, *(result.router_id for result in others)]
        with store.read() as connection:
            by_id = texts(connection, chosen.tolist())
            rates = [win_rates(connection, router, chosen.tolist()) for router in router_ids]
    purged = traffic.weight - sum(traffic.excluded.values()) - float(requests.sum())
    return DrawnTraffic(
        routers=ready,
        router_ids=router_ids,
        prompts=[by_id[id] for id in chosen.tolist()],
        ids=chosen,
        win_rates=[np.array([rate[id] for id in chosen.tolist()]) for rate in rates],
        weights=drawn.weights,
        strata=drawn.strata,
        own_requests=float(requests[drawn.rows].sum()),
        requests=float(requests.sum()),
        distinct=len(ids),
        excluded=dict(traffic.excluded) | ({"purged": purged} if purged > 1e-6 else {}),
    )


def _random_numbers(store: Store, ids: NDArray[np.int64], seed: int) -> NDArray[np.float64]:
    """A random number for each prompt, uniform in (0, 1), shape (n,); NaN where its text was
    purged."""
    import numpy as np

    numbers = np.full(len(ids), np.nan)
    for start in range(0, len(ids), _TEXTS_AT_ONCE):
        batch = ids[start : start + _TEXTS_AT_ONCE].tolist()
        with store.read() as connection:
            text_by_id = texts(connection, batch)
        for row, id in enumerate(batch, start=start):
            if id in text_by_id:
                # 53 bits, which a float holds exactly, and never 0.
                key = int.from_bytes(draw_key(text_by_id[id], seed)[:8], "big") >> 11
                numbers[row] = (key + 0.5) / 2**53
    return numbers


def _refuse_too_few(prompts: int, sample: int) -> None:
    if prompts < FEWEST_PROMPTS:
        raise NoPromptsError(
            f"this population holds {prompts} distinct prompts whose text is there, and nothing "
            "can be said of so few: import more traffic, or loosen --where, --since and --until"
        )
    if sample > prompts:
        raise UsageError(
            f"this population holds {prompts:,} distinct prompts, fewer than --sample {sample}: "
            f"name at most {prompts}"
        )
