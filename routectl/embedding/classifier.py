"""The mean of a trained classifier's token vectors as a prompt's vector.

A sentence embedding says what a prompt is about; training has bent a `bert` router's last layers
towards how hard it is. Routers that score their mean are as fast as those that score the sentence
embedding, which is computed by the same layers below (research/routers.md has what that is worth).
"""

from __future__ import annotations

import functools
import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

from routectl.checkpoint import SHIPPED
from routectl.embedding.local import LocalEmbedder
from routectl.embedding.names import CLASSIFIER, classifier_folder
from routectl.embedding.trained_bert import open_encoder
from routectl.errors import CheckpointError

if TYPE_CHECKING:
    from routectl.embedding.engines import PlainBert


def open_classifier(name: str) -> LocalEmbedder:
    """Load the classifier that an embedder's name says.

    Raises:
        CheckpointError: the checkpoint or the encoder under it is missing, damaged or another.
    """
    folder = classifier_folder(name)
    if not folder.is_dir():
        from routectl.checkpoint import shipped

        raise CheckpointError(
            f"The embedder {name!r} names no checkpoint; write {CLASSIFIER}NAME with one that "
            f"ships ({', '.join(shipped('bert'))}), or the folder of another bert checkpoint."
        )
    config = folder / "config.json"
    bert, digest = _loaded(folder, config.read_bytes() if config.is_file() else b"")
    facts = f"{digest} mean of the token vectors"
    embedder = LocalEmbedder(
        f"{CLASSIFIER}{folder.name if _ships(folder) else folder.resolve()}",
        hashlib.sha256(facts.encode()).hexdigest(),
        bert,
    )
    embedder.comparable = False
    embedder.sentence_dimension = 0
    return embedder


# Routers of several model pairs share one; the config, which has the weights' digest, tells a
# changed folder.
@functools.lru_cache(maxsize=1)
def _loaded(folder: Path, _config: bytes) -> tuple[PlainBert, str]:
    return open_encoder(folder)


def _ships(folder: Path) -> bool:
    return folder.parent == SHIPPED
