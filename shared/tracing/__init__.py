"""Traces: the context that records carry, and the spans of a worker's work."""
