"""What a command says of the routes.json that it wrote for proxies."""

from __future__ import annotations

from typing import TYPE_CHECKING

from routectl.cli.console import Console
from routectl.errors import InputError
from routectl.route import quoted

if TYPE_CHECKING:
    from routectl.workflow.exporting.publishing import Published


def published_json(published: Published | None) -> dict[str, object] | None:
    """For programs; an empty `routes` says that nothing was written."""
    if published is None:
        return None
    return {"path": published.path, "routes": published.routes, "problem": published.problem}


def say_published(console: Console, published: Published | None, route: str, done: str) -> None:
    """Say what was written.

    Args:
        done: what was done all the same, for the sentence of a failure.

    Raises:
        InputError: it could not be written.
    """
    if published is None:
        return
    if published.problem is not None:
        raise InputError(
            f"{done}, but proxies go on as before, because {published.problem}; when that is "
            f"mended, `routectl route set {quoted(route)} --publish {quoted(published.path)}` "
            "writes it"
        )
    if published.routes:
        console.note(f"wrote {published.path}, which proxies take up by themselves")
