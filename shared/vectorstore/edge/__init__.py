"""Qdrant Edge: the store inside this process, on disk. One process holds a folder."""
