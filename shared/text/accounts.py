"""Finds account and card numbers in a shadow: IBANs by their checksum, cards by their issuer and the Luhn checksum."""

import re

from stdnum import iban, luhn

from shared.text.shadow import CARD, IBAN, Span, without_dates

GAP = r"[ ./_\-]{0,3}"
IBAN_START = re.compile(
    rf"(?:(?<![A-Za-z0-9])|(?<=IBAN))(?=([A-Z]{GAP}[A-Z]{GAP}\d{GAP}\d(?:{GAP}[A-Z0-9]){{11,30}}))", re.IGNORECASE
)
IBAN_MIN_CHARS = 15
"""The length of Norway's IBANs, the shortest ones (ISO 13616 registry)."""

DIGITS = re.compile(rf"(?<!\d)\d(?:{GAP}\d){{12,}}+")
GROUP = re.compile(r"\d+")
CARD_LENGTHS = range(13, 20)
"""ISO/IEC 7812-1 allows up to 19 digits; the shortest card numbers in use have 13."""

ISSUER = re.compile(
    r"(?:4(?:.{12}|.{15}|.{18})"  # Visa
    r"|(?:5[1-5].{4}|222[1-9]..|22[3-9]...|2[3-6]....|27[01]...|2720..).{10}"  # Mastercard
    r"|3[47].{13}"  # American Express
    r"|3(?:0[0-59]|[689].).{11,16}"  # Diners Club
    r"|(?:6011|64[4-9].|65..).{12,15}"  # Discover
    r"|35(?:2[89]|[3-8].).{12,15}"  # JCB
    r"|62.{14,17}"  # UnionPay
    r"|(?:50[0-9]{2}|5[6-8]..|63..|67..|60..).{12,15}"  # Maestro, RuPay
    r"|220[0-4].{12,15})"  # Mir
)
"""Prefixes and lengths that issuers use, so that few order numbers are mistaken for card numbers."""

AMEX_GROUPS = ([4, 6, 5], [4, 6, 4])
"""Card groupings with groups of different sizes. If more than one character separates two groups, a number counts as
a card number only if it is grouped like one."""

FIRST_DIGITS = "23456"
STARTS = 5_000
"""Maximum number of positions in a text that are checked for a card number; after that, every long enough run of digits
is masked without a check."""


def find_ibans(shadow: str) -> list[Span]:
    """Return the IBANs in a shadow, in any grouping and in upper or lower case."""
    spans: list[Span] = []
    for found in IBAN_START.finditer(shadow):
        start = found.start()
        if not spans or start >= spans[-1][1]:
            length = _iban_length(found[1])
            if length:
                spans.append((start, start + length, IBAN))
    return spans


def _iban_length(candidate: str) -> int:
    """Return the length of the IBAN at the start of a candidate, including its gaps; 0 without an IBAN.

    The ISO 7064 remainder (mod 97-10) is updated with each character, so that the library checks only lengths whose
    checksum is right.
    """
    compact, ends = "", []
    for at, char in enumerate(candidate):
        if char.isalnum():
            compact += char.upper()
            ends.append(at + 1)
    head = "".join(str(int(char, 36)) for char in compact[:4])
    shift, last = 10 ** len(head) % 97, int(head) % 97
    remainder = 0
    for count, char in enumerate(compact[4:], 5):
        value = int(char, 36)
        remainder = (remainder * (100 if value > 9 else 10) + value) % 97
        right = (remainder * shift + last) % 97 == 1
        if right and count >= IBAN_MIN_CHARS and iban.is_valid(compact[:count], check_country=False):
            end = ends[count - 1]
            return 0 if candidate[end : end + 1].isalnum() else end
    return 0


def find_cards(shadow: str) -> list[Span]:
    """Return the card numbers in a shadow; each begins and ends at the edge of a written group of digits."""
    spans: list[Span] = []
    shadow = without_dates(shadow)
    starts = STARTS
    for run in DIGITS.finditer(shadow):
        groups = [found.span() for found in GROUP.finditer(shadow, run.start(), run.end())]
        for first, (start, _) in enumerate(groups):
            if shadow[start] not in FIRST_DIGITS or (spans and spans[-1][1] == run.end()):
                continue
            starts -= 1
            end = run.end() if starts < 0 else _card_end(shadow, groups, first)
            if spans and start < spans[-1][1]:  # the earlier digits may not belong to the card
                spans[-1] = (spans[-1][0], max(end, spans[-1][1]), CARD)
            elif end:
                spans.append((start, end, CARD))
    return spans


def _card_end(shadow: str, groups: list[tuple[int, int]], first: int) -> int:
    """Return the end of the longest card number that begins with a group; 0 without one."""
    digits, found, wide = "", 0, False
    sizes: list[int] = []
    before = groups[first][0]
    for start, end in groups[first : first + CARD_LENGTHS[-1]]:
        digits += shadow[start:end]
        if len(digits) > CARD_LENGTHS[-1]:
            break
        wide = wide or start - before > 1
        sizes.append(end - start)
        before = end
        grouped = not wide or len(set(sizes[:-1])) == 1 or sizes in AMEX_GROUPS
        if grouped and len(digits) in CARD_LENGTHS and ISSUER.fullmatch(digits) and luhn.is_valid(digits):
            found = end
    return found
