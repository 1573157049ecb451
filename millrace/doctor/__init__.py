"""The checks of `millrace doctor`, one module for each part of a set-up.

The checks change nothing, with one exception: a probe point shows whether the Qdrant server honours guarded writes, and
is removed afterwards.
"""
