"""Scoring the prompts that a router has not scored yet, by one process at a time."""

from routectl.workflow.scoring.run import score, score_missing, score_prompts

__all__ = ["score", "score_missing", "score_prompts"]
