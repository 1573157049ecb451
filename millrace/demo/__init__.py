"""The demo: the real worker on embedded parts, over sample tickets of our own."""
