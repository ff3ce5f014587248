"""How evaluations are shown."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

from routectl.cli.console import Console, percent
from routectl.cli.evaluation_costs import costs_json, expense_cells, print_costs
from routectl.cli.figures import comparison_cells, cpt_text, number_text
from routectl.policy import config_string

if TYPE_CHECKING:
    from routectl.evaluation.standing import Standing
    from routectl.workflow.evaluating import Evaluated
    from routectl.workflow.evaluating.resembling import Resemblance

HEADERS = ("router", "APGR", "CPT(50%)", "CPT(80%)", "AUC")


def print_evaluated(console: Console, results: Sequence[Evaluated]) -> None:
    """Each benchmark's tables, one below the other."""
    for number, result in enumerate(results):
        if number:
            console.line()
        _print_one(console, result)


def to_json(result: Evaluated) -> dict[str, object]:
    """An evaluation for programs."""
    judged, standings = result.judged, result.standings
    return {
        "benchmark": judged.benchmark,
        "rows": len(judged),
        "data_digest": judged.digest,
        "model_pair": asdict(judged.pair),
        "strong_quality": standings.random.curve.strong_quality,
        "weak_quality": standings.random.curve.weak_quality,
        "contaminated_left_out": judged.contaminated,
        "unanswered": judged.unanswered,
        "unseen_left_out": result.unseen_left_out,
        "resemblance": result.resemblance,
        "repeated_prompts": result.repeated,
        "draws": standings.draws,
        "seed": standings.seed,
        "confidence": standings.confidence,
        "created_at": result.created_at,
        "plots": result.plots,
        "costs": None if result.costs is None else result.costs.to_json(),
        "routers": [
            {
                "evaluation_id": part.evaluation_id,
                "label": part.standing.name,
                "router": part.name,
                "fingerprint": part.router.identity.fingerprint,
                "router_pair": part.router.identity.model_pair,
                "seen_in_training": part.seen,
                **_standing_json(part.standing),
                "operating_points": part.operating_points,
                **costs_json(result, part.standing.name),
                "published_procedure": None
                if part.binned is None
                else {
                    "bins": part.binned.bins,
                    "auc": part.binned.auc,
                    "apgr": part.binned.apgr,
                    "cpt": part.binned.cpt,
                },
            }
            for part in result.routers
        ],
        "baselines": [
            {
                "router": standing.name,
                **_standing_json(standing),
                **costs_json(result, standing.name),
            }
            for standing in (standings.random, result.length, standings.oracle)
        ],
    }


def _standing_json(standing: Standing) -> dict[str, object]:
    return {
        "figures": {
            name: None if estimate is None else estimate.to_json()
            for name, estimate in standing.figures.items()
        },
        "better_than": {other: found.to_json() for other, found in standing.better_than.items()},
        "strong_fraction_for_quality": {
            quality: estimate.to_json() for quality, estimate in standing.reaches.items()
        },
    }


def _print_one(console: Console, result: Evaluated) -> None:
    judged, standings = result.judged, result.standings
    curve = standings.random.curve
    left_out = {
        "contaminated": judged.contaminated,
        "not answered by both": judged.unanswered,
        "seen in training": result.unseen_left_out,
    }
    words = ", ".join(f"{count:,} {why}" for why, count in left_out.items() if count)
    rows = [
        ("benchmark", f"{judged.benchmark}: {len(judged):,} prompts"),
        ("model pair", f"{judged.pair} (strong / weak)"),
        (
            "mean quality",
            f"{curve.strong_quality:.4g} strong, {curve.weak_quality:.4g} weak: "
            f"a gap of {curve.gap:.4g}",
        ),
        (
            "intervals",
            f"{percent(standings.confidence, 0)}, paired bootstrap, {standings.draws:,} draws, "
            f"seed {standings.seed}",
        ),
    ]
    if words:
        rows.insert(1, ("left out", words))
    if result.resemblance is not None:
        rows.append(("like training", _likeness(result.resemblance)))
    console.table(rows)
    console.line()
    standing = [part.standing for part in result.routers]
    shown = [*standing, standings.random]
    if result.length.name not in {each.name for each in standing}:
        shown.append(result.length)
    shown.append(standings.oracle)
    console.table([(each.name, *_cells(each)) for each in shown], headers=HEADERS)
    _print_reached(console, shown)
    _print_comparisons(console, result)
    _print_operating_points(console, result)
    print_costs(console, result)
    _print_binned(console, result)
    if result.plots:
        console.line()
        console.line(f"Plots: {', '.join(map(str, result.plots))}")
    for remark in _remarks(result):
        console.note(remark)


def _likeness(found: Resemblance) -> str:
    mean = found.similarity
    return (
        f"{mean.mean:.3f} ({mean.low:.3f}-{mean.high:.3f}), the mean largest cosine to "
        f"{found.training_prompts:,} training prompts; {found.similar:,} prompts at 0.95 or above"
    )


def _cells(standing: Standing) -> Iterator[str]:
    for name, estimate in standing.figures.items():
        if estimate is None:
            yield "-"
        elif name.startswith("CPT"):
            yield cpt_text(estimate)
        else:
            yield number_text(estimate)


def _print_reached(console: Console, shown: Sequence[Standing]) -> None:
    qualities = list(shown[0].reaches)
    if not qualities:
        return
    console.line()
    console.line("The least strong fraction with a mean quality of")
    console.table(
        [(each.name, *map(cpt_text, each.reaches.values())) for each in shown],
        headers=("router", *(f"{quality:.10g}" for quality in qualities)),
    )


def _print_comparisons(console: Console, result: Evaluated) -> None:
    standing = [part.standing for part in result.routers]
    if not any(each.better_than for each in standing):
        return
    best = max(standing, key=_apgr).name
    console.line()
    console.line("Which is better? The difference of two APGR, on the same draws:")
    console.table(
        [
            (each.name, other, *comparison_cells(each.better_than[other]))
            for each in standing
            for other in dict.fromkeys(("random", result.length.name, best))
            if other in each.better_than
        ],
        headers=("router", "better than", "answer", "APGR difference"),
    )


def _apgr(standing: Standing) -> float:
    estimate = standing.figures["APGR"]
    return -math.inf if estimate is None or estimate.value is None else estimate.value


def _print_operating_points(console: Console, result: Evaluated) -> None:
    rows = [
        (
            config_string(part.name, point.threshold),
            route,
            percent(point.strong_fraction),
            f"{point.quality:.4g}",
            percent(point.gap_recovered),
            *expense_cells(result, part.standing.name, route),
        )
        for part in result.routers
        for route, point in part.operating_points.items()
    ]
    if rows:
        console.line()
        console.line("What runs now, on this benchmark:")
        money = () if result.costs is None else ("USD per 1,000", "saving")
        console.table(
            rows,
            headers=("config string", "route", "strong", "quality", "of the gap", *money),
        )


def _print_binned(console: Console, result: Evaluated) -> None:
    found = [(part, part.binned) for part in result.routers if part.binned is not None]
    if not found:
        return
    shares = list(found[0][1].cpt)
    console.line()
    console.line(f"RouteLLM's own procedure, {found[0][1].bins} bins:")
    console.table(
        [
            (
                part.standing.name,
                f"{binned.apgr:.6f}",
                *(f"{100 * binned.cpt[share]:.2f} %" for share in shares),
                f"{binned.auc:.6g}",
            )
            for part, binned in found
        ],
        headers=("router", "APGR", *(f"CPT({100 * share:g}%)" for share in shares), "AUC"),
    )


def _remarks(result: Evaluated) -> Iterator[str]:
    judged = result.judged
    curve = result.standings.random.curve
    if not curve.gap > 0:
        yield (
            f"{judged.pair.strong} is no better than {judged.pair.weak} on these prompts "
            f"({curve.strong_quality:.4g} against {curve.weak_quality:.4g}), so there is no gap to "
            "recover: swap the models, or take another pair"
        )
    if len(judged) < FEW:
        yield (
            f"{len(judged)} prompts are few: the intervals are too narrow below {FEW}, as "
            "benchmarks/metric_coverage.py measures"
        )
    if result.repeated:
        yield f"{result.repeated:,} rows repeat the prompt of an earlier one; each counts"
    for part in result.routers:
        if part.seen:
            yield (
                f"{part.name} was trained on {part.seen:,} of the {len(judged):,} prompts; "
                "--unseen leaves them out"
            )
        own = part.router.identity.model_pair
        if result.question.transfer and own is not None:
            yield f"{part.name} decides between {own}: its figures here are a transfer"


FEW = 200
"""Prompts below which a bootstrap's percentile interval covers noticeably less than it says."""
