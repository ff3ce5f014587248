"""routes.json where proxies read it, written anew by each activation of a route that is published.

The activation is committed first and the file written then. The other way round, a full disk or a
folder that is gone would keep a rollback from being recorded; this way it is recorded, and what was
not written is said.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from routectl.errors import RoutectlError
from routectl.export import is_routes_document, routes_document
from routectl.output import PUBLIC, Output
from routectl.store import routes
from routectl.store.engine import Location
from routectl.store.opening import open_store
from routectl.workflow.exporting.run import running


@dataclass(frozen=True, slots=True)
class Published:
    """A file that proxies read, and whether it holds what its routes run now."""

    path: str
    routes: tuple[str, ...]
    """That it holds; none where none of its routes runs anything yet, and nothing was written."""
    problem: str | None = None
    """Why it could not be written."""


def check_publishable(location: Location, path: str) -> None:
    """Refuse a path that `publish` could not write.

    Raises:
        UsageError: it is a database, a device, a link, or a file that is no routes.json.
        InputError: its folder is missing or cannot be written.
    """
    _output(location, path).check()


def publish(location: Location, route: str) -> Published | None:
    """Write the file that a route is published to, with all routes that are.

    Args:
        route: its name.

    Returns:
        What was written, or why not; None where the route is not published.
    """
    path = None
    try:
        # Writers wait for each other, so what is written last is what was activated last.
        with open_store(location) as store, store.write() as connection:
            row = routes.route(connection, route)
            path = None if row is None else row.publish
            if path is None:
                return None
            active = running(connection, routes.published_to(connection, path))
            if active:
                _output(location, path).write(routes_document(active).encode())
            return Published(path, tuple(active))
    except RoutectlError as error:
        return Published(path or "routes.json", (), str(error))


def _output(location: Location, path: str) -> Output:
    return Output(
        path=Path(path),
        option="--publish",
        database=location.path,
        is_ours=is_routes_document,
        can_be_forced=False,
        mode=PUBLIC,
    )
