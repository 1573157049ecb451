"""Finds phone numbers in a shadow: universal formats by rules, numbers of a region by Google's library.

Ambiguous cases are decided as follows. A bare number that is valid in the region (ten digits in the US) is masked,
unless a word such as `order` precedes it. A local number without an area code is masked only after a word such as
`tel`.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from phonenumbers import NumberParseException, PhoneNumberMatcher, is_valid_number, parse

from shared.text.ordinary import TEL, ordinary, scales
from shared.text.shadow import PHONE, Span

MIN_DIGITS, MAX_DIGITS = 7, 15
"""Number of digits of a phone number; ITU-T E.164 allows up to 15."""

WINDOW_DIGITS, OVERLAP_DIGITS = 60, 15
"""Size of the windows that are passed to the library, and their overlap: a number cut by one window is whole in the
next."""

WINDOWS = 16
"""Maximum number of windows of a text that are passed to the library; after that, everything that may be a number is
masked without a check."""

GAP_CHARS = 4
GAP = rf"[ ./()\-]{{0,{GAP_CHARS}}}"
RUN = re.compile(rf"(?:\(?\+ ?)?\({{0,2}}\d(?:{GAP}\d)*+")
SQUARE = re.compile(r"\[(\+?[ \d]{1,5})\](?=[ ./-]{0,3}\d)")
GAPS = re.compile(r"[^\d]+")
PART_BEFORE = re.compile(r"\d([^\d]*)$")
PART_AFTER = re.compile(r"([^\d]*)\d")
ODDLY_GROUPED = re.compile(r"[1-9](?:.*\d\d[ ./()-]+\d|.*\d{4}[ ./()-]+\d(?!\d).*|\d{4,} - \d{5,})")
"""Groupings that phone numbers do not have: a single digit at the end or after a long group; two long groups are a
range."""

PLUS = re.compile(r"\+ ?$")
TRUNK_DIGIT = re.compile(r"\+ ?$|(?<![\d.,])[0178][ -]{1,3}$")
"""The prefix that is dialled before an area code in brackets, as in `8 (301) 123-45-67`."""

CUE = re.compile(rf"\b{TEL}(?:[ .:#-]+(?:me|us|at|on|under|is|no|nr|number|nummer|numéro))*[ .:#-]*\(?$")
CUE_CHARS = 40
INTERNATIONAL = re.compile(rf"\+ ?\(?\d(?:{GAP}\d){{7,14}}")
TRUNK = re.compile(
    r"(?<!\d)\(?0[1-9]\d{0,4}\)?(?:[ ./-]\d{2,})+(?!\d)|(?<!\d)\(?0[1-9]\d{1,4}\)? ?[/-]? ?\d{2,}(?:[ .-]\d{2,})*(?!\d)"
    r"|(?<!\d)0[1-9]\d{8,9}(?!\d)"
)
BRACKETED = re.compile(r"\(\d{2,5}\) ?\d{1,5}(?:[ -]?\d{2,5}){1,4}(?!\d)")
NORTH_AMERICAN = re.compile(r"(?<!\d)(?<!\d[-.])(?:1[-. ])?\d{3}([-.])\d{3}\1\d{4}(?!\d|[-.]\d)")
DIALS_00 = "FR"
"""Any region in which `00` is the international prefix serves; a number with this prefix is a phone number in every
region."""

PREFIXED = re.compile(rf"(?<!\d)00 ?[1-9](?:{GAP}\d){{6,13}}(?!\d)")
RULES = (INTERNATIONAL, BRACKETED, NORTH_AMERICAN, TRUNK)
EXTENSION = re.compile(
    r"[ ,;(-]{0,3}(?:extn?|extension|xtn|x|#|durchwahl|dw|poste|anexo|ramal|int|interno|toestel|apparat)\.?[ .:=-]{0,3}"
    r"\d{1,6}\)?(?!\w)",
    re.IGNORECASE,
)
WORD_BEFORE = re.compile(r"(?:[A-Za-z]?[a-z]{2,}|[^\W\d_a-zA-Z])$")
WORD_AFTER = re.compile(r"(?:[A-Za-z]?[a-z]{2,}|[^\W\d_a-zA-Z])(?!\d)")
"""`WORD_BEFORE` and `WORD_AFTER` match a word that may touch a number without a blank. A number that touches an
upper-case code or a single character of A to Z is part of an id."""

LIMITS = {BRACKETED: (8, 13), TRUNK: (9, 12)}
"""Minimum and maximum number of digits of a match, for patterns that differ from `MIN_DIGITS` and `MAX_DIGITS`."""


@dataclass(slots=True)
class _Search:
    """The search in one text: the spans that were found, and the number of windows the library may still check."""

    shadow: str
    region: str
    windows: int = WINDOWS
    spans: list[Span] = field(default_factory=list)

    def run(self, start: int, end: int) -> None:
        """Search a run of digits and of characters that may separate the digits of one number."""
        start, cued = self._begin(start, end)
        digits = _count(self.shadow, start, end)
        if digits < MIN_DIGITS:
            return
        if cued and digits <= MAX_DIGITS:
            self._add(start, end)
            return
        before = len(self.spans)
        for found in PREFIXED.finditer(self.shadow, start, end):
            if _is_valid(found[0]):
                self._add(*found.span())
            elif self.windows:
                self._ask(*found.span(), DIALS_00)
        for first, last in _windows(self.shadow, start, end, digits):
            if self.windows == 0:
                rest = max(first, self.spans[-1][1] if self.spans else 0)
                if rest < end:
                    self._add(rest, end)
                return
            if _count(self.shadow, first, last) >= MIN_DIGITS:
                self._ask(first, last, self.region)
        self._rules(start, end)
        if digits > MAX_DIGITS:
            self.spans[before:] = [span for span in self.spans[before:] if not self._is_part(span, start, end)]

    def _begin(self, start: int, end: int) -> tuple[int, bool]:
        """Return the start of a run, after the digits of an id, and whether a word such as `tel` precedes it."""
        before = self.shadow[max(0, start - CUE_CHARS) : start]
        if CUE.search(before.lower()):
            return start, True
        if (
            before
            and (before[-1].isalnum() or before[-1] in "_+")
            and self.shadow[start] != "+"
            and not WORD_BEFORE.search(before)
        ):
            while start < end and self.shadow[start] in "+(0123456789":
                start += 1
        return start, False

    def _ask(self, start: int, end: int, region: str) -> None:
        """Search a window with the library.

        The library also sees the character on each side of the window, unless it belongs to a word that touches a
        number.
        """
        self.windows -= 1
        first = start - (start > 0 and not WORD_BEFORE.search(self.shadow, max(0, start - CUE_CHARS), start))
        last = end + (not WORD_AFTER.match(self.shadow, end))
        for match in PhoneNumberMatcher(self.shadow[first:last], region):
            if not ODDLY_GROUPED.fullmatch(match.raw_string):
                self._add(max(start, first + match.start), min(end, first + match.end))

    def _rules(self, start: int, end: int) -> None:
        for pattern in RULES:
            for found in pattern.finditer(self.shadow, start, end):
                few, many = LIMITS.get(pattern, (MIN_DIGITS, MAX_DIGITS))
                if few <= _count(self.shadow, *found.span()) <= many:
                    self._add(*found.span())

    def _is_part(self, span: Span, start: int, end: int) -> bool:
        """Return whether a span in a long run continues, on either side, with a separator that it also contains."""
        first, last, _ = span
        signs = set(GAPS.findall(self.shadow[first:last]))
        before = PART_BEFORE.search(self.shadow, max(start, first - GAP_CHARS - 1), first)
        after = PART_AFTER.match(self.shadow, last, end)
        neighbours = [(before[1], before.start())] if before else []
        neighbours += [(after[1], after.end() - 1)] if after else []
        return any(sign in signs and not self._is_found(digit_at) for sign, digit_at in neighbours)

    def _is_found(self, at: int) -> bool:
        return any(start <= at < end for start, end, _ in self.spans)

    def _add(self, start: int, end: int) -> None:
        """Keep a span, unless it overlaps another, together with its `+`, both brackets of a pair and its extension."""
        shadow = self.shadow
        if shadow[start] == "(" and shadow.count("(", start, end) > shadow.count(")", start, end):
            start += 1
        if start and shadow[start - 1] == "(" and shadow.count(")", start, end) > shadow.count("(", start, end):
            start -= 1
        prefix = (TRUNK_DIGIT if shadow[start] == "(" else PLUS).search(shadow, max(0, start - GAP_CHARS), start)
        start = start if prefix is None else prefix.start()
        extension = EXTENSION.match(shadow, end)
        end = end if extension is None else extension.end()
        near = self.spans[-WINDOWS:]
        if end - start >= len(PHONE) and all(end <= first or last <= start for first, last, _ in near):
            self.spans.append((start, end, PHONE))


def all_that_may_be_phones(shadow: str) -> list[Span]:
    """Return every run of digits that is long enough, without a check by the library."""
    return [(start, end, PHONE) for start, end in _runs(shadow)]


def find_phones(shadow: str, region: str) -> list[Span]:
    """Return the phone numbers in a shadow.

    Args:
        shadow: The shadow to search, in which mail addresses, IBANs and cards are already covered.
        region: Region of numbers without a country code, ISO 3166-1 alpha-2.
    """
    if "[" in shadow:
        shadow = SQUARE.sub(r"(\1)", shadow)
    runs = _runs(shadow)
    if not runs:
        return []
    search = _Search(_without_ordinary(shadow, runs), region)
    for start, end in _runs(search.shadow):
        search.run(start, end)
    return search.spans


def _runs(shadow: str) -> list[tuple[int, int]]:
    spans = [found.span() for found in RUN.finditer(shadow)]
    return [
        (start, end) for start, end in spans if end - start >= MIN_DIGITS and _count(shadow, start, end) >= MIN_DIGITS
    ]


def _without_ordinary(shadow: str, runs: list[tuple[int, int]]) -> str:
    """Blank out numbers that are not phone numbers, in and near runs of digits; the other text is not searched."""
    near: list[tuple[int, int]] = []
    for start, end in runs:
        if near and start - CUE_CHARS <= near[-1][1]:
            near[-1] = (near[-1][0], end + CUE_CHARS)
        else:
            near.append((max(0, start - CUE_CHARS), end + CUE_CHARS))
    for find in (scales, ordinary):
        small = shadow.lower()
        if len(small) != len(shadow):  # some capital letters become two lower-case characters
            small = "".join(each if len(each) == 1 else "x" for each in map(str.lower, shadow))
        shadow = _blanked(shadow, [span for first, last in near for span in find(small, first, last)])
    return shadow


def _blanked(shadow: str, spans: list[tuple[int, int]]) -> str:
    parts: list[str] = []
    at = 0
    for start, end in spans:
        parts += (shadow[at:start], "x" * (end - start))
        at = end
    return "".join((*parts, shadow[at:])) if parts else shadow


def _count(shadow: str, start: int, end: int) -> int:
    return sum(map(str.isdigit, shadow[start:end]))


def _windows(shadow: str, start: int, end: int, digits: int) -> Iterator[tuple[int, int]]:
    """Yield a run in overlapping windows, so that a number cut by one window is whole in the next."""
    if digits <= WINDOW_DIGITS:
        yield start, end
        return
    places = [at for at in range(start, end) if shadow[at].isdigit()]
    for first in range(0, digits - OVERLAP_DIGITS, WINDOW_DIGITS - OVERLAP_DIGITS):
        last = min(first + WINDOW_DIGITS, digits) - 1
        yield (places[first] if first else start), places[last] + 1


def _is_valid(number: str) -> bool:
    """Return whether the digits after `00` are a valid number of some country."""
    try:
        return is_valid_number(parse("+" + "".join(filter(str.isdigit, number))[2:], None))
    except NumberParseException:
        return False
