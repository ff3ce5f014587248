"""Every error that routectl raises on purpose.

    RoutectlError                 exit code 1: one sentence for the person at the terminal
    ├── UsageError                exit code 2: the command line asks for what cannot be
    ├── InputError                a file or line that cannot be read as what it should be
    │   └── NoPromptsError        a log that was read whole and holds nothing to score
    ├── StoreError                the database is missing, locked, damaged, or of another schema
    ├── CheckpointError           a router's files are missing, damaged, or of another shape
    ├── EndpointError             a model behind an endpoint does not answer, or not as it should
    │   └── EmbeddingError        it was to embed prompts
    ├── RouterError               no such router or model, or scores that are no strong win rates
    ├── CalibrationError          no threshold can be chosen from what there is
    └── CheckFailed               exit code 3: a check ran well and said no

The message says what was wrong, where, and what to do. It is printed as it is, so it never
holds a prompt or a secret.
"""

from __future__ import annotations

import errno
import os


class RoutectlError(Exception):
    """Base of every error that is meant for the user."""

    exit_code = 1


class UsageError(RoutectlError):
    """What was asked for on the command line cannot be."""

    exit_code = 2


class InputError(RoutectlError):
    """A file, or a line of it, cannot be read as what it should be."""


class NoPromptsError(InputError):
    """A log was read whole and holds no prompt that a router could score."""


class StoreError(RoutectlError):
    """The database is missing, locked, damaged, read-only, or of another schema."""


class CheckpointError(RoutectlError):
    """A checkpoint's files are missing, damaged, or of another shape than the router expects."""


class EndpointError(RoutectlError):
    """A model behind an endpoint does not answer, refuses, or answers with nothing usable."""


class EmbeddingError(EndpointError):
    """A remote embedder does not answer, refuses, or answers with no usable vectors."""


class RouterError(RoutectlError):
    """No such router or model, or scores that are not strong win rates."""


class CalibrationError(RoutectlError):
    """No threshold can be chosen from the scores at hand."""


class CheckFailed(RoutectlError):  # noqa: N818 - an answer, not an error
    """A check ran well and its answer is no."""

    exit_code = 3


def reason_of(error: OSError) -> str:
    """Why the file system refused, in words."""
    return {
        errno.EACCES: "permission denied",
        errno.ENOENT: "the folder does not exist",
        errno.ENOSPC: "the disk is full",
        errno.EDQUOT: "the disk is full",
        errno.EFBIG: "the file would be larger than is allowed here",
        errno.EROFS: "the file system is read-only",
    }.get(error.errno or 0, os.strerror(error.errno) if error.errno else type(error).__name__)
