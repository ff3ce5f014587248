"""What a command does: reads the store, asks a router or the calibration, writes the store."""
