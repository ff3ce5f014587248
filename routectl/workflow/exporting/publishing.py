"""routes.json where proxies read it, written anew by each activation of a route that is published.

The activation is committed first and the file written then. The other way round, a full disk or a
folder that is gone would keep a rollback from being recorded; this way it is recorded, and what was
not written is said.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from routectl.documents import read_document
from routectl.errors import InputError, RoutectlError, UsageError
from routectl.export import is_routes_document, read_routes, routes_document
from routectl.output import PUBLIC, Output
from routectl.store import routes
from routectl.store.engine import Location, connect, schema_version
from routectl.store.opening import check_schema, open_store
from routectl.workflow.exporting.run import running

_NAMED = 3
"""Routes that a sentence names."""


@dataclass(frozen=True, slots=True)
class Published:
    """A file that proxies read, and whether it holds what its routes run now."""

    path: str
    routes: tuple[str, ...]
    """That it holds; none where none of its routes runs anything yet, and nothing was written."""
    problem: str | None = None
    """Why it could not be written."""


def check_publishable(location: Location, path: str, route: str) -> None:
    """Refuse a path that `publish` could not write.

    Args:
        route: that is to be published there.

    Raises:
        UsageError: it is a database, a device, a link, a file that is no routes.json, or one with
            routes that this database never published there.
        InputError: its folder is missing or cannot be written.
    """
    _output(location, path).check()
    _refuse_routes_of_others(path, _published_by(location, path) | {route})


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
                _refuse_routes_of_others(path, routes.names_published_to(connection, path))
                _output(location, path).write(routes_document(active).encode())
            return Published(path, tuple(active))
    except RoutectlError as error:
        return Published(path or "routes.json", (), str(error))


def _published_by(location: Location, path: str) -> set[str]:
    """Names that a database has published to a file; none where it is yet to be made."""
    if location.path is not None and not location.path.exists():
        return set()
    with connect(location) as store:
        if schema_version(store) is None:
            return set()
        check_schema(store)
        with store.read() as connection:
            return routes.names_published_to(connection, path)


def _refuse_routes_of_others(path: str, published: Collection[str]) -> None:
    """Refuse to write a routes.json that holds routes which would be lost.

    Args:
        published: names that this database has published there.

    Raises:
        UsageError: it holds others.
    """
    try:
        there = read_routes(read_document(Path(path)))
    except (OSError, InputError):
        return  # there is no file, or `Output` says what it is
    if lost := [name for name in there if name not in published]:
        more = f" and {len(lost) - _NAMED} more" if len(lost) > _NAMED else ""
        raise UsageError(
            f"--publish {path} holds routes that this database did not publish there and would "
            f"take out ({', '.join(map(repr, lost[:_NAMED]))}{more}): name another file, publish "
            "from the database that wrote it, or remove the file if no proxy needs them"
        )


def _output(location: Location, path: str) -> Output:
    return Output(
        path=Path(path),
        option="--publish",
        database=location.path,
        is_ours=is_routes_document,
        can_be_forced=False,
        mode=PUBLIC,
    )
