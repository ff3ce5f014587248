"""A sentence-transformers model of any kind, computed by the library itself."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from routectl.embedding.files import EmbedderFiles
from routectl.errors import CheckpointError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def load_sentence_transformer(files: EmbedderFiles) -> Any:
    """The model in a folder, loaded without a look at the network and without a word.

    Raises:
        Exception: whatever the libraries raise on damaged files.
    """
    with quiet():
        from sentence_transformers import SentenceTransformer

        return SentenceTransformer(
            str(files.folder),
            device="cpu",
            trust_remote_code=False,
            local_files_only=True,
            model_kwargs={"use_safetensors": True},
        )


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keep the model libraries' progress bars and notices off standard error."""
    import transformers.utils.logging as transformers_logging

    level = transformers_logging.get_verbosity()
    transformers_logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    logging.getLogger("sentence_transformers").setLevel(logging.ERROR)
    try:
        yield
    finally:
        transformers_logging.set_verbosity(level)


class AnyModel:
    """A sentence-transformers model as `local.LocalModel`."""

    def __init__(self, name: str, model: Any) -> None:
        """Take what the model states.

        Raises:
            CheckpointError: it has no fast tokenizer, or no maximum length.
        """
        backend = getattr(model.tokenizer, "backend_tokenizer", None)
        if backend is None or model.max_seq_length is None:
            raise CheckpointError(
                f"The embedder {name!r} has no fast tokenizer or states no maximum length, "
                "so what it reads of a long prompt is unknown; choose another embedder."
            )
        self.tokenizer = backend
        self.max_tokens = int(model.max_seq_length)
        self.prefix = str((model.prompts or {}).get(model.default_prompt_name or "", ""))
        self.dimension = int(model.encode([""], show_progress_bar=False).shape[1])
        self._model = model.eval()
        self._pad = int(model.tokenizer.pad_token_id or 0)
        self._type_ids = "token_type_ids" in model.tokenizer.model_input_names

    def pool(self, tokens: Sequence[Sequence[int]]) -> NDArray[np.float32]:
        """Shape (n, dimension)."""
        import torch

        with torch.inference_mode():
            output = self._model(self._features(tokens))["sentence_embedding"]
            vectors: NDArray[np.float32] = output.float().numpy()
        return vectors

    def _features(self, tokens: Sequence[Sequence[int]]) -> dict[str, Any]:
        import torch

        width = max(len(ids) for ids in tokens)
        ids = torch.full((len(tokens), width), self._pad, dtype=torch.long)
        mask = torch.zeros((len(tokens), width), dtype=torch.long)
        for row, row_ids in enumerate(tokens):
            ids[row, : len(row_ids)] = torch.tensor(row_ids)
            mask[row, : len(row_ids)] = 1
        features = {"input_ids": ids, "attention_mask": mask}
        if self._type_ids:
            features["token_type_ids"] = torch.zeros_like(ids)
        return features
