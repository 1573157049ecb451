"""Decodes characters that are written as codes in URLs, HTML and JSON, and records where each code was."""

import re
from dataclasses import dataclass

NAMED = {
    "commat": "@",
    "period": ".",
    "plus": "+",
    "lowbar": "_",
    "lt": "<",
    "gt": ">",
    "quot": '"',
    "amp": "&",
    "nbsp": " ",
}
CODE = re.compile(
    r"%(?:25)*([2-7][0-9A-Fa-f])"  # RFC 3986, section 2.1, also when it was encoded several times
    r"|((?:%[89A-Fa-f][0-9A-Fa-f])+)"
    r"|&#[xX]0*([0-9A-Fa-f]{2,5})(?:;|(?![0-9A-Fa-f]))|&#0*(\d{2,6})(?:;|(?!\d))"
    rf"|&({'|'.join(NAMED)});"
    r"|\\{1,4}(?:u00|x)([2-7][0-9A-Fa-f])|\\([nrt])"
)
"""A character code. The groups are: a percent-encoded ASCII code in hex, a percent-encoded run of UTF-8 beyond ASCII,
an HTML code in hex, an HTML code in decimal, an HTML name, a backslash escape in hex, and an escaped line break or
tab (`\\n`, `\\r`, `\\t`)."""


@dataclass(frozen=True, slots=True)
class Decoded:
    """A decoded text.

    Attributes:
        text: The text without codes.
        starts: For each character, and for the end of the text, its start in the text with codes.
    """

    text: str
    starts: list[int]


def has_codes(text: str) -> bool:
    """Return whether a text contains such codes; this takes almost no time for a text without them."""
    return ("%" in text or "&" in text or "\\" in text) and CODE.search(text) is not None


def decode_characters(text: str) -> Decoded:
    """Return a text with its codes replaced by the characters that they stand for."""
    parts: list[str] = []
    starts: list[int] = []
    at = 0
    for found in CODE.finditer(text):
        parts += (text[at : found.start()], _character(found))
        starts += range(at, found.start() + 1)
        at = found.end()
    parts.append(text[at:])
    starts += range(at, len(text) + 1)
    return Decoded("".join(parts), starts)


def _character(found: re.Match[str]) -> str:
    percent, beyond_ascii, html_hex, decimal, name, escaped, _ = found.groups()
    if name:
        return NAMED[name]
    if beyond_ascii:
        return bytes.fromhex(beyond_ascii.replace("%", "")).decode(errors="ignore")[:1] or " "
    number = int(percent or html_hex or escaped or "0", 16) or int(decimal or "0")
    return chr(number) if number < 0x11_0000 and chr(number).isprintable() else " "
