"""Similarity-weighted ranking, section 4.2.1 of RouteLLM (arXiv 2406.18665).

For each prompt, Bradley and Terry's ratings of ten tiers of models are fitted to all battles, those
on prompts that resemble it weighing more; the strong win rate follows from the two tiers' ratings.
"""

from routectl.routers.sw_ranking.router import open_router

__all__ = ["open_router"]
