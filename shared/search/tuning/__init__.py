"""Measures rankings on labelled queries and chooses the weights. No code that searches imports this package."""
