"""Rates of models on a GPU."""
