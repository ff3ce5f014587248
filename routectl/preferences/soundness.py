"""Checks of battles before training: which models met, how often, and which verdicts conflict."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from routectl.escaping import first_names
from routectl.model_names import canonical_names

FEW_BATTLES = 30
"""With so many battles a rating's standard error is about 2 / sqrt(30) = 0.37 on the scale of
log-odds: 9 points of win rate."""

_NAMED = 5
"""Models, or groups of them, that a sentence names."""


class BattleLike(Protocol):
    """A battle, its prompt as a number."""

    @property
    def prompt(self) -> int: ...
    @property
    def model_a(self) -> str: ...
    @property
    def model_b(self) -> str: ...
    @property
    def winner(self) -> str: ...
    @property
    def annotator(self) -> str | None: ...


@dataclass(frozen=True, slots=True)
class ModelRecord:
    """How one model did, under its canonical name."""

    model: str
    battles: int
    prompts: int
    won: int
    lost: int
    tied: int


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that a person should know before training."""

    check: str
    fails: bool
    """Whether training is of no use before this is mended; else it is a remark."""
    sentence: str
    models: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Soundness:
    """What the checks found. Two spellings of a model are one model, as in training."""

    battles: int
    prompts: int
    ties: int
    duplicates: int
    """Battles that repeat another in prompt, models, winner and annotator."""
    comparisons: int
    """Distinct (prompt, pair of models)."""
    conflicts: int
    """Comparisons that have more than one verdict."""
    models: tuple[ModelRecord, ...]
    """By battles, fewest first."""
    groups: tuple[tuple[str, ...], ...]
    """Strongly connected components of "won against or tied with", largest first."""
    findings: tuple[Finding, ...]


def examine(battles: Iterable[BattleLike], few_battles: int = FEW_BATTLES) -> Soundness:
    """Check battles.

    Ratings exist (Ford, 1957; Hunter, 2004) iff one gets from every model to every other through
    wins and ties: the graph is strongly connected. Training adds a prior where it is not, or
    refuses; either way the data does not say how the groups compare.
    """
    rows = list(battles)
    names = canonical_names(sorted({name for b in rows for name in (b.model_a, b.model_b)}))
    outcomes: Counter[tuple[str, str, str]] = Counter()
    prompts_by_model: dict[str, set[int]] = defaultdict(set)
    verdicts: dict[tuple[int, str, str], set[str]] = defaultdict(set)
    seen: set[tuple[object, ...]] = set()
    self_battles = 0
    for battle in rows:
        model_a, model_b = names[battle.model_a], names[battle.model_b]
        if model_a == model_b:
            self_battles += 1
            continue
        first, second = sorted((model_a, model_b))
        winner = {"model_a": model_a, "model_b": model_b}.get(battle.winner, "")
        outcomes[first, second, winner] += 1
        verdicts[battle.prompt, first, second].add(winner)
        seen.add((battle.prompt, first, second, winner, battle.annotator))
        prompts_by_model[first].add(battle.prompt)
        prompts_by_model[second].add(battle.prompt)
    models = _records(outcomes, prompts_by_model)
    groups = _groups([record.model for record in models], outcomes)
    duplicates = sum(outcomes.values()) - len(seen)
    conflicts = sum(len(winners) > 1 for winners in verdicts.values())
    prompts = len({battle.prompt for battle in rows})
    ties = sum(count for (*_, winner), count in outcomes.items() if not winner)
    findings = [
        *_failures(len(models), prompts, groups),
        *_remarks(models, ties, few_battles),
        *_contradictions(duplicates, conflicts, len(verdicts), self_battles),
    ]
    return Soundness(
        len(rows),
        prompts,
        ties,
        duplicates,
        len(verdicts),
        conflicts,
        models,
        groups,
        tuple(findings),
    )


def _records(
    outcomes: Mapping[tuple[str, str, str], int], prompts_by_model: Mapping[str, set[int]]
) -> tuple[ModelRecord, ...]:
    won: Counter[str] = Counter()
    lost: Counter[str] = Counter()
    tied: Counter[str] = Counter()
    for (first, second, winner), count in outcomes.items():
        if not winner:
            tied.update({first: count, second: count})
        else:
            won[winner] += count
            lost[second if winner == first else first] += count
    records = [
        ModelRecord(
            m, won[m] + lost[m] + tied[m], len(prompts_by_model[m]), won[m], lost[m], tied[m]
        )
        for m in prompts_by_model
    ]
    return tuple(sorted(records, key=lambda record: (record.battles, record.model.lower())))


def _groups(
    models: Sequence[str], outcomes: Iterable[tuple[str, str, str]]
) -> tuple[tuple[str, ...], ...]:
    """The strongly connected components, largest first."""
    import numpy as np
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    if not models:
        return ()
    number = {model: index for index, model in enumerate(models)}
    edges = set()
    for first, second, winner in outcomes:
        if winner != second:
            edges.add((number[first], number[second]))
        if winner != first:
            edges.add((number[second], number[first]))
    start, end = zip(*sorted(edges), strict=True)
    graph = coo_array((np.ones(len(edges)), (start, end)), shape=(len(models), len(models)))
    _, labels = connected_components(graph, directed=True, connection="strong")
    groups: dict[int, list[str]] = defaultdict(list)
    for model, label in zip(models, labels, strict=True):
        groups[int(label)].append(model)
    components = [tuple(sorted(group, key=str.lower)) for group in groups.values()]
    return tuple(sorted(components, key=lambda group: (-len(group), group)))


def _failures(models: int, prompts: int, groups: Sequence[tuple[str, ...]]) -> Iterable[Finding]:
    if models < 2:
        yield Finding(
            "one_model",
            True,
            "no battle is between two models: a router has to learn from comparisons",
        )
    if prompts < 2:
        yield Finding(
            "one_prompt",
            True,
            "all battles are about one prompt: training needs others to be measured on",
        )
    if len(groups) > 1:
        shown = "; ".join(first_names(group, _NAMED) for group in groups[:_NAMED])
        more = f"; and {len(groups) - _NAMED} more" if len(groups) > _NAMED else ""
        yield Finding(
            "not_connected",
            True,
            f"the models fall into {len(groups)} groups that cannot be rated against each other, "
            f"because from one to another no way leads through wins and ties: {shown}{more}",
        )


def _remarks(models: Sequence[ModelRecord], ties: int, few_battles: int) -> Iterable[Finding]:
    def findings(check: str, named: list[str], what: str) -> Iterable[Finding]:
        if named:
            sentence = f"{first_names(named, _NAMED)}: {what}"
            yield Finding(check, False, sentence, tuple(named))

    never_lost = [m.model for m in models if not m.lost and not m.tied]
    never_won = [m.model for m in models if not m.won and not m.tied]
    few = [m.model for m in models if m.battles < few_battles]
    yield from findings("never_lost", never_lost, "never lost, so no rating is high enough")
    yield from findings("never_won", never_won, "never won, so no rating is low enough")
    rough = f"fewer than {few_battles} battles, too few to rate well"
    yield from findings("few_battles", few, rough)
    if models and not ties:
        yield Finding(
            "no_ties",
            False,
            "no battle is a tie: where neither model is better, the data does not say so",
        )


def _contradictions(
    duplicates: int, conflicts: int, comparisons: int, self_battles: int
) -> Iterable[Finding]:
    if duplicates:
        yield Finding(
            "duplicates",
            False,
            f"{duplicates:,} battles repeat another in prompt, models, winner and annotator",
        )
    if conflicts:
        yield Finding(
            "conflicts",
            False,
            f"{conflicts:,} of {comparisons:,} comparisons of two models on a prompt have more "
            "than one verdict",
        )
    if self_battles:
        sentence = f"{self_battles:,} battles are of a model with itself: left out"
        yield Finding("itself", False, sentence)
