"""What `mf` makes of a prompt's embedding before it is multiplied with what was learned."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from routectl.routers.kinds import Kinds
from routectl.routers.standardised import Standardisation
from routectl.routers.surface import Surface

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Features:
    """The embedding, standardised or as it is, and what stands beside it; each part may be None."""

    standardisation: Standardisation | None = None
    surface: Surface | None = None
    kinds: Kinds | None = None

    def vectors(
        self, embeddings: NDArray[np.float32], prompts: Sequence[str]
    ) -> NDArray[np.float32]:
        """q: without what the kinds put beside it, shape (n, D)."""
        import numpy as np

        found = embeddings
        if self.standardisation is not None:
            found = self.standardisation.of(found)
        if self.surface is not None:
            found = np.hstack([found, self.surface.of(prompts).astype(np.float32)])
        return found

    def of(self, embeddings: NDArray[np.float32], prompts: Sequence[str]) -> NDArray[np.float32]:
        """All of it, shape (n, D and the kinds' width)."""
        import numpy as np

        found = self.vectors(embeddings, prompts)
        if self.kinds is None:
            return found
        return np.hstack([found, self.kinds.of(embeddings, found).astype(np.float32)])
