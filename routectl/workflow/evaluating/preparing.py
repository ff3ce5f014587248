"""What an evaluation asks, and what of a benchmark is left to answer it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from routectl.errors import CheckFailed, InputError, UsageError
from routectl.evaluation.benchmark import Benchmark, JudgedPair
from routectl.evaluation.reading import read_benchmark
from routectl.model_names import canonical, find
from routectl.prices import TYPICAL_ANSWER, ModelPrice
from routectl.records import ModelPair
from routectl.routers import OpenRouter
from routectl.routers.seen_prompts import read_seen, seen

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What an evaluation asks."""

    pair: ModelPair | None
    """Whose answers are compared; None: the route's models', else those of the routers' own
    pair."""
    route_pair: ModelPair | None = None
    """Models of the route, whatever pair the routers decide between; for a benchmark that holds
    answers of both."""
    transfer: bool = False
    """Whether routers may be judged on another pair than the one they decide between."""
    leave_out: Sequence[Path] = ()
    unseen: bool = False
    """Leave out the prompts that one of the routers was trained on."""
    strict: bool = False
    """Refuse a benchmark that holds a prompt which one of the routers was trained on."""
    trained_on: Sequence[Path] = ()
    """Training data: how similar the benchmarks are to it is measured."""
    sample: int | None = None
    """Rows to judge on, drawn at random; None: all."""
    qualities: tuple[float, ...] = ()
    bins: int | None = None
    """Also the published procedure, with so many bins."""
    prices: Mapping[str, ModelPrice] = field(default_factory=dict)
    """Those that go before the route's own and the list's."""
    route_prices: Mapping[str, ModelPrice] = field(default_factory=dict)
    """The route's own."""
    answer_tokens: int = TYPICAL_ANSWER
    """Of each answer, where the benchmark has no costs."""
    draws: int = 1000
    seed: int = 0
    """Of the sample and of the bootstrap."""
    confidence: float = 0.95
    plots: Path | None = None
    """Folder for pictures; None: none are drawn."""
    plot_formats: Sequence[str] = ("png",)
    force: bool = False
    """Replace pictures whatever the files hold."""
    note: str | None = None


@dataclass(frozen=True, slots=True)
class Prepared:
    """What is left of a benchmark."""

    judged: JudgedPair
    seen: Mapping[str, NDArray[np.bool_] | None]
    """By fingerprint, shape (n,): the rows that the router was trained on."""
    unseen_left_out: int

    @classmethod
    def of(cls, path: Path, routers: Sequence[OpenRouter], question: Question) -> Prepared:
        """Read a benchmark and leave out what the question leaves out.

        Raises:
            InputError, UsageError, CheckFailed: as `evaluate`.
        """
        import numpy as np

        benchmark = read_benchmark(path, question.leave_out)
        pair = _pair(benchmark, routers, question)
        judged = benchmark.pair(pair.strong, pair.weak)
        if question.sample is not None and question.sample < len(judged):
            generator = np.random.default_rng([question.seed, 0])
            judged = judged.rows(
                np.sort(generator.choice(len(judged), question.sample, replace=False)).tolist()
            )
        seen_rows = {}
        for router in routers:
            training = read_seen(router.description.checkpoint)
            seen_rows[router.identity.fingerprint] = (
                None if training is None else seen(judged.prompts, training)
            )
        if question.strict and not question.unseen:
            _refuse_seen(judged.benchmark, routers, seen_rows)
        if not question.unseen:
            return cls(judged, seen_rows, 0)
        bad = np.zeros(len(judged), dtype=np.bool_)
        for is_seen in seen_rows.values():
            if is_seen is not None:
                bad |= is_seen
        left = np.flatnonzero(~bad)
        if len(left) < 2:
            raise InputError(
                f"{judged.benchmark}: the routers were trained on all but {len(left)} of its "
                f"{len(judged)} prompts, so nothing is left to judge them on"
            )
        kept = {k: None if is_seen is None else is_seen[left] for k, is_seen in seen_rows.items()}
        return cls(judged.rows(left.tolist()), kept, int(bad.sum()))


def _refuse_seen(
    name: str, routers: Sequence[OpenRouter], seen_rows: Mapping[str, NDArray[np.bool_] | None]
) -> None:
    for router in routers:
        is_seen = seen_rows[router.identity.fingerprint]
        if is_seen is not None and is_seen.any():
            raise CheckFailed(
                f"{router.identity.name} was trained on {int(is_seen.sum()):,} of the "
                f"{len(is_seen):,} prompts of {name}: leave them out with --unseen, or "
                "take another benchmark"
            )


def _pair(benchmark: Benchmark, routers: Sequence[OpenRouter], question: Question) -> ModelPair:
    """The models to compare, as the benchmark spells them."""
    asked = question.pair
    routed = question.route_pair
    if asked is None and routed is not None:
        strong, weak = (find(model, benchmark.models) for model in (routed.strong, routed.weak))
        if strong is not None and weak is not None:
            return ModelPair(strong, weak)
    if asked is None:
        own = [r.identity.model_pair for r in routers if r.identity.model_pair is not None]
        if not own:
            raise UsageError(
                "these routers know no models: name two of the benchmark's with --strong-model and "
                f"--weak-model ({', '.join(benchmark.models)})"
            )
        asked = own[0]
    pair = ModelPair(*(_spelled(benchmark, model) for model in (asked.strong, asked.weak)))
    if not question.transfer:
        for router in routers:
            _require_pair(router, pair)
    return pair


def _spelled(benchmark: Benchmark, model: str) -> str:
    if model in benchmark.quality:
        return model
    same = [name for name in benchmark.models if canonical(name) == canonical(model)]
    if not same:
        raise InputError(
            f"{benchmark.name} holds no answers of {model}; its models are "
            f"{', '.join(benchmark.models)}: name two with --strong-model and --weak-model, and "
            "add --transfer to judge routers of other models on them"
        )
    return same[0]


def _require_pair(router: OpenRouter, pair: ModelPair) -> None:
    own = router.identity.model_pair
    if own is None or (own.strong, own.weak) == (pair.strong, pair.weak):
        return
    if (canonical(own.strong), canonical(own.weak)) != (
        canonical(pair.strong),
        canonical(pair.weak),
    ):
        raise UsageError(
            f"{router.identity.name} decides between {own}, and would be judged on {pair}: add "
            "--transfer to do that, as in the paper's Table 4"
        )
