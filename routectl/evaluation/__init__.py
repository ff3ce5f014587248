"""Benchmarks, metrics and curves."""
