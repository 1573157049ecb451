"""Choosing a label for a text, or abstaining if no label is certain enough."""
