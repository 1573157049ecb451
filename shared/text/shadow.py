"""The shadow of a text: a copy of equal length in which look-alike characters are replaced by their ASCII twins.

So one pattern matches many spellings. Spans that are found in the shadow also apply to the text.
"""

import re
import unicodedata

Span = tuple[int, int, str]
"""Start, end and the mask that replaces the text between them."""

MAIL, PHONE, IBAN, CARD = "[mail]", "[phone]", "[iban]", "[card]"
BLOCKS = (
    range(0x80, 0x3400), range(0xA600, 0xAC00), range(0xFE00, 0x10000), range(0x10400, 0x12000),
    range(0x1D400, 0x1D800), range(0x1E000, 0x1FC00),
)  # fmt: skip
"""The blocks in which Unicode 16 has digits, dashes, spaces and look-alikes; the others hold ideographs, syllables and
pictures."""

DOTS = "\u00b7\u2022\u2024\u2027\u2219\u22c5\u3002\uff61"

DAY = r"(?:0?[1-9]|[12]\d|3[01])"
DATES = "|".join(
    rf"(?:19|20)\d\d{gap}{DAY}{gap}{DAY}|{DAY}{gap}{DAY}{gap}(?:(?:19|20)\d\d|\d\d)" for gap in ("-", "/", r"\.")
)
COMPACT = r"(?:19|20)\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])"
TIME = r"\d{1,2}[:.h]\d\d(?:[:.]\d\d)?(?:[.,]\d{1,9})?"
DATE = rf"(?<![\w.+])(?<!\d[-./])(?:(?:{DATES})(?: ?[-/] ?(?:{DATES}))?|{COMPACT})(?:(?:T|,? ){TIME})?(?!\d|[-./]\d)"
"""A pattern of a date or a range of two dates, in the usual orders and with the usual separators, with or without a
time."""

OCTET = r"(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)"
IPV4 = rf"(?<![\w.]){OCTET}(?:\.{OCTET}){{3}}(?!\w|\.\d)"


def _twin(char: str) -> str | None:
    """Return the ASCII character that replaces a character in the shadow; None if it has no replacement."""
    kind = unicodedata.category(char)
    if kind == "Nd":
        return str(unicodedata.digit(char))
    if kind == "Pd" or char in "\u2212\u2043\u00ad":
        return "-"
    if kind == "Zs":
        return " "
    if char in DOTS:
        return "."
    folded = unicodedata.normalize("NFKC", char) if kind[0] in "LPS" else ""
    return folded if len(folded) == 1 and folded.isascii() and folded.isprintable() else None


TWINS = {ord("\t"): " "} | {code: twin for block in BLOCKS for code in block if (twin := _twin(chr(code))) is not None}
"""Every digit, dash, space and compatibility look-alike of ASCII (full-width, mathematical), with its ASCII twin."""


NO_ACCOUNT = re.compile(rf"(?=\d)(?:{DATE}|{IPV4})")


def shadow_of(text: str) -> str:
    """Return the shadow of a text; for ASCII without tabs, this is the text itself."""
    return text if text.isascii() and "\t" not in text else text.translate(TWINS)


def without_dates(shadow: str) -> str:
    """Return a shadow in which dates and IPv4 addresses have no digits, so that they do not become part of a number."""
    return NO_ACCOUNT.sub(lambda found: "x" * len(found[0]), shadow)


def cover(shadow: str, spans: list[Span]) -> str:
    """Return a shadow in which spans that do not overlap are replaced by brackets around `x` characters, like masks."""
    parts: list[str] = []
    at = 0
    for start, end, _ in sorted(spans):
        parts += (shadow[at:start], "[", "x" * (end - start - 2), "]")
        at = end
    return "".join((*parts, shadow[at:]))


def apply(text: str, spans: list[Span]) -> str:
    """Return a text with its spans replaced by their masks."""
    parts: list[str] = []
    at = 0
    for start, end, mask in sorted(spans):
        parts += (text[at:start], mask)
        at = end
    return "".join((*parts, text[at:]))
