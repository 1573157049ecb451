"""Operating a worker: its life cycle, its probes, what they watch, and asking a running worker."""
