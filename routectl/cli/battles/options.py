"""Options that several commands of `routectl battles` share."""

from __future__ import annotations

from pathlib import Path

import click

FILE = click.Path(dir_okay=False, path_type=Path)

embedder = click.option(
    "--embedder",
    metavar="NAME|PATH|openai:URL#MODEL",
    help="A sentence-transformers model, or one behind an OpenAI-compatible endpoint; else the "
    "built-in one.",
)
