"""What `routectl serve` counts, for Prometheus."""

from __future__ import annotations

from collections.abc import Iterable

from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from routectl.proxy.decider import Decider
from routectl.proxy.decision_log import DecisionLog


class DecisionCounts(Collector):
    """What the decider and the routes file have counted."""

    def __init__(self, decider: Decider, decision_log: DecisionLog | None) -> None:
        self._decider = decider
        self._log = decision_log

    def collect(self) -> Iterable[Metric]:
        requests = CounterMetricFamily(
            "routectl_requests",
            "Requests by route, decision and reason",
            labels=["route", "decision", "reason"],
        )
        for labels, count in self._decider.reasons.copy().items():
            requests.add_metric(list(labels), count)
        would_be = CounterMetricFamily(
            "routectl_policy_decisions",
            "Requests by what the policy decides live: in a shadow and outside a canary it differs "
            "from what is served",
            labels=["route", "decision", "reason"],
        )
        for labels, count in self._decider.would_be.copy().items():
            would_be.add_metric(list(labels), count)
        scored = CounterMetricFamily(
            "routectl_prompts",
            "Prompts that were to be scored, by their length and what came of it",
            labels=["route", "characters", "outcome"],
        )
        for labels, count in self._decider.outcomes.copy().items():
            scored.add_metric(list(labels), count)
        running = self._decider.running
        yield requests
        yield would_be
        yield scored
        if self._log is not None:
            yield CounterMetricFamily(
                "routectl_log_failures",
                "Decisions that could not be written to the log",
                value=self._log.failures,
            )
        yield CounterMetricFamily(
            "routectl_routes_changes", "Times that routes.json was taken up", value=running.changes
        )
        yield CounterMetricFamily(
            "routectl_routes_failures",
            "Times that what routes.json had become could not be carried out",
            value=running.failures,
        )
        yield GaugeMetricFamily(
            "routectl_routes_current",
            "1 where routes.json is what runs, 0 where the last good one is kept",
            value=running.problem is None,
        )
        activations = GaugeMetricFamily(
            "routectl_activation", "The activation that a route runs", labels=["route"]
        )
        for name, route in running.routes.items():
            activations.add_metric([name], route.active.policy.activation_id or 0)
        yield activations
