"""The checks of `millrace doctor`, one module for each part of a set-up.

None changes anything, but for the probe that shows whether Qdrant's server honours guarded writes: it is removed again.
"""
