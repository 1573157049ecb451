"""Whole workers on embedded parts."""
