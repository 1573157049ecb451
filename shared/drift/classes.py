"""The classes by which items are counted: lengths of texts, and confidences of decisions."""

from bisect import bisect_right

LENGTH_EDGES = (1, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096)
"""Lengths at which a new class begins, in characters."""

CONFIDENCE_CLASSES = 10
"""Classes of equal width from 0 to 1."""


def length_class(chars: int) -> str:
    """Return the class of a text's length in characters, such as `16-31`; the class of an empty text is `0`."""
    at = bisect_right(LENGTH_EDGES, chars)
    if at == 0:
        return "0"
    start = LENGTH_EDGES[at - 1]
    return f"{start}-{LENGTH_EDGES[at] - 1}" if at < len(LENGTH_EDGES) else f"{start}+"


def confidence_class(confidence: float) -> str:
    """Return the class of a confidence from 0 to 1, such as `0.9`: from 0.9 to 1."""
    return f"{min(int(confidence * CONFIDENCE_CLASSES), CONFIDENCE_CLASSES - 1) / CONFIDENCE_CLASSES:.1f}"
