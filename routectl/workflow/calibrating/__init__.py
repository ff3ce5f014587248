"""From stored requests to a recorded threshold, and what else is asked of the same cut table."""
