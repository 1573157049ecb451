"""Training of a routing head on labelled texts. No code that decides at run time imports this package."""
