"""Threshold calibration and operations for LLM routers."""

__version__ = "0.1.0"
