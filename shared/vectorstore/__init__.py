"""The vector store: a port, what every adapter needs, and one package per adapter."""
