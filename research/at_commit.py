"""What a clone of a public repository holds at one commit, for scripts that make tables of it."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class AtCommit:
    """A clone, seen at a commit of its history."""

    repository: Path
    commit: str

    def names(self, folder: str) -> list[str]:
        """The paths of the files in a folder, which ends with a slash."""
        return self._git("ls-tree", "--name-only", self.commit, folder).splitlines()

    def lines(self, path: str) -> list[dict[str, Any]]:
        """The objects of a file of JSON lines."""
        shown = self._git("show", f"{self.commit}:{path}")
        return [json.loads(line) for line in shown.splitlines()]

    def _git(self, *arguments: str) -> str:
        """What git prints; ends the program with git's own words where it refuses."""
        command = ["git", "-C", str(self.repository), *arguments]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            sys.exit(f"{self.repository} has no commit {self.commit}: {done.stderr.strip()}")
        return done.stdout
