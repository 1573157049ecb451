"""Choosing a label, and knowing when not to."""
