"""The checks of `millrace doctor`, one module for each part of a set-up. None changes anything."""
