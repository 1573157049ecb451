"""The stand-in for Qdrant's server, proxies that disturb the connection to it, and helpers that start and stop them."""
