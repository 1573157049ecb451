"""Vectors and results recorded once, to be given again by every later version."""
