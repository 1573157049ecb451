"""Characteristic words of a text."""

import re

WORD = re.compile(r"[^\W\d_]{3,}")


def characteristic_terms(text: str, count: int) -> tuple[str, ...]:
    """Return up to `count` words of a masked text."""
    return tuple(dict.fromkeys(WORD.findall(text.lower())))[:count]
