"""Qdrant Edge: the embedded store, inside this process and on disk. Only one process can use a folder at a time."""
