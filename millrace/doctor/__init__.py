"""The checks of `millrace doctor`, one module for each part of a set-up.

The checks change nothing, with one exception: a probe point shows whether the version condition of writes takes effect on
the Qdrant server. It is removed afterwards.
"""
