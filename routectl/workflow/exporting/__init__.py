"""What runs, as a proxy takes it, and whether the proxy has it."""
