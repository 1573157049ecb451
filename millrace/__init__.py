"""Millrace: from Kafka to audited results. This package holds the commands, the wiring, and the tools run by hand."""
