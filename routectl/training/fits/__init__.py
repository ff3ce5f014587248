"""The numerical part of each training: arrays or batches in, parameters out."""
