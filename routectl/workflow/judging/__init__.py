"""Asking two models for answers and a judge for verdicts: kept call by call, within a budget."""

from routectl.workflow.judging.gathering import file_prompts, population_prompts
from routectl.workflow.judging.planning import Plan, plan_judging
from routectl.workflow.judging.run import (
    JudgingReport,
    continued,
    judge_prompts,
    judge_to_file,
    work_path,
    write_battles,
)
from routectl.workflow.judging.setup import Judging

__all__ = [
    "Judging",
    "JudgingReport",
    "Plan",
    "continued",
    "file_prompts",
    "judge_prompts",
    "judge_to_file",
    "plan_judging",
    "population_prompts",
    "work_path",
    "write_battles",
]
