"""The audit: what the topics say of every record, and the comparison with the points."""
