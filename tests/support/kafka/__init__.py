"""A real Apache Kafka for tests, started from its jars on loopback; knows nothing of Millrace."""
