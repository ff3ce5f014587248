"""routes.json as it runs: read again while it changes, and kept as it was where that fails."""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from routectl import extraction
from routectl.errors import InputError, RoutectlError
from routectl.export import ActiveRoute, read_routes
from routectl.policy import CONVERSATION, THRESHOLD
from routectl.proxy.scorer import Scorer, open_scorer

log = logging.getLogger("routectl.proxy")

POLL_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class RunningRoute:
    """A route, and what scores its requests."""

    active: ActiveRoute
    scorers: tuple[Scorer, ...]
    """One, or one for each threshold; none where the policy is unconditional."""


class Running:
    """The routes of a file, and their routers. Readers may be in any thread."""

    def __init__(self, path: Path) -> None:
        """Read the file and load what it names.

        Raises:
            RoutectlError: it cannot be read or carried out.
        """
        self.path = path
        self.changes = 0
        """How often the file was taken up again."""
        self.failures = 0
        """How often what it had become could not be carried out."""
        self._data = b""
        self._scorers: dict[str, Scorer] = {}
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self.routes: Mapping[str, RunningRoute] = {}
        try:
            self._take(self._read())
        except RoutectlError as error:
            raise InputError(f"{path} cannot be carried out: {error}") from None

    def watch(self) -> None:
        """Look at the file each second, in a thread, until `close`."""
        self._thread = threading.Thread(target=self._watch, name="routectl-routes", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End all threads."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
        for scorer in self._scorers.values():
            scorer.close()

    def check(self) -> None:
        """Take the file up if it is another one than before; what cannot be carried out changes
        nothing, and is said once."""
        try:
            data = self._read()
            if data == self._data:
                return
        except RoutectlError as error:
            data, problem = b"", str(error)
            if self._data == data:
                return
        else:
            try:
                self._take(data)
            except RoutectlError as error:
                problem = str(error)
            else:
                self.changes += 1
                log.info("routes were read again from %s", self.path)
                return
        self._data = data
        self.failures += 1
        log.error("%s cannot be carried out, the routes stay as they were: %s", self.path, problem)

    def _watch(self) -> None:
        while not self._stop.wait(POLL_SECONDS):
            try:
                self.check()
            except Exception as error:  # the thread must live as long as the proxy
                self.failures += 1
                log.error("%s could not be looked at: %s", self.path, type(error).__name__)

    def _read(self) -> bytes:
        # The content, and no time or number of the file: a link may have been put in its place.
        try:
            return self.path.read_bytes()
        except OSError as error:
            raise InputError(f"it cannot be read ({error.strerror})") from None

    def _take(self, data: bytes) -> None:
        active = read_routes(data)
        scorers: dict[str, Scorer] = {}
        routes: dict[str, RunningRoute] = {}
        for name, route in active.items():
            policy = route.policy
            readers = extraction.FIRST_TEXT if policy.unit == CONVERSATION else extraction.VERSIONS
            if policy.extraction_version not in readers:
                raise InputError(
                    f"its route {name!r} reads texts with version {policy.extraction_version} of "
                    "the extraction, which this routectl does not have: install a newer one"
                )
            pinned = policy.routers if policy.rule == THRESHOLD else ()
            for router in pinned:
                held = self._scorers.get(router.fingerprint) or scorers.get(router.fingerprint)
                scorers[router.fingerprint] = held or open_scorer(router)
            routes[name] = RunningRoute(route, tuple(scorers[r.fingerprint] for r in pinned))
        for fingerprint, scorer in self._scorers.items():
            if fingerprint not in scorers:
                scorer.close()
        self.routes, self._scorers, self._data = routes, scorers, data
