"""How an explanation of a request is shown."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from routectl.cli.activation_table import to_json as activation_json
from routectl.cli.console import Console, when
from routectl.cli.policy_text import by_whom, mode_text, runs_text
from routectl.policy import Reason
from routectl.records import IdKind

if TYPE_CHECKING:
    from routectl.proxy import Decision
    from routectl.workflow.watching.explaining import Explanation, Logged, Ruling, Stored


def print_explanation(console: Console, result: Explanation, *, show_prompt: bool) -> None:
    """What the log says of a request, and what the policies say."""
    rows: list[tuple[str, str]] = [("route", result.route)]
    if result.request is not None:
        rows += _request(result.request)
    if result.logged is not None:
        rows.append(("the log says", _logged(result.logged)))
    for name, ruling in (("ran then", result.then), ("runs now", result.now)):
        if ruling is not None:
            rows += _ruling(name, ruling)
    if result.now is None:
        rows.append(("runs now", "nothing: `routectl activate` makes the route run a calibration"))
    if show_prompt:
        rows.append(("prompt", "-" if result.prompt is None else result.prompt))
    console.table(rows)
    for sentence in warnings(result):
        console.note(sentence)


def to_json(result: Explanation, *, show_prompt: bool) -> dict[str, object]:
    """An explanation for programs."""
    return {
        "route": result.route,
        "request": None if result.request is None else asdict(result.request),
        "logged": None if result.logged is None else asdict(result.logged),
        "then": _ruling_json(result.then),
        "now": _ruling_json(result.now),
        "prompt": result.prompt if show_prompt else None,
        "warnings": warnings(result),
    }


def warnings(result: Explanation) -> list[str]:
    """What a reader must know besides."""
    said = []
    if result.request is not None and result.request.others:
        said.append(
            f"{result.request.others:,} more requests have this id, and the newest is explained"
        )
    if any(ruling is not None and ruling.scored_now for ruling in (result.then, result.now)):
        said.append("the score was computed now, and is not stored")
    return said


def _request(request: Stored) -> list[tuple[str, str]]:
    rows = [("request", request.id), ("time", when(request.time))]
    rows += [
        (name, value)
        for name, value in (
            ("team", request.team),
            ("model group", request.model_group),
            ("conversation", request.conversation),
        )
        if value is not None
    ]
    if request.status == "failure":
        rows.append(("status", "it failed"))
    if request.cache_hit:
        rows.append(("status", "answered from the cache: nothing was decided"))
    if request.weight != 1.0:
        rows.append(("stands for", f"{request.weight:,.1f} requests of its sample"))
    return rows


def _logged(logged: Logged) -> str:
    answered = "" if logged.answered_by is None else f"; {logged.answered_by} answered"
    if logged.decision is None:
        return f"no decision{answered}"
    parts = [logged.decision if logged.model is None else f"{logged.decision} ({logged.model})"]
    if logged.activation is not None:
        parts.append(f"by {logged.activation}")
    if logged.reason is not None:
        parts.append(f"reason {logged.reason}")
    if logged.score is not None:
        parts.append(f"score {logged.score:.6f}")
    return ", ".join(parts) + answered


def _ruling(name: str, ruling: Ruling) -> list[tuple[str, str]]:
    ran = ruling.activation
    ref = IdKind.ACTIVATION.ref(ran.id)
    calibration = IdKind.CALIBRATION.ref(ran.calibration_id)
    made = "" if ran.calibration is None else f" of {calibration}"
    mode = mode_text(ran.policy)
    text = f"{ref}: {runs_text(ran.policy)}{made}, {mode}; since {when(ran.created_at)}, "
    text += by_whom(ran.actor, ran.note)
    decision = (
        f"cannot be said: {ruling.why_not}"
        if ruling.decision is None
        else _decision(ruling.decision, ruling.threshold, ran.policy.fallback)
    )
    return [(name, text), ("  it says", decision)]


def _decision(decision: Decision, threshold: str | None, fallback: str | None) -> str:
    model = "" if decision.model is None else f" ({decision.model})"
    return f"{decision.decision}{model}: {_why(decision, threshold, fallback)}"


def _why(decision: Decision, threshold: str | None, fallback: str | None) -> str:
    score = "-" if decision.score is None else f"{decision.score:.6f}"
    match decision.reason:
        case Reason.THRESHOLD | Reason.SEGMENT_THRESHOLD:
            of = "" if decision.reason == Reason.THRESHOLD else " of its segment"
            if decision.decision == "weak":
                return f"its score {score} is below the threshold {threshold}{of}"
            return f"its score {score} is the threshold {threshold}{of} or more"
        case Reason.NEEDS_STRONG:
            return "a weaker model cannot take it (length, images, tools or response format)"
        case Reason.SHADOW:
            return f"the policy only watches; live it would be {decision.would_be}, score {score}"
        case Reason.CANARY_OUT:
            return (
                "it is outside the canary's share; inside it would be "
                f"{decision.would_be}, score {score}"
            )
        case Reason.ALWAYS_STRONG | Reason.ALWAYS_WEAK:
            return "every request goes there"
        case Reason.NO_TEXT:
            return f"it has no human text to score, so the fallback ({fallback or 'share'}) decides"
    return decision.reason


def _ruling_json(ruling: Ruling | None) -> dict[str, object] | None:
    if ruling is None:
        return None
    return {
        "activation": activation_json(ruling.activation),
        "decision": None if ruling.decision is None else ruling.decision.to_json(),
        "why_not": ruling.why_not,
        "threshold": ruling.threshold,
        "scored_now": ruling.scored_now,
    }
