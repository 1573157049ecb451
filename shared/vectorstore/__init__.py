"""The vector store: a port, and one file per adapter."""
