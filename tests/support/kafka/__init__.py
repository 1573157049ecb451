"""A real Apache Kafka for tests, started from its jars on loopback; independent of Millrace."""
