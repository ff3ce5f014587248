"""Two answers to a prompt, an LLM's verdict on them, and what both cost."""
