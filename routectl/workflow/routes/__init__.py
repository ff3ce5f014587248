"""Which route a command means, and what is declared of it."""
