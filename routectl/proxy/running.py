"""routes.json as it runs: read again while it changes, and kept as it was where that fails."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path

from routectl import extraction
from routectl.documents import read_document
from routectl.errors import InputError, RoutectlError
from routectl.export import ActiveRoute, read_routes
from routectl.policy import CONVERSATION, THRESHOLD, PinnedRouter, Policy
from routectl.proxy.bundle import MANIFEST, ROUTES, Bundle, read_bundle
from routectl.proxy.scorer import Scorer, open_scorer

log = logging.getLogger("routectl.proxy")

POLL_SECONDS = 1.0
RETRY_SECONDS = 5.0
"""Between two attempts to load what was never loaded: an attempt may take seconds."""


@dataclass(frozen=True, slots=True)
class RunningRoute:
    """A route, and what scores its requests."""

    active: ActiveRoute
    scorers: tuple[Scorer, ...]
    """One, or one for each threshold; none where the policy is unconditional, and where they are
    not loaded yet."""


@dataclass(frozen=True, slots=True)
class _Seen:
    """What lay there at a look; equal, nothing has changed."""

    routes: bytes
    manifest: bytes | None = None
    files: tuple[object, ...] = ()
    problem: str | None = None
    """Why routes.json could not be read."""
    manifest_problem: str | None = None
    """Why the manifest of a bundle could not be read."""


def _accepts_all(_routes: Mapping[str, ActiveRoute]) -> None:
    pass


class Running:
    """The routes of a file or a bundle, and their routers. Readers may be in any thread."""

    def __init__(
        self,
        path: Path,
        *,
        in_background: bool = False,
        require: Callable[[Mapping[str, ActiveRoute]], None] = _accepts_all,
    ) -> None:
        """Read what is there and load what it names.

        Args:
            path: of routes.json, or of a bundle's folder.
            in_background: `watch` loads it, and tries again until it can. Until then there are
                no routes, or routes without their routers.
            require: called with the routes each time before they are taken up; raises InputError
                where whoever serves them cannot carry them out.

        Raises:
            RoutectlError: it cannot be read or carried out; not in the background.
        """
        self.path = path
        self.tried: Future[None] = Future()
        """Done once the first attempt to load has ended, well or not."""
        self.changes = 0
        """How often the file was taken up again."""
        self.failures = 0
        """How often what it had become could not be carried out."""
        self.problem: str | None = None
        """Why what lies there now is not what runs; None where it is."""
        self._seen = _Seen(b"")
        self._verified: tuple[bytes | None, tuple[object, ...]] = (None, ())
        """Manifest and files of the bundle that was compared with its manifest last."""
        self._scorers: dict[str, Scorer] = {}
        self._require = require
        self._is_loaded = False
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self.routes: Mapping[str, RunningRoute] = {}
        if in_background:
            return
        try:
            self._take(self._look())
        except RoutectlError as error:
            raise InputError(f"{path} cannot be carried out: {error}") from None
        self._note_damage()
        self.tried.set_result(None)

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
        seen = self._look()
        # What lacks its routers may get them without a change of the file.
        if seen == self._seen and self._is_loaded:
            return
        self._seen = seen
        was_loaded = self._is_loaded
        try:
            self._take(seen)
        except RoutectlError as error:
            self.failures += 1
            if self.problem != str(error):
                kept = "the routes stay as they were" if was_loaded else "it is tried again"
                log.error("%s cannot be carried out, %s: %s", self.path, kept, error)
            self.problem = str(error)
        else:
            self.changes += was_loaded
            # A warning, because a gateway that sets up no logging shows nothing less.
            log.warning("%s was taken up: %s", self.path, self._words())
            self._note_damage()

    def _note_damage(self) -> None:
        """Say what is wrong with a bundle whose routes run all the same: they need no router, or
        one that was loaded before. It would not start again, and is no reason not to obey."""
        try:
            self._bundle(self._seen)
        except InputError as error:
            self.failures += 1
            if self.problem != str(error):
                log.error("%s is damaged, the routes run all the same: %s", self.path, error)
            self.problem = str(error)
        else:
            self.problem = None

    def _words(self) -> str:
        running = (
            f"{name} runs a{route.active.policy.activation_id}"
            for name, route in self.routes.items()
        )
        return ", ".join(running)

    def _watch(self) -> None:
        while True:
            try:
                self.check()
            except Exception as error:  # the thread must live as long as the proxy
                self.failures += 1
                self.problem = type(error).__name__
                log.error("%s could not be looked at: %s", self.path, self.problem)
            if not self.tried.done():
                self.tried.set_result(None)
            if self._stop.wait(POLL_SECONDS if self._is_loaded else RETRY_SECONDS):
                return

    def _look(self) -> _Seen:
        # The content, and no time or number of the file: a link may have been put in its place.
        try:
            if not self.path.is_dir():
                return _Seen(read_document(self.path))
            routes = read_document(self.path / ROUTES)
        except OSError as error:
            return _Seen(b"", problem=_unreadable(error))
        try:
            data = read_document(self.path / MANIFEST)
        except OSError as error:
            return _Seen(routes, manifest_problem=_unreadable(error))
        try:
            # A copy of a bundle may arrive file by file.
            files = read_bundle(self.path, data).state()
        except InputError:
            files = ()
        return _Seen(routes, data, files)

    def _take(self, seen: _Seen) -> None:
        if seen.problem is not None:
            raise InputError(seen.problem)
        active = read_routes(seen.routes)
        for name, route in active.items():
            _require_extraction(name, route.policy)
        self._require(active)
        if not self._is_loaded:
            # Enough for the fallback of whatever is asked until the routers are loaded.
            self.routes = {name: RunningRoute(route, ()) for name, route in active.items()}
        # Of a damaged bundle what needs nothing from it is carried out: always-weak at night must
        # be, and so must another threshold for a router that is loaded.
        wanted = {r.fingerprint for route in active.values() for r in _deciding(route.policy)}
        bundle = self._bundle(seen) if wanted - self._scorers.keys() else None
        scorers: dict[str, Scorer] = {}
        try:
            routes = {name: self._opened(route, bundle, scorers) for name, route in active.items()}
        except BaseException:
            _close(scorers, but=self._scorers)
            raise
        _close(self._scorers, but=scorers)
        self.routes, self._scorers, self._seen = routes, scorers, seen
        self._is_loaded = True

    def _bundle(self, seen: _Seen) -> Bundle | None:
        """The bundle that lies there, compared with its manifest; None where there is none.

        Raises:
            InputError: it is damaged.
        """
        if seen.manifest_problem is not None:
            raise InputError(seen.manifest_problem)
        if seen.manifest is None:
            return None
        bundle = read_bundle(self.path, seen.manifest)
        if (seen.manifest, seen.files) != self._verified:
            bundle.require_unchanged()
            self._verified = (seen.manifest, seen.files)
        return bundle

    def _opened(
        self, route: ActiveRoute, bundle: Bundle | None, scorers: dict[str, Scorer]
    ) -> RunningRoute:
        """A route with what scores it; routers that are loaded for it are added to `scorers`."""
        pinned = _deciding(route.policy)
        for router in pinned:
            loaded = self._scorers.get(router.fingerprint) or scorers.get(router.fingerprint)
            scorers[router.fingerprint] = loaded or open_scorer(router, bundle)
        return RunningRoute(route, tuple(scorers[r.fingerprint] for r in pinned))


def _deciding(policy: Policy) -> tuple[PinnedRouter, ...]:
    """The routers that a policy needs: none where it is unconditional."""
    return policy.routers if policy.rule == THRESHOLD else ()


def _unreadable(error: OSError) -> str:
    name = "" if error.filename is None else f"{Path(error.filename).name}: "
    return f"it cannot be read ({name}{error.strerror})"


def _require_extraction(name: str, policy: Policy) -> None:
    readers = extraction.FIRST_TEXT if policy.unit == CONVERSATION else extraction.VERSIONS
    if policy.extraction_version not in readers:
        raise InputError(
            f"its route {name!r} reads texts with version {policy.extraction_version} of the "
            "extraction, which this routectl does not have: install a newer one"
        )


def _close(scorers: Mapping[str, Scorer], *, but: Mapping[str, Scorer]) -> None:
    for fingerprint, scorer in scorers.items():
        if fingerprint not in but:
            scorer.close()
