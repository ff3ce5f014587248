"""`sw_ranking`, the per-prompt refit that it replaces, and its similarity product.

    python benchmarks/sw_ranking_speed.py [--battles 55000] [--prompts 1024] [--peer-prompts 5]

Battles on distinct prompts with random unit vectors of 384 numbers, ten tiers, one thread. Printed,
in processor time:

- the profile of our scoring, and what share it reaches of the speed that the similarity product
  alone allows (measured sgemm rate / 2 N D); at least 0.7 is wanted;
- how many times faster it is than the published way, the paper's formulas prompt by prompt: cosine
  similarities, the design matrix of all battles, one logistic regression (scikit-learn, its default
  solver and tolerance); at least 250 is wanted. And the same with all but the regression given;
- how far the strong win rates are from a reference fit with the last tier's column dropped, solved
  to the last bits; at most 1e-6 is wanted. Ends with 1 where they are farther;
- time and memory at twice the battles.
"""

from __future__ import annotations

import argparse
import sys
import time
import tracemalloc
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from routectl.routers.sw_ranking.bradley_terry import (
    fit,
    gradient_norms,
    pair_columns,
    statistics_width,
    tier_pairs,
)
from routectl.routers.sw_ranking.neighbours import Neighbours, unit
from routectl.routers.sw_ranking.tiers import make_tiers

MODELS, TIERS, DIMENSION = 64, 10, 384
STRONG, WEAK = 1, 6
WANTED_SPEEDUP, WANTED_SHARE, LARGEST_ERROR = 250, 0.7, 1e-6
TILE = 4096


class Battles:
    """Battles of 64 models on distinct prompts, in the manner of Chatbot Arena.

    A few models have most of the battles, and ratings spread by 110 Elo points, so tiers are of
    very different sizes. Battles within a tier are among them: they count for nothing, but their
    prompts can be the nearest one.
    """

    def __init__(self, count: int, seed: int) -> None:
        random = np.random.default_rng(seed)
        self.vectors = unit(random.normal(size=(count, DIMENSION)))
        ratings = random.normal(0, 110 / 400 * np.log(10), MODELS)
        share = 1 / np.arange(5, 5 + MODELS)
        first = random.choice(MODELS, count, p=share / share.sum())
        second = random.choice(MODELS - 1, count)
        second += second >= first
        p = 1 / (1 + np.exp(ratings[second] - ratings[first]))
        tiers = make_tiers(ratings, TIERS)
        self.a, self.b = tiers[first], tiers[second]
        self.outcome = np.where(random.random(count) < 0.3, 0.5, random.random(count) < p)

    def index(self) -> Neighbours:
        """Prompts with equal counts next to each other, as a checkpoint has them."""
        counts = np.zeros((len(self.a), statistics_width(TIERS)))
        rows, pairs = np.arange(len(self.a)), len(tier_pairs(TIERS)[0])
        apart = self.a != self.b
        counts[rows[apart], pair_columns(self.a[apart], self.b[apart], TIERS)] = 1
        counts[rows, pairs + self.a] = self.outcome
        counts[rows, pairs + self.b] = 1 - self.outcome
        counts[~apart] = 0
        distinct, group = np.unique(counts, axis=0, return_inverse=True)
        order = np.argsort(group.ravel(), kind="stable")
        return Neighbours(self.vectors[order], distinct, group.ravel()[order])

    def design(self, tiers: int) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """Each battle twice, so that a tie is one win for either side."""
        x = np.zeros((len(self.a), TIERS))
        x[np.arange(len(self.a)), self.a] = np.log(10)
        x[np.arange(len(self.a)), self.b] -= np.log(10)
        won = np.concatenate((self.outcome >= 0.5, self.outcome == 1))
        return np.concatenate((x, x))[:, :tiers], won


def weigh(vectors: NDArray[np.float64], query: NDArray[np.float64]) -> NDArray[np.float64]:
    """Of each battle, twice over as in the design matrix."""
    similarity = vectors @ query / (np.linalg.norm(vectors, axis=1) * np.linalg.norm(query))
    weights = 10 * 10 ** (similarity / similarity.max())
    return np.concatenate((weights, weights))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--battles", type=int, default=55_000)
    parser.add_argument("--prompts", type=int, default=1024)
    parser.add_argument("--peer-prompts", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    with threadpool_limits(1):
        return run(arguments)


def run(arguments: argparse.Namespace) -> int:
    battles = Battles(arguments.battles, arguments.seed)
    queries = unit(
        np.random.default_rng([arguments.seed, 1]).normal(size=(arguments.prompts, DIMENSION))
    )
    print(f"{arguments.battles:,} battles, {DIMENSION} dimensions, seed {arguments.seed}, 1 thread")
    index = battles.index()
    ours, rates = profile(index, queries)
    refit, regression = time_peer(battles, queries[: arguments.peer_prompts])
    print(f"refit of each prompt          {refit * 1e3:10.3f} ms a prompt")
    print(f"speedup                       {refit / ours:10.0f} (wanted: {WANTED_SPEEDUP})")
    print(f"its regression alone, times   {regression / ours:10.0f}")
    error = compare(battles, queries[: arguments.peer_prompts], rates)
    scaling(arguments.battles, arguments.seed, queries)
    return int(error > LARGEST_ERROR)


def profile(index: Neighbours, queries: NDArray[np.float32]) -> tuple[float, NDArray[np.float64]]:
    """Seconds a prompt, and the strong win rates."""
    start = fit(index.total[None], TIERS)[0]
    statistics = index.statistics(queries)
    ratings = fit(statistics, TIERS, start)
    counting, _ = seconds(lambda: index.statistics(queries))
    solving, _ = seconds(lambda: fit(statistics, TIERS, start))
    limit = sgemm_seconds(index.vectors, queries) / len(queries)
    counting, solving = counting / len(queries), solving / len(queries)
    total = counting + solving
    print(f"largest gradient entry, per weight {gradient_norms(statistics, ratings).max():.1e}")
    for name, spent in (
        ("similarity product alone", limit),
        ("weights and counts", counting - limit),
        ("Newton", solving),
        ("all", total),
    ):
        print(f"{name:29} {spent * 1e3:10.3f} ms a prompt {spent / total:6.1%}")
    print(f"share of the product's limit  {limit / total:10.2f} (wanted: {WANTED_SHARE})")
    return total, win_rates(ratings)


def sgemm_seconds(vectors: NDArray[np.float32], queries: NDArray[np.float32]) -> float:
    """Of the product of all queries and all vectors, tile by tile into one small buffer."""
    whole = len(vectors) // TILE * TILE
    out = np.empty((min(len(queries), 512), TILE), dtype=np.float32)

    def run() -> None:
        for start in range(0, whole, TILE):
            np.matmul(queries[:512], vectors[start : start + TILE].T, out=out)

    taken, _ = seconds(run)
    rate = 2 * whole * len(out) * DIMENSION / taken
    print(f"sgemm {rate / 1e9:.0f} GFLOP/s")
    return 2 * len(vectors) * len(queries) * DIMENSION / rate


def time_peer(battles: Battles, queries: NDArray[np.float32]) -> tuple[float, float]:
    """Seconds a prompt of the whole refit, and of its regression alone."""
    from sklearn.linear_model import LogisticRegression

    vectors = battles.vectors.astype(np.float64)
    x, won = battles.design(TIERS)
    weights = [weigh(vectors, query) for query in queries]

    def refit() -> None:
        for query in queries:
            model = LogisticRegression(fit_intercept=False, C=np.inf)
            model.fit(*battles.design(TIERS), sample_weight=weigh(vectors, query))

    def regress() -> None:
        for weight in weights:
            LogisticRegression(fit_intercept=False, C=np.inf).fit(x, won, sample_weight=weight)

    return seconds(refit)[0] / len(queries), seconds(regress)[0] / len(queries)


def compare(battles: Battles, queries: NDArray[np.float32], rates: NDArray[np.float64]) -> float:
    """The largest distance from a reference fit with the last tier fixed at 0."""
    from sklearn.linear_model import LogisticRegression

    x, won = battles.design(TIERS - 1)
    vectors = battles.vectors.astype(np.float64)
    worst = slope = 0.0
    for query, rate in zip(queries, rates, strict=False):
        weight = weigh(vectors, query.astype(np.float64))
        weight /= weight.sum()
        model = LogisticRegression(
            fit_intercept=False, C=np.inf, solver="newton-cholesky", tol=1e-13, max_iter=200
        )
        model.fit(x, won, sample_weight=weight)
        ratings = np.append(model.coef_[0], 0) * np.log(10)
        p = 1 / (1 + np.exp(-x @ model.coef_[0]))
        slope = max(slope, float(np.abs(x.T @ (weight * (won - p))).max()))
        worst = max(worst, abs(float(win_rates(ratings[None])[0]) - float(rate)))
    print(f"from the reference fit        {worst:10.1e} (at most {LARGEST_ERROR:.0e}; ", end="")
    print(f"its largest gradient entry, per weight, {slope:.1e})")
    return worst


def scaling(count: int, seed: int, queries: NDArray[np.float32]) -> None:
    for size in (count, 2 * count):
        index = Battles(size, seed).index()
        taken, _ = seconds(lambda index=index: index.statistics(queries))  # type: ignore[misc]
        tracemalloc.start()
        index.statistics(queries)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        print(
            f"{size:9,} battles: {taken / len(queries) / size * 1e9:6.2f} ns a battle and prompt, "
            f"{peak / 2**20:,.0f} MiB besides the vectors"
        )


def win_rates(ratings: NDArray[np.float64]) -> NDArray[np.float64]:
    rates: NDArray[np.float64] = 1 / (1 + np.exp(ratings[:, WEAK] - ratings[:, STRONG]))
    return rates


def seconds(run: Callable[[], object], rounds: int = 3) -> tuple[float, object]:
    """The least processor time of some rounds, and the last result."""
    times, result = [], None
    for _ in range(rounds):
        start = time.process_time()
        result = run()
        times.append(time.process_time() - start)
    return min(times), result


if __name__ == "__main__":
    sys.exit(main())
