"""Names of embedders: their forms, and what each points to.

| name | embedder |
|---|---|
| `NAME` or a folder | a sentence-transformers model |
| `hidden:NAME` | a language model's hidden states (`hidden.py`) |
| `hidden:NAME+EMBEDDER` | both, one vector after the other (`joined.py`) |
| `bert:NAME` | the token vectors of a trained classifier (`classifier.py`) |
| `openai:URL[?characters=N]#MODEL` | an OpenAI-compatible endpoint (`remote.py`) |
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from routectl.checkpoint import SHIPPED
from routectl.embedding import endpoint
from routectl.endpoint import checked_host
from routectl.errors import UsageError

HIDDEN = "hidden:"
"""`hidden:NAME`, where NAME is the default base model or the folder of another one."""

PLUS = "+"
"""Between the two embedders of `hidden:NAME+EMBEDDER`."""

CLASSIFIER = "bert:"
"""`bert:NAME`, where NAME is a `bert` checkpoint that ships, or else the folder of another one."""

REMOTE = "openai:"

HOST = "ROUTECTL_EMBEDDER_HOST"
"""The hosts, with their ports and separated by commas, to which checkpoints may send prompts."""

CHARACTERS = 8000
"""Read of a prompt unless a remote name says otherwise: in English about 1,800 tokens."""


def is_hidden(name: str) -> bool:
    """Whether the name is that of a language model's hidden states, alone or joined."""
    return name.startswith(HIDDEN)


def is_classifier(name: str) -> bool:
    """Whether the name is that of a trained classifier's vectors."""
    return name.startswith(CLASSIFIER)


def parts_of(name: str) -> tuple[str, str] | None:
    """The two embedders of a name `hidden:NAME+EMBEDDER`; None where it names one.

    A folder whose own name has a plus in it is one base model.
    """
    first, plus, second = name.rpartition(PLUS)
    if not (is_hidden(name) and plus and second):
        return None
    if os.path.isdir(os.path.expanduser(name.removeprefix(HIDDEN))):  # noqa: PTH111, PTH112
        return None
    return first, second


def in_checkpoint(name: str, folder: Path) -> str:
    """An embedder's name as a checkpoint has it, with the path of its own folder in place of a dot.

    A checkpoint that is carried somewhere with its encoder (`routers/portable.py`) names it by a
    path relative to itself, such as `bert:../bert_3`.
    """
    prefix = CLASSIFIER if is_classifier(name) else ""
    path = name.removeprefix(prefix)
    if not path.startswith(("./", "../")):
        return name
    return prefix + os.path.abspath(folder / path)  # noqa: PTH100


def classifier_folder(name: str) -> Path:
    """Path of the checkpoint that `bert:NAME` names; it need not exist."""
    # Checkpoints keep this name: what ships goes before a folder that happens to be here.
    checkpoint_name = name.removeprefix(CLASSIFIER)
    own = Path(os.path.expanduser(checkpoint_name))  # noqa: PTH111
    ships = checkpoint_name == own.name and (SHIPPED / checkpoint_name).is_dir()
    return SHIPPED / checkpoint_name if ships else own


@dataclass(frozen=True, slots=True)
class RemoteName:
    """A name `openai:URL[?characters=N]#MODEL`, parsed."""

    name: str
    url: str
    """Without a query; `/embeddings` follows it."""
    host: str
    """With the port, where one is named."""
    model: str
    characters: int

    def digest(self, dimension: int) -> str:
        """SHA-256 over model, characters read and dimension.

        The address is left out: the same model may move to another one, and the probe tells whether
        it is the same.
        """
        facts = f"openai\0{self.model}\0{self.characters}\0{dimension}"
        return hashlib.sha256(facts.encode()).hexdigest()


def parse_remote(name: str) -> RemoteName | None:
    """What a remote embedder's name says; None for the name of a local one.

    Raises:
        UsageError: no http(s) address, no model, a user or password in it, an unknown setting.
    """
    if not name.startswith(REMOTE):
        return None
    form = "openai:http://HOST:PORT/v1#MODEL"
    try:
        parts = urlsplit(name.removeprefix(REMOTE))
        userinfo, host, _ = (
            parts.username or parts.password,
            checked_host(parts.hostname),
            parts.port,
        )
        query = parse_qs(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query))
    except ValueError:
        raise UsageError(f"A remote embedder is named {form}; its address is none.") from None
    # The name is not repeated before it is known to hold no password.
    if userinfo is not None or "@" in parts.netloc:
        raise UsageError(
            "A remote embedder's address holds a user or password, which would end up in the "
            f"checkpoint; take it out and set {endpoint.KEY}."
        )
    if parts.scheme not in ("http", "https") or not host or not parts.fragment:
        raise UsageError(f"A remote embedder is named {form}, not {name}.")
    characters = query.pop("characters", [str(CHARACTERS)])[-1]
    if query or not (characters.isascii() and characters.isdigit() and int(characters) > 0):
        # An unknown setting may well be a key.
        raise UsageError(
            f"A remote embedder's address takes only ?characters=N, N above 0: {form}."
        )
    url = f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/')}"
    return RemoteName(name, url, parts.netloc, parts.fragment, int(characters))


def remote_host(name: str) -> str | None:
    """The host that an embedder sends prompts to; None for one that runs on this machine.

    Raises:
        UsageError: it is remote and its address is none.
    """
    parts = parts_of(name)
    if parts is not None:
        return next(filter(None, map(remote_host, parts)), None)
    remote = parse_remote(name)
    return None if remote is None else remote.host


def require_named(host: str, checkpoint: Path) -> None:
    """Refuse to send prompts to a host that a checkpoint names and the user does not.

    A checkpoint may come from anywhere, and would else decide who reads the prompts and the key.

    Raises:
        UsageError: HOST does not name it.
    """
    named = {name.strip().lower() for name in os.environ.get(HOST, "").split(",")}
    if host.lower() not in named:
        raise UsageError(
            f"{checkpoint} has its prompts embedded at {host}, and a checkpoint sends nothing "
            f"anywhere by itself: if the prompts may go there, set {HOST}={host}"
        )
