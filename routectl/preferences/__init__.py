"""Preference data: battles and correctness tables, read, compared and checked."""
