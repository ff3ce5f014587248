"""What a trained classifier makes of a prompt before it decides: its token vectors, averaged.

A sentence embedding says what a prompt is about; training has bent a `bert` router's last layers
towards how hard it is. Routers that score their mean are as fast as those that score the sentence
embedding, which is computed by the same layers below (research/routers.md has what that is worth).
"""

from __future__ import annotations

import functools
import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

from routectl.embedding.local import LocalEmbedder
from routectl.errors import CheckpointError

if TYPE_CHECKING:
    from routectl.embedding.bert import Bert

PREFIX = "bert:"
"""`bert:NAME`, where NAME is a `bert` checkpoint that ships, or else the folder of another one."""


def is_classifier(name: str) -> bool:
    """Whether an embedder's name is that of a trained classifier's vectors."""
    return name.startswith(PREFIX)


def open_classifier(name: str) -> LocalEmbedder:
    """Load the classifier that an embedder's name says.

    Raises:
        CheckpointError: the checkpoint or the encoder under it is missing, damaged or another.
    """
    folder = classifier_folder(name)
    if not folder.is_dir():
        from routectl.routers.checkpoint import shipped

        raise CheckpointError(
            f"The embedder {name!r} names no checkpoint; write {PREFIX}NAME with one that ships "
            f"({', '.join(shipped('bert'))}), or the folder of another bert checkpoint."
        )
    config = folder / "config.json"
    bert, digest = _loaded(folder, config.read_bytes() if config.is_file() else b"")
    facts = f"{digest} mean of the token vectors"
    embedder = LocalEmbedder(
        f"{PREFIX}{folder.name if _ships(folder) else folder.resolve()}",
        hashlib.sha256(facts.encode()).hexdigest(),
        bert,
    )
    embedder.comparable = False
    embedder.sentence_dimension = 0
    return embedder


# Routers of several model pairs share one; the config, which has the weights' digest, tells a
# changed folder.
@functools.lru_cache(maxsize=1)
def _loaded(folder: Path, _config: bytes) -> tuple[Bert, str]:
    # The routers' package imports this one to score.
    from routectl.routers.bert import open_encoder

    return open_encoder(folder)


def classifier_folder(name: str) -> Path:
    """Where the checkpoint is that such a name says; whether there is one is not asked."""
    # Checkpoints keep this name: what ships goes before a folder that happens to be here.
    from routectl.routers.checkpoint import SHIPPED

    given = name.removeprefix(PREFIX)
    own = Path(given).expanduser()
    ships = given == own.name and (SHIPPED / given).is_dir()
    return SHIPPED / given if ships else own


def _ships(folder: Path) -> bool:
    from routectl.routers.checkpoint import SHIPPED

    return folder.parent == SHIPPED
