"""Finds the signature of a message: text after a delimiter, a device's line, or a closing phrase with a name.

Only whole lines are signatures, and a doubtful line is not one: a divider or a closing phrase may be followed by more
text.
"""

import re
from collections.abc import Sequence

from shared.text.formulas import SHORT, THANKS, closing_words, is_device_line, is_regards, says_something

DELIMITER = re.compile(r"--[ \t]?")
"""The signature delimiter (RFC 3676, section 4.3); its trailing blank is often lost in transit."""

DELIMITED_LINES, CLOSED_LINES, TAIL_LINES = 12, 4, 8
CLOSING_CHARS, NAME_CHARS, NAME_WORDS = 40, 60, 6
PARTICLES = frozenset(
    "von van vom der den de del della di da dos das do la le el al bin ibn zu zur und and et y e of for the af"
    " och og from at in im bei chez gmbh co kg ltd inc".split()
)
"""Words in names, titles and companies that are written in lower case."""

WORD = re.compile(r"[^\W\d_]+")
UNCASED_LETTERS = 8
"""Lines with more characters of scripts without upper and lower case are sentences, not names."""

ENDS = (".", "!", "?", ",", ";", ")")
"""Endings of a line above words of thanks that close a mail; after other endings, the thanks are another item of a
list."""

CONTACT = re.compile(
    r"(?:(?:tel|phone|telefon|téléphone|teléfono|mobile?|mobil|cell|fax|e-?mail|mail|web|www|t|m|f|e|p|w)\b[.: ]*)?"
    r"(?:[<(]?\[(?:phone|mail)\][>)]?|(?:https?://|www\.)\S+)[ ,;|/]*",
    re.IGNORECASE,
)


def find_signature(lines: Sequence[str]) -> frozenset[int]:
    """Return the numbers of a message's signature lines; the result is empty if the message has no other content.

    Args:
        lines: The lines of a message without its quotations, with personal data masked.
    """
    end = len(lines)
    for search in (_delimited_from, _device_from, _closing_from):
        start = search(lines[:end])
        if start < end and says_something(lines[:start]):
            end = start
    return frozenset(range(end, len(lines)))


def _delimited_from(lines: Sequence[str]) -> int:
    """Return the line of the last delimiter if the lines after it look like a signature, else the number of lines."""
    for at in range(len(lines) - 1, max(-1, len(lines) - DELIMITED_LINES - 2), -1):
        if DELIMITER.fullmatch(lines[at]):
            below = [line for line in lines[at + 1 :] if line.strip()]
            signs = below[:1] if lines[at] == "-- " else below
            named = (
                bool(below)
                and (_is_name(below[0]) or is_device_line(below[0]))
                and not (lines[at] != "-- " and below[0].isupper())
            )
            asks = "?" in "".join(below) or any(line.startswith(("PS", "P.S", "P. S")) for line in below)
            signed = (
                named
                and all(_is_name(line) or _is_contact(line) or is_device_line(line) for line in signs)
                and not asks
            )
            return at if signed and not _line_above(lines[:at]).endswith(":") else len(lines)
    return len(lines)


def _device_from(lines: Sequence[str]) -> int:
    """Return the first of the lines at the end that devices and mail programs added."""
    start = len(lines)
    for at in range(len(lines) - 1, -1, -1):
        line = lines[at].strip()
        if line and not is_device_line(line):
            break
        start = at if line else start
    return start


def _closing_from(lines: Sequence[str]) -> int:
    """Return the line of the last closing phrase if only a name and contacts follow, else the number of lines."""
    for at in range(len(lines) - 1, max(-1, len(lines) - TAIL_LINES - 2), -1):
        line = lines[at].strip()
        if len(line) > CLOSING_CHARS or _line_above(lines[:at]).endswith(":"):
            continue
        below = [each for each in lines[at + 1 :] if each.strip()]
        words = closing_words(line)
        if is_regards(words) or (not below and _is_regards_and_name(line)):
            signs = len(below) <= CLOSED_LINES and all(_is_name(each) or _is_contact(each) for each in below)
            return at if signs or (len(below) == 1 and below[0].strip("-~ ").isalpha()) else len(lines)
        if words in THANKS and (not lines[at - 1].strip() or lines[at - 1].rstrip().endswith(ENDS)):
            named = 0 < len(below) <= 2 and all(_is_name(each) and len(each.split()) <= 3 for each in below)
            answers = words in SHORT and (not below or _line_above(lines[:at]).endswith("?"))
            return at if (named or not below) and not answers else len(lines)
    return len(lines)


def _is_regards_and_name(line: str) -> bool:
    """Return whether a line closes a mail and names its writer, as in `Viele Grüße Jo`."""
    words = line.split()
    return any(
        is_regards(closing_words(" ".join(words[:count]))) and _is_name(" ".join(words[count:]))
        for count in range(1, len(words))
    )


def _is_name(line: str) -> bool:
    """Return whether a line may be a name, a title or a company: few words, no digits, only particles in lower case."""
    words = WORD.findall(line)
    if not words or len(line) > NAME_CHARS or len(words) > NAME_WORDS or re.search(r"[\d?!:@#]", line):
        return False
    small = [word for word in words if word[0].islower() and word.casefold() not in PARTICLES]
    uncased = sum(char.isalpha() and char.lower() == char.upper() for char in line)
    return not small and uncased <= UNCASED_LETTERS


def _is_contact(line: str) -> bool:
    """Return whether a line contains only contact details: phone numbers, mail addresses and web pages."""
    return (
        CONTACT.sub("", line.strip()).strip(" ,;|/-") == "" if "[" in line or "www" in line or "://" in line else False
    )


def _line_above(lines: Sequence[str]) -> str:
    return next((line.strip() for line in reversed(lines) if line.strip()), "")
