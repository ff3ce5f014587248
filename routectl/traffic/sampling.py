"""Which requests of the traffic an import keeps."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator
from hashlib import blake2b

from routectl.errors import RoutectlError, UsageError
from routectl.records import Population
from routectl.request import BY_POLICY, DecidedBy, TrafficRequest, decided_by
from routectl.traffic.counts import ImportCounts
from routectl.traffic.filters import matches

SAMPLE_KEY = "routectl"
"""The key of samples that name none: samples of one key merge."""


def take(
    requests: Iterable[TrafficRequest],
    *,
    population: Population,
    counts: ImportCounts,
    sample_size: int | None = None,
    key: str = SAMPLE_KEY,
) -> Iterator[TrafficRequest]:
    """Yield the requests that an import keeps, in the order of arrival, and count them.

    Filters first, then samples, so that a sample of N holds N units of the population.
    Without `sample_size` every request of the population is yielded as it comes. Updates
    `filtered`, `undated`, `seen`, `kept`, `excluded` and `not_decided` of `counts`; they are final
    when the iterator ends.

    Raises:
        UsageError: `sample_size` is below 1.
        RoutectlError: What `requests` raised; after the requests that came before it.
    """
    inside = _filtered(requests, population, counts)
    for request in inside if sample_size is None else sample(inside, sample_size, key=key):
        counts.kept += 1
        if request.exclusion is not None:
            counts.excluded[request.exclusion] += 1
        if request.proxy_route is not None:
            _count_decision(request, counts)
        yield request


def _count_decision(request: TrafficRequest, counts: ImportCounts) -> None:
    by = decided_by(
        route=request.proxy_route,
        activation=request.proxy_activation,
        decision=request.proxy_decision,
        reason=request.proxy_reason,
        would_be_reason=request.proxy_would_be_reason,
    )
    is_policys = by in BY_POLICY and by is not DecidedBy.FAILED_OVER
    if not is_policys and by is not DecidedBy.NOTHING:
        counts.not_decided[by.value] += 1


def sample(
    requests: Iterable[TrafficRequest], size: int, *, key: str = SAMPLE_KEY
) -> Iterator[TrafficRequest]:
    """Yield the requests of the `size` units with the smallest keyed hash (bottom-k sampling).

    A unit is a conversation where the log knows it, else the attempts of one call, else one
    request; a unit is kept whole or not at all. The hash makes the choice uniform over units,
    the same in every run, and mergeable: the sample of several logs together is the sample of
    their samples, drawn with the same size and key. Memory holds `size` units: a unit that falls
    out never comes back, for the threshold only falls.

    Raises:
        UsageError: `size` is below 1.
        RoutectlError: What `requests` raised; after the sample of what came before it.
    """
    if size < 1:
        raise UsageError(f"A sample holds at least 1 request, not {size}.")
    secret = blake2b(key.encode("utf-8", "surrogatepass")).digest()
    kept: dict[int, list[tuple[int, TrafficRequest]]] = {}
    largest: list[int] = []  # heap of negated hashes: its first is the threshold
    failure: RoutectlError | None = None
    try:
        for arrival, request in enumerate(requests):
            digest = blake2b(_unit(request), digest_size=16, key=secret).digest()
            rank = int.from_bytes(digest, "big")
            if rank in kept:
                kept[rank].append((arrival, request))
            elif len(kept) < size:
                heapq.heappush(largest, -rank)
                kept[rank] = [(arrival, request)]
            elif rank < -largest[0]:
                del kept[-heapq.heapreplace(largest, -rank)]
                kept[rank] = [(arrival, request)]
    except RoutectlError as error:
        failure = error
    arrivals = sorted((pair for unit in kept.values() for pair in unit), key=lambda pair: pair[0])
    kept.clear()
    for _, request in arrivals:
        yield request
    if failure is not None:
        raise failure


def _filtered(
    requests: Iterable[TrafficRequest], population: Population, counts: ImportCounts
) -> Iterator[TrafficRequest]:
    for request in requests:
        counts.undated += request.time is None
        if matches(population, request):
            counts.seen += 1
            yield request
        else:
            counts.filtered += 1


def _unit(request: TrafficRequest) -> bytes:
    """Name the unit a request belongs to; a conversation "a" is not the request "a"."""
    if request.conversation is not None:
        parts = ("conversation", request.conversation)
    elif request.call_id is not None:
        parts = ("call", request.call_id)
    else:
        parts = ("request", f"{request.source_kind}\0{request.source_id}")
    return "\0".join(parts).encode("utf-8", "surrogatepass")
