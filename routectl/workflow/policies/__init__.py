"""The policies that calibrations and activations hold, and what they say of stored requests."""
