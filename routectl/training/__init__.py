"""Preference data in, a router's checkpoint out. Importing this package loads no model library."""

from routectl.embedding import remote_host
from routectl.training.bert import train_bert
from routectl.training.causal_llm import train_causal_llm, train_rating_rows
from routectl.training.ensemble import train_ensemble
from routectl.training.fits.difficulty import DifficultySettings
from routectl.training.length import train_length
from routectl.training.mf import train_mf
from routectl.training.output.report import TrainingReport
from routectl.training.progress import Progress
from routectl.training.request import TrainingRequest
from routectl.training.sw_ranking import train_sw_ranking

__all__ = [
    "DifficultySettings",
    "Progress",
    "TrainingReport",
    "TrainingRequest",
    "remote_host",
    "train_bert",
    "train_causal_llm",
    "train_ensemble",
    "train_length",
    "train_mf",
    "train_rating_rows",
    "train_sw_ranking",
]
