"""Vectors and results recorded once, which every later version must give again."""
