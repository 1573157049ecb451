"""Drift: whether what arrives still resembles a reference, and what has changed if not. docs/drift.md explains it."""
