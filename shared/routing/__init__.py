"""Choosing a label for a text, or abstaining if none is certain enough."""
