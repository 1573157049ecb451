"""Small pieces of wording that several messages share."""


def counted(count: int, noun: str) -> str:
    """Return a number with its noun, in the plural unless the number is 1: "1 row", "0 rows"."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
