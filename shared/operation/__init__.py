"""Operating a worker: its life cycle, its probes, the values that it watches, and commands to a running worker."""
