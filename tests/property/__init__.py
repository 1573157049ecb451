"""Properties that hold for arbitrary input, tested by hypothesis."""
