"""Corrections of what recognition confuses again and again, where only one reading makes sense."""

import re

HEXADECIMAL = re.compile(r"(?<![0-9A-Za-z])[Oo]x(?=[0-9A-Fa-f]*\d[0-9A-Fa-f]*(?![0-9A-Za-z]))")
"""A capital O before x and hexadecimal digits, of which one at least is a decimal one: error codes begin with 0x."""

BROKEN_ADDRESS = re.compile(r"(@[\w-]+(?:\.[\w-]+)*)(?: \.| ?\. )(?=[a-z]{2,}\b)", re.ASCII)
"""A blank at a dot of the domain of a mail address. A domain without a dot is no mail address, so the next word is part of
it, and masking needs it whole."""

HAS_DOT = re.compile(r"@[\w-]+\.", re.ASCII)


def corrected(text: str) -> str:
    """Return what was recognised in one piece, with its corrections."""
    return BROKEN_ADDRESS.sub(_without_blank, HEXADECIMAL.sub("0x", " ".join(text.split())))


def _without_blank(found: re.Match[str]) -> str:
    return found[0] if HAS_DOT.match(found[1]) else f"{found[1]}."
