"""What every training is asked: which data, for which pair, with which seed, and where to."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from routectl.errors import InputError
from routectl.records import Condition


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingRequest:
    """The part of a training that is the same for all routers."""

    output: Path
    """Folder to write; must be new or empty."""
    battles: Sequence[Path] = ()
    """Files that `battles.read_battles` can read."""
    gold: Sequence[Path] = ()
    """Files that `gold.read_gold` can read."""
    weights: Mapping[Path, float] = field(default_factory=dict)
    """What each row of one of these files weighs, above 0; 1 for a file that is not among them."""
    conditions: Sequence[Condition] = ()
    """Only rows that meet them are learned from, see `rows.keep`."""
    benchmarks: Sequence[Path] = ()
    """Files of prompts on which the router will be judged: what resembles one of them
    (`contamination.SIMILAR`) is left out."""
    strong_model: str | None = None
    """The default pair's; None is the model with the highest rating."""
    weak_model: str | None = None
    """The same; None is the lowest rated that was compared with the strong one."""
    licence: str | None = None
    """What the model card and `routers show` say the checkpoint may be used under."""
    seed: int = 0

    @property
    def files(self) -> tuple[Path, ...]:
        """The files that are learned from."""
        return (*self.battles, *self.gold)


def request_facts(
    router: str, request: TrainingRequest, settings: Mapping[str, object]
) -> dict[str, object]:
    """All that decides what a training ends at, as plain JSON values.

    Two trainings with the same facts do the same work, so that one may go on where the other was
    stopped. The licence is no part of it: it changes no weight.

    Raises:
        InputError: a file cannot be read.
    """
    return {
        "router": router,
        "battles": [file_digest(path) for path in request.battles],
        "gold": [file_digest(path) for path in request.gold],
        "benchmarks": [file_digest(path) for path in request.benchmarks],
        "weights": [request.weights.get(path, 1.0) for path in request.files],
        "conditions": [str(condition) for condition in request.conditions],
        "strong_model": request.strong_model,
        "weak_model": request.weak_model,
        "seed": request.seed,
        "settings": dict(settings),
    }


def file_digest(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal.

    Raises:
        InputError: it cannot be read.
    """
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}.") from error
