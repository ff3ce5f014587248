"""Training of the `causal_llm` router: an adapter of a base model, and new rows for its ratings."""

from routectl.training.causal_llm.adapter import train_causal_llm
from routectl.training.causal_llm.ratings import train_rating_rows

__all__ = ["train_causal_llm", "train_rating_rows"]
