"""The broker: a port, the confluent-kafka adapter, and the embedded broker that the same adapter talks to."""
