"""What a router hands over is looked at before anything is done with it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypeVar

from routectl.errors import RoutectlError, RouterError
from routectl.routers.plugins import package

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from routectl.routers.protocol import Router

Result = TypeVar("Result")

_SCORING = "on a batch of which nothing was stored"


def guarded(name: str, call: Callable[[], Result], when: str) -> Result:
    """Call a router's code.

    An exception in the code of a third party becomes one sentence with its type and never its
    text, which may hold a prompt. In routectl's own code it is a bug and stays what it is.

    Raises:
        RouterError: the third party's code raised something that is no routectl error.
    """
    try:
        return call()
    except RoutectlError:
        raise
    except (Exception, SystemExit, KeyboardInterrupt) as error:
        if package(name) is None:
            raise
        # Not chained: the cause's text may hold a prompt.
        raise _fault(name, f"raised {type(error).__name__} {when}") from None


def checked_scores(
    name: str, router: Router, prompts: Sequence[str]
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """A router's strong win rates of prompts, and whether each is longer than it reads.

    Returns:
        Two arrays of shape (n,); the first in [0, 1].

    Raises:
        RouterError: the router raised, or returned something else; says what. Nothing of these
            prompts is to be stored then.
    """
    import numpy as np

    win_rates = guarded(name, lambda: router.strong_win_rates(prompts), _SCORING)
    longer = guarded(name, lambda: router.longer_than_read(prompts), _SCORING)
    wanted = (len(prompts),)
    for what, array, kinds in (("strong win rates", win_rates, "f"), ("long prompts", longer, "b")):
        if not isinstance(array, np.ndarray) or array.dtype.kind not in kinds:
            got = array.dtype if isinstance(array, np.ndarray) else type(array).__name__
            needed = "floats" if kinds == "f" else "bools"
            raise _fault(name, f"returned its {what} as {got}, not a NumPy array of {needed}")
        if array.shape != wanted:
            raise _fault(name, f"returned {what} of the shape {array.shape} and not {wanted}")
    if np.isnan(win_rates).any():
        count = int(np.isnan(win_rates).sum())
        raise _fault(name, f"returned NaN as the strong win rate of {count:,} prompts")
    outside = (win_rates < 0) | (win_rates > 1)
    if outside.any():
        raise _fault(
            name,
            f"returned strong win rates outside [0, 1], from {win_rates.min():.6g} "
            f"to {win_rates.max():.6g}",
        )
    return win_rates.astype(np.float64), longer


def _fault(name: str, what: str) -> RouterError:
    owner = package(name)
    subject = f"the router {name!r}" + ("" if owner is None else f" of the package {owner}")
    advice = "check its checkpoint" if owner is None else "tell its author, or remove the package"
    return RouterError(f"{subject} {what}; {advice}")
