"""What a stopped training keeps: tensors in `OUTPUT.partial/`, next to the folder to be written.

Each piece is a safetensors file that is there whole or not at all. The folder says which training
it belongs to; another one does not go on with it. It is removed once the checkpoint is written.
"""

from __future__ import annotations

import fcntl
import json
from collections.abc import Mapping
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from routectl.checkpoint import tensor_bytes
from routectl.errors import CheckpointError
from routectl.output import open_kept, own_folder, remove_folder, replace_own

if TYPE_CHECKING:
    from types import TracebackType

    from numpy.typing import NDArray

_FACTS = "training.json"


class PartialRun:
    """The kept work of one training. Used as a context manager, which holds its lock."""

    def __init__(self, output: Path, facts: Mapping[str, object]) -> None:
        """Take up what an earlier run of the same training left, if it left anything.

        Args:
            output: the folder that the training will write.
            facts: what decides the outcome, see `request.request_facts`.

        Raises:
            CheckpointError: another training was stopped here, or one is at work.
        """
        self.folder = output.with_name(f"{output.name}.partial")
        self._facts = json.loads(json.dumps(facts))
        self._lock: IO[bytes] | None = None
        if self.folder.exists() or self.folder.is_symlink():
            self._take()

    def save(
        self,
        name: str,
        tensors: Mapping[str, NDArray[Any]],
        facts: Mapping[str, object] | None = None,
    ) -> None:
        """Keep a piece of work, in place of an earlier one of that name.

        Args:
            facts: plain JSON values that are kept with the tensors.

        Raises:
            CheckpointError: the folder cannot be written.
        """
        if self._lock is None:
            self._take()
        data = tensor_bytes(tensors, {"facts": json.dumps(facts or {})})
        try:
            replace_own(self._path(name), data)
        except OSError as error:
            raise CheckpointError(f"{self.folder} cannot be written: {error.strerror}.") from error

    def load(self, name: str) -> tuple[dict[str, NDArray[Any]], dict[str, Any]] | None:
        """A piece that was kept, with its facts; None where there is none.

        Raises:
            CheckpointError: it is damaged.
        """
        path = self._path(name)
        if self._lock is None or not path.is_file():
            return None
        from safetensors import SafetensorError, safe_open

        try:
            with safe_open(path, "np") as file:
                facts = json.loads((file.metadata() or {}).get("facts", "{}"))
                return {key: file.get_tensor(key) for key in file.keys()}, facts  # noqa: SIM118
        except (SafetensorError, OSError, ValueError) as error:
            raise CheckpointError(
                f"{path} is damaged, so the training cannot go on from it; remove {self.folder} "
                "to begin again."
            ) from error

    def remove(self) -> None:
        """Forget all that was kept: the checkpoint is written."""
        if self._lock is not None:
            remove_folder(self.folder)
        self._release()

    def __enter__(self) -> PartialRun:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._release()

    def _take(self) -> None:
        path = self.folder / _FACTS
        try:
            own_folder(self.folder)
            # The lock ends with the process, however it ends.
            self._lock = open_kept(self.folder / "lock")
        except OSError as error:
            raise CheckpointError(f"{self.folder} cannot be written: {error.strerror}.") from error
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self._release()
            raise CheckpointError(
                f"Another training is at work in {self.folder}; wait for it, or give another "
                "output folder."
            ) from None
        if not path.is_file():  # stopped before it kept anything
            try:
                replace_own(path, json.dumps(self._facts, indent=2).encode())
            except OSError as error:
                raise CheckpointError(
                    f"{self.folder} cannot be written: {error.strerror}."
                ) from error
            return
        try:
            facts = json.loads(path.read_bytes())
        except (OSError, ValueError):
            facts = None
        if facts != self._facts:
            self._release()
            raise CheckpointError(
                f"{self.folder} keeps the work of another training (other data, options or "
                "routectl); remove it to begin again, or give another output folder."
            )

    def _path(self, name: str) -> Path:
        return self.folder / f"{name}.safetensors"

    def _release(self) -> None:
        if self._lock is not None:
            self._lock.close()
            self._lock = None
