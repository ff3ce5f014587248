"""An ensemble: several routers' scores, made comparable by rank and weighed.

A member's score says little by its size, since routers use the range from 0 to 1 differently; so
it is first replaced by its rank among the member's scores of a reference sample, from 0
(below all) to 1 (above all). The reference is stored with the checkpoint, so a prompt scores the
same alone as in a batch. The strong win rate is `sigmoid(b + sum of w_i (2 r_i - 1))`, with the
weights fitted by logistic stacking (`routectl train ensemble`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from routectl.checkpoint import (
    SHIPPED,
    Checkpoint,
    checkpoint_name,
    read_checkpoint,
    read_weights,
    require,
    shipped,
)
from routectl.errors import CheckpointError
from routectl.records import ModelPair, RouterIdentity, RouterSpec
from routectl.routers.pairs import choose_pair
from routectl.routers.protocol import OpenRouter, Router, RouterDescription, fingerprint

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

SUMMARY = "several routers' ranks, weighed by what each adds on held-out preference data"

MEMBERS = "members"
"""Folder, inside the checkpoint, of the members that are not shipped with routectl."""


@dataclass(frozen=True, slots=True)
class RankReference:
    """How a member's scores are distributed: straight lines between k knots."""

    knots: NDArray[np.float64]
    """Scores, strictly ascending, from 0 to 1, shape (k,)."""
    ranks: NDArray[np.float64]
    """The share of the reference sample below each, ascending, from 0 to 1, shape (k,)."""

    def of(self, scores: NDArray[np.float64]) -> NDArray[np.float64]:
        """Ranks of scores, shape (n,), in [0, 1]; a higher score never ranks lower."""
        import numpy as np

        return np.interp(scores, self.knots, self.ranks)

    @property
    def steepest(self) -> float:
        """The largest change of a rank for a change of the score."""
        import numpy as np

        return float((np.diff(self.ranks) / np.diff(self.knots)).max())


def rank_reference(scores: NDArray[np.float64], noise: float, knots: int = 129) -> RankReference:
    """The reference of a sample of scores.

    Args:
        scores: shape (n,), each in [0, 1].
        noise: the member's. Knots are at least 100 times as far apart, so that noise cannot move
            a rank by much.
        knots: how many at most, before those at 0 and 1.
    """
    import numpy as np

    ordered = np.sort(scores)
    at = np.unique(np.quantile(ordered, np.linspace(0, 1, knots)))
    kept = [0.0]
    for knot in at:
        if knot - kept[-1] > 100 * noise and 1.0 - knot > 100 * noise:
            kept.append(float(knot))
    chosen = np.array([*kept, 1.0])
    below = np.searchsorted(ordered, chosen, side="left")
    upto = np.searchsorted(ordered, chosen, side="right")
    ranks = (below + upto) / (2 * len(ordered))  # the middle of equal scores
    ranks[0], ranks[-1] = 0.0, 1.0
    return RankReference(chosen, ranks)


@dataclass(frozen=True, slots=True)
class Weighing:
    """The trained part of an ensemble of m members."""

    references: tuple[RankReference, ...]
    weights: NDArray[np.float64]
    """Shape (m,), none below 0: a member that orders prompts the wrong way round is left out,
    not turned round."""
    intercept: float

    def strong_win_rates(self, scores: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
        """From the members' scores, m arrays of shape (n,), to shape (n,) in [0, 1]."""
        import numpy as np

        from routectl.routers.mf import sigmoid

        sums = np.full(len(scores[0]), self.intercept)
        for reference, weight, its in zip(self.references, self.weights, scores, strict=True):
            sums += weight * (2 * reference.of(its) - 1)
        return sigmoid(sums)

    def noise(self, members: Sequence[float]) -> float:
        """A bound on what the members' noise does to a score: the sigmoid's slope is <= 1/4."""
        moved = sum(
            float(weight) * min(1.0, reference.steepest * noise)
            for reference, weight, noise in zip(self.references, self.weights, members, strict=True)
        )
        return moved / 2


def open_router(
    checkpoint: Path | None, strong_model: str | None, weak_model: str | None
) -> OpenRouter:
    """Open an ensemble for a model pair; None takes the checkpoint's default.

    Members that know models decide for that pair; baselines know none and score as always.

    Raises:
        RouterError: a member does not know a model, or strong and weak are one.
        CheckpointError: the ensemble or a member is missing, damaged or not the one it was.
    """
    saved = read_checkpoint(checkpoint or SHIPPED / "ensemble_4", "ensemble")
    entries: list[object] = saved.get("members", kind=list)
    weighing, digest = read_weighing(saved, len(entries))
    default = ModelPair(*(saved.get("default_pair", k, kind=str) for k in ("strong", "weak")))
    members = [_open_member(saved, entry, default) for entry in entries]
    for entry, member in zip(entries, members, strict=True):
        _require_unchanged(saved, entry, member)
    models = _known_by_all(members, default)
    pair = choose_pair(strong_model, weak_model, default, models)
    if pair != default:
        members = [_open_member(saved, entry, pair) for entry in entries]
    facts: dict[str, object] = {
        "router": "ensemble",
        "weights": digest,
        "members": [member.identity.fingerprint for member in members],
        "strong_model": pair.strong,
        "weak_model": pair.weak,
    }
    noise = weighing.noise([member.identity.noise for member in members])
    identity = RouterIdentity("ensemble", fingerprint(facts), pair, noise, facts)
    embedders = [m.description.embedder for m in members if m.description.embedder]
    hosts = [m.description.sends_prompts_to for m in members if m.description.sends_prompts_to]
    description = RouterDescription(
        name="ensemble",
        kind="ensemble",
        summary=f"{SUMMARY} ({', '.join(member.identity.name for member in members)})",
        checkpoint=saved.folder,
        models=models,
        default_pair=default,
        embedder=", ".join(dict.fromkeys(embedders)) or None,
        reads="; ".join(f"{m.identity.name}: {m.description.reads}" for m in members),
        licence=saved.licence,
        card=saved.card,
        sends_prompts_to=", ".join(dict.fromkeys(hosts)) or None,
    )
    return OpenRouter(
        identity,
        description,
        lambda: EnsembleRouter(identity, weighing, [member.load() for member in members]),
    )


def read_weighing(checkpoint: Checkpoint, members: int) -> tuple[Weighing, str]:
    """The trained part of a checkpoint and the SHA-256 of its file.

    Raises:
        CheckpointError: missing, truncated, of other shapes, or no ranks.
    """
    import numpy as np

    tensors, digest = read_weights(checkpoint)

    def column(name: str, length: int | None = None) -> NDArray[Any]:
        size = tensors[name].size if length is None and name in tensors else length or 0
        return require(tensors, name, (size,), checkpoint, dtypes=("float64",))

    references = []
    for number in range(members):
        knots = column(f"{number}.knots")
        ranks = column(f"{number}.ranks", len(knots))
        ends = len(knots) >= 2 and (knots[0], knots[-1], ranks[0], ranks[-1]) == (0, 1, 0, 1)
        if not ends or (np.diff(knots) <= 0).any() or (np.diff(ranks) < 0).any():
            raise CheckpointError(
                f"{checkpoint.weights_path}: the ranks of member {number + 1} do not rise from 0 "
                "to 1; restore the checkpoint."
            )
        references.append(RankReference(knots, ranks))
    weights = column("weights", members)
    if members == 0 or (weights < 0).any() or not weights.any():
        raise CheckpointError(
            f"{checkpoint.weights_path}: an ensemble needs members, with weights of 0 or above "
            "and not all 0; restore the checkpoint."
        )
    return Weighing(tuple(references), weights, float(column("intercept", 1)[0])), digest


def _open_member(checkpoint: Checkpoint, entry: object, pair: ModelPair) -> OpenRouter:
    from routectl.routers.registry import open_spec

    return open_spec(_member(checkpoint, entry, pair))


def _member(checkpoint: Checkpoint, entry: object, pair: ModelPair) -> RouterSpec:
    """How to open a member for a pair, which one that knows no models does not take."""
    if not isinstance(entry, Mapping) or not isinstance(entry.get("router"), str):
        raise CheckpointError(
            f"{checkpoint.folder} does not say which routers its members are; restore it."
        )
    router: str = entry["router"]
    if router == "ensemble":
        raise CheckpointError(f"{checkpoint.folder} holds an ensemble as a member; train another.")
    its_pair = pair if entry.get("knows_models") is True else None
    # A checkpoint may come from anywhere: its members lie inside it or inside routectl.
    for key, base in (("folder", checkpoint.folder / MEMBERS), ("shipped", SHIPPED)):
        part = entry.get(key)
        if not isinstance(part, str):
            continue
        if Path(part).name != part or part in (".", ".."):
            raise CheckpointError(f"{checkpoint.folder} names a member outside of itself.")
        if not (base / part).is_dir():
            raise CheckpointError(_missing(checkpoint, router, part, ships=base == SHIPPED))
        return RouterSpec(router, checkpoint_name(base / part), its_pair)
    return RouterSpec(router, None, its_pair)


def _missing(checkpoint: Checkpoint, router: str, part: str, *, ships: bool) -> str:
    if not ships:
        return f"{checkpoint.folder} lacks its member {part}; restore the checkpoint."
    return (
        f"{checkpoint.folder} has a member {part}, which does not ship with this routectl; train "
        f"the ensemble again with one that does ({', '.join(shipped(router)) or 'none does'})."
    )


def _require_unchanged(checkpoint: Checkpoint, entry: object, member: OpenRouter) -> None:
    """Refuse a member that, for the default pair, is not the one that was trained with."""
    assert isinstance(entry, Mapping)  # else it could not be opened
    if member.identity.fingerprint != entry.get("fingerprint"):
        raise CheckpointError(
            f"{checkpoint.folder} was trained with another version of its member "
            f"{member.identity.name!r} (the fingerprints differ); restore that member or train "
            "the ensemble again."
        )


def _known_by_all(members: Sequence[OpenRouter], pair: ModelPair) -> tuple[str, ...]:
    """The models that every member knows, of those that know any; in the first one's order."""
    from routectl.model_names import canonical_names

    known_models = [member.description.models for member in members if member.description.models]
    if not known_models:
        return (pair.strong, pair.weak)
    one_name = canonical_names(name for models in known_models for name in models)
    common = set.intersection(*({one_name[name] for name in models} for models in known_models))
    return tuple(name for name in known_models[0] if one_name[name] in common)


class EnsembleRouter:
    """Scores with every member, and weighs their ranks."""

    def __init__(
        self, identity: RouterIdentity, weighing: Weighing, members: Sequence[Router]
    ) -> None:
        self.identity = identity
        self._weighing = weighing
        self._members = members

    def strong_win_rates(self, prompts: Sequence[str]) -> NDArray[np.float64]:
        """Shape (n,), in [0, 1]."""
        scores = [member.strong_win_rates(prompts) for member in self._members]
        return self._weighing.strong_win_rates(scores)

    def longer_than_read(self, prompts: Sequence[str]) -> NDArray[np.bool_]:
        """Shape (n,): True where some member reads only a part of the prompt."""
        import numpy as np

        longer = np.zeros(len(prompts), dtype=np.bool_)
        for member in self._members:
            longer |= member.longer_than_read(prompts)
        return longer
