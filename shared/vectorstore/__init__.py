"""The vector store: the port, the code that all adapters share, and one package per adapter."""
