"""Checkpoints in the layouts that RouteLLM published, one module for each of its routers."""
