"""A cache of vectors: never on the path of correctness, only of speed."""
