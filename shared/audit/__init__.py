"""The audit: what the topics state about every record, and the comparison with the points."""
