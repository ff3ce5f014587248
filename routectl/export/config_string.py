"""The config string that a RouteLLM proxy takes as a model name: router-NAME-THRESHOLD."""

from __future__ import annotations

from routectl.errors import RoutectlError
from routectl.export.decision import Decision


def config_string(decision: Decision) -> str:
    """The decision as one config string.

    RouteLLM splits it at the first two hyphens and reads the rest as a float in [0, 1]; a
    request goes to the strong model iff its score is at least that. Threshold 0 is therefore
    always-strong, and nothing is always-weak: a score can equal 1.

    Raises:
        RoutectlError: no config string says this decision.
    """
    if decision.mode == "always_weak":
        raise RoutectlError(
            f"route {decision.route!r} is set to always-weak, which no config string can say "
            "(a score of 1.0 passes every threshold): take --format env, json or yaml and send "
            "the route to its weak model in the proxy"
        )
    if decision.router is None:
        raise RoutectlError(
            f"route {decision.route!r} is set to always-strong and never had a router to name in "
            "a config string: take --format env, json or yaml"
        )
    threshold = "0.0" if decision.mode == "always_strong" else decision.threshold
    return f"router-{decision.router}-{threshold}"
