"""Decoding of untrusted sounds and pictures in child processes that can do nothing else."""
