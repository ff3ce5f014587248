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
    from routectl.evaluation.router_results import RouterResult
    from routectl.workflow.evaluating import Evaluated
    from routectl.workflow.evaluating.similarity import TrainingSimilarity

FEW = 200
"""Prompts below which a bootstrap's percentile interval covers noticeably less than it says."""
HEADERS = ("router", "APGR", "CPT(50%)", "CPT(80%)", "AUC")


def print_evaluated(console: Console, results: Sequence[Evaluated]) -> None:
    """Each benchmark's tables, one below the other."""
    for number, evaluated in enumerate(results):
        if number:
            console.line()
        _print_one(console, evaluated)


def to_json(evaluated: Evaluated) -> dict[str, object]:
    """An evaluation for programs."""
    judged, results = evaluated.judged, evaluated.results
    return {
        "benchmark": judged.benchmark,
        "rows": len(judged),
        "data_digest": judged.digest,
        "model_pair": asdict(judged.pair),
        "strong_quality": results.random.curve.strong_quality,
        "weak_quality": results.random.curve.weak_quality,
        "contaminated_left_out": judged.contaminated,
        "unanswered": judged.unanswered,
        "unseen_left_out": evaluated.unseen_left_out,
        "resemblance": evaluated.training_similarity,
        "repeated_prompts": evaluated.repeated,
        "draws": results.draws,
        "seed": results.seed,
        "confidence": results.confidence,
        "created_at": evaluated.created_at,
        "plots": evaluated.plots,
        "costs": None if evaluated.costs is None else evaluated.costs.to_json(),
        "routers": [
            {
                "evaluation_id": part.evaluation_id,
                "label": part.result.name,
                "router": part.name,
                "fingerprint": part.router.identity.fingerprint,
                "router_pair": part.router.identity.model_pair,
                "seen_in_training": part.seen,
                **_result_json(part.result),
                "operating_points": part.operating_points,
                **costs_json(evaluated, part.result.name),
                "published_procedure": None
                if part.binned is None
                else {
                    "bins": part.binned.bins,
                    "auc": part.binned.auc,
                    "apgr": part.binned.apgr,
                    "cpt": part.binned.cpt,
                },
            }
            for part in evaluated.routers
        ],
        "baselines": [
            {
                "router": result.name,
                **_result_json(result),
                **costs_json(evaluated, result.name),
            }
            for result in (results.random, evaluated.length, results.oracle)
        ],
    }


def _result_json(result: RouterResult) -> dict[str, object]:
    return {
        "figures": {
            name: None if estimate is None else estimate.to_json()
            for name, estimate in result.figures.items()
        },
        "better_than": {
            other: comparison.to_json() for other, comparison in result.better_than.items()
        },
        "strong_fraction_for_quality": {
            quality: estimate.to_json() for quality, estimate in result.fraction_for_quality.items()
        },
    }


def _print_one(console: Console, evaluated: Evaluated) -> None:
    judged, results = evaluated.judged, evaluated.results
    curve = results.random.curve
    left_out = {
        "contaminated": judged.contaminated,
        "not answered by both": judged.unanswered,
        "seen in training": evaluated.unseen_left_out,
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
            f"{percent(results.confidence, 0)}, paired bootstrap, {results.draws:,} draws, "
            f"seed {results.seed}",
        ),
    ]
    if words:
        rows.insert(1, ("left out", words))
    if evaluated.training_similarity is not None:
        rows.append(("like training", _similarity_text(evaluated.training_similarity)))
    console.table(rows)
    console.line()
    judged_routers = [part.result for part in evaluated.routers]
    shown = [*judged_routers, results.random]
    if evaluated.length.name not in {result.name for result in judged_routers}:
        shown.append(evaluated.length)
    shown.append(results.oracle)
    console.table([(result.name, *_cells(result)) for result in shown], headers=HEADERS)
    _print_reached(console, shown)
    _print_comparisons(console, evaluated)
    _print_operating_points(console, evaluated)
    print_costs(console, evaluated)
    _print_binned(console, evaluated)
    if evaluated.plots:
        console.line()
        console.line(f"Plots: {', '.join(map(str, evaluated.plots))}")
    for remark in _remarks(evaluated):
        console.note(remark)


def _similarity_text(similarity: TrainingSimilarity) -> str:
    mean = similarity.similarity
    return (
        f"{mean.mean:.3f} ({mean.low:.3f}-{mean.high:.3f}), the mean largest cosine to "
        f"{similarity.training_prompts:,} training prompts; "
        f"{similarity.similar:,} prompts at 0.95 or above"
    )


def _cells(result: RouterResult) -> Iterator[str]:
    for name, estimate in result.figures.items():
        if estimate is None:
            yield "-"
        elif name.startswith("CPT"):
            yield cpt_text(estimate)
        else:
            yield number_text(estimate)


def _print_reached(console: Console, shown: Sequence[RouterResult]) -> None:
    qualities = list(shown[0].fraction_for_quality)
    if not qualities:
        return
    console.line()
    console.line("The least strong fraction with a mean quality of")
    console.table(
        [(result.name, *map(cpt_text, result.fraction_for_quality.values())) for result in shown],
        headers=("router", *(f"{quality:.10g}" for quality in qualities)),
    )


def _print_comparisons(console: Console, evaluated: Evaluated) -> None:
    judged_routers = [part.result for part in evaluated.routers]
    if not any(result.better_than for result in judged_routers):
        return
    best = max(judged_routers, key=_apgr).name
    console.line()
    console.line("Which is better? The difference of two APGR, on the same draws:")
    console.table(
        [
            (result.name, other, *comparison_cells(result.better_than[other]))
            for result in judged_routers
            for other in dict.fromkeys(("random", evaluated.length.name, best))
            if other in result.better_than
        ],
        headers=("router", "better than", "answer", "APGR difference"),
    )


def _apgr(result: RouterResult) -> float:
    estimate = result.figures["APGR"]
    return -math.inf if estimate is None or estimate.value is None else estimate.value


def _print_operating_points(console: Console, evaluated: Evaluated) -> None:
    rows = [
        (
            config_string(part.name, point.threshold),
            route,
            percent(point.strong_fraction),
            f"{point.quality:.4g}",
            percent(point.gap_recovered),
            *expense_cells(evaluated, part.result.name, route),
        )
        for part in evaluated.routers
        for route, point in part.operating_points.items()
    ]
    if rows:
        console.line()
        console.line("What runs now, on this benchmark:")
        money = () if evaluated.costs is None else ("USD per 1,000", "saving")
        console.table(
            rows,
            headers=("config string", "route", "strong", "quality", "of the gap", *money),
        )


def _print_binned(console: Console, evaluated: Evaluated) -> None:
    binned_parts = [(part, part.binned) for part in evaluated.routers if part.binned is not None]
    if not binned_parts:
        return
    shares = list(binned_parts[0][1].cpt)
    console.line()
    console.line(f"RouteLLM's own procedure, {binned_parts[0][1].bins} bins:")
    console.table(
        [
            (
                part.result.name,
                f"{binned.apgr:.6f}",
                *(f"{100 * binned.cpt[share]:.2f} %" for share in shares),
                f"{binned.auc:.6g}",
            )
            for part, binned in binned_parts
        ],
        headers=("router", "APGR", *(f"CPT({100 * share:g}%)" for share in shares), "AUC"),
    )


def _remarks(evaluated: Evaluated) -> Iterator[str]:
    judged = evaluated.judged
    curve = evaluated.results.random.curve
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
    if evaluated.repeated:
        yield f"{evaluated.repeated:,} rows repeat the prompt of an earlier one; each counts"
    for part in evaluated.routers:
        if part.seen:
            yield (
                f"{part.name} was trained on {part.seen:,} of the {len(judged):,} prompts; "
                "--unseen leaves them out"
            )
        own = part.router.identity.model_pair
        if evaluated.question.transfer and own is not None:
            yield f"{part.name} decides between {own}: its figures here are a transfer"
