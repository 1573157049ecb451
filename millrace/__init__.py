"""Millrace: from Kafka to audited results. Commands, wiring, and what people run by hand."""
