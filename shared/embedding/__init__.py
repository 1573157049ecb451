"""Embedding models: cards, loading, and turning texts into unit vectors. The only package that imports torch."""
