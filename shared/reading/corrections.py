"""Corrections of what recognition confuses again and again, where only one reading makes sense."""

import re

HEXADECIMAL = re.compile(r"(?<![0-9A-Za-z])[Oo]x(?=[0-9A-Fa-f]*\d[0-9A-Fa-f]*(?![0-9A-Za-z]))")
"""A capital O before x and hexadecimal digits, of which one at least is a decimal one: error codes begin with 0x."""

DOMAINS = "com|org|net|edu|gov|info|biz|eu|fr|de|ch|co|uk|ca|nl|pl|io"
"""Top-level domains that are no words that a sentence begins with; `co` is that of `co.uk`."""

BROKEN_ADDRESS = re.compile(
    rf"(?<=[\w+-])(@[\w-]+)(?: \.(?=[a-z]{{2,}}\b)| ?\. (?=(?:[\w-]+\.)*(?:{DOMAINS})\b|[a-z]{{2,4}}[.,;:!?)>]*$))",
    re.ASCII,
)
"""A blank at a dot of the domain of a mail address. A domain without a dot is no mail address, so the next word is part of
it, and masking needs it whole. After a dot, a blank may also begin the next sentence: there, the next word must be a
top-level domain, or so short as one and the last of the piece. `@maria`, with nothing before it, is no address."""


def corrected(text: str) -> str:
    """Return what was recognised in one piece, with its corrections."""
    return BROKEN_ADDRESS.sub(r"\1.", HEXADECIMAL.sub("0x", " ".join(text.split())))
