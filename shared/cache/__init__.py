"""A cache of vectors: it affects only the speed, never the correctness of results."""
