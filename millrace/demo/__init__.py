"""The demo: the real worker on embedded parts, with sample tickets that were written for Millrace."""
