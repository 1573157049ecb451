"""Finding phone numbers in a shadow: what is a phone number anywhere by rules, what is one in a region by Google's library.

Ambiguous, and decided here: a bare number that is a valid number of the region is masked (ten digits in the US), unless a
word such as `order` stands before it; a local number without area code is masked only behind a word such as `tel`.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from phonenumbers import NumberParseException, PhoneNumberMatcher, is_valid_number, parse

from shared.text.shadow import DATE, IPV4, PHONE, Span

MIN_DIGITS, MAX_DIGITS = 7, 15
"""Of a phone number; ITU-T E.164 allows 15."""

WINDOW_DIGITS, OVERLAP_DIGITS = 60, 15
"""How much is handed to the library at once; a number on the edge of a window is whole in the next."""

WINDOWS = 16
"""So many windows of a text are handed to the library; beyond them, all that may be a number is masked unasked."""

GAP = r"[ ./()\-]{0,3}"
RUN = re.compile(rf"[+(]{{0,2}}\d(?:{GAP}\d)*+")
TEL = (
    r"(?:tel|telephone|téléphone|telefon|teléfono|phone|mobile|mob|cell|handy|portable|móvil|fax|call|ring|dial|whatsapp|"
    r"sms|text)"
)
SHAPED = r"\+|00[1-9]|\(?\d{3}[)\-. ]{1,2}\d{3}[-. ]\d{4}(?!\d)|0[1-9](?:[ ./-]\d\d){4}(?!\d)"
"""What looks like a phone number also behind `order` or `A-`."""

CUE = re.compile(rf"\b{TEL}(?:[ .:#-]+(?:me|us|at|on|under|is|no|nr|number|nummer|numéro))*[ .:#-]*\(?$", re.IGNORECASE)
CUE_CHARS = 40
IDENTIFIED = (
    r"\b(?:order|purchase|invoice|ref|reference|ticket|case|tracking|shipment|parcel|package|isbn|ean|upc|sku|item|article|"
    r"serial|imei|customer|transaction|booking|bestellung|bestellnummer|rechnung|rechnungsnummer|sendung|sendungsnummer|"
    r"kundennummer|artikel|artikelnummer|commande|facture|colis|suivi|référence|pedido|factura|envío|referencia)"
    r"(?: (?:no|nr|number|nummer|numéro|numero|número|id|code|is|n°|nº))*[ .:#]*(?:[A-Z]{1,4}-?)?"
)
CURRENCY = r"(?:[$€£¥₹₽₩]|(?:USD|EUR|GBP|CHF|JPY|INR|CAD|AUD|SEK|NOK|DKK|PLN|CZK|Kč|zł|kr|euros?|dollars?|pounds?)\b)"
NO_PHONE = re.compile(
    rf"{DATE}|{IPV4}|(?<![\w.+])(?:"
    rf"\d{{1,2}}:\d\d(?::\d\d)?(?:[.,]\d{{1,9}})?(?!\d)"  # a time
    r"|[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}(?!\w)"  # UUID
    rf"|\d{{1,3}}(?:[ .,']\d{{3}})*+(?:[.,]\d{{1,2}})? ?(?:%|{CURRENCY})|\d{{1,18}}(?:[.,]\d{{1,2}})? ?(?:%|{CURRENCY})"
    r"|97[89][- ]?\d{1,5}[- ]\d{1,7}[- ]\d{1,7}[- ]\d(?!\d)"  # ISBN-13
    r"|v(?:ersion)? ?\d+(?:\.\d+)+"
    rf"|(?:19|20)\d\d-\d{{4,8}}(?![-\d])"  # a year and a count
    rf"|(?!{TEL}\b)[A-Za-z][A-Za-z0-9]{{0,15}}[-_/#](?!{SHAPED})\w[\w/-]*)"  # an id: ORD-2026-004411
    rf"|{CURRENCY} ?\d{{1,3}}(?:[ .,']\d{{3}})*+(?:[.,]\d{{1,2}})?(?!\d)|{CURRENCY} ?\d+(?:[.,]\d{{1,2}})?(?!\d)"
    rf"|(?:{IDENTIFIED}|#)(?!{SHAPED})\d[\d/-]*+",
    re.IGNORECASE,
)
"""Dates, times, addresses of machines, amounts, ISBNs, versions and ids: what is no phone number wherever it stands."""

INTERNATIONAL = re.compile(rf"\+\(?\d(?:{GAP}\d){{7,14}}")
TRUNK = re.compile(
    r"(?<!\d)\(?0[1-9]\d{0,4}\)?(?:[ ./-]\d{2,})+(?!\d)|(?<!\d)\(?0[1-9]\d{1,4}\)? ?[/-]? ?\d{2,}(?:[ .-]\d{2,})*(?!\d)"
    r"|(?<!\d)0[1-9]\d{8,9}(?!\d)"
)
BRACKETED = re.compile(r"\(\d{2,5}\) ?\d{1,5}(?:[ -]?\d{2,5}){1,4}(?!\d)")
NORTH_AMERICAN = re.compile(r"(?<!\d)(?<!\d[-.])(?:1[-. ])?\d{3}([-.])\d{3}\1\d{4}(?!\d|[-.]\d)")
DIALS_00 = "FR"
"""Any region where `00` leads abroad; a number so dialled is one wherever it is written."""

PREFIXED = re.compile(rf"(?<!\d)00 ?[1-9](?:{GAP}\d){{6,13}}(?!\d)")
RULES = (INTERNATIONAL, BRACKETED, NORTH_AMERICAN, TRUNK)
LIMITS = {BRACKETED: (8, 13), TRUNK: (9, 12)}
"""How many digits a match may have, where it is not `MIN_DIGITS` to `MAX_DIGITS`."""


@dataclass(slots=True)
class _Search:
    """One text's search: what is found, and how often the library may still be asked."""

    shadow: str
    region: str
    windows: int = WINDOWS
    spans: list[Span] = field(default_factory=list)

    def run(self, start: int, end: int) -> None:
        """Search a run of digits and what may stand between those of one number."""
        start, told = self._begin(start, end)
        digits = _count(self.shadow, start, end)
        if digits < MIN_DIGITS:
            return
        if told and digits <= MAX_DIGITS:
            self.spans.append((start, end, PHONE))
            return
        for found in PREFIXED.finditer(self.shadow, start, end):
            if _is_valid(found[0]):
                self._add(*found.span())
            elif self.windows:
                self._ask(*found.span(), DIALS_00)
        for first, last in _windows(self.shadow, start, end, digits):
            if self.windows == 0:
                self._add(max(first, self.spans[-1][1] if self.spans else 0), end)
                return
            if _count(self.shadow, first, last) >= MIN_DIGITS:
                self._ask(first, last, self.region)
        self._rules(start, end)

    def _begin(self, start: int, end: int) -> tuple[int, bool]:
        """Return where a run begins, past digits that belong to a word, and whether `tel` or the like stands before it."""
        if CUE.search(self.shadow[max(0, start - CUE_CHARS) : start]):
            return start, True
        if start and (self.shadow[start - 1].isalnum() or self.shadow[start - 1] in "_+"):
            while start < end and self.shadow[start] in "+(0123456789":
                start += 1
        return start, False

    def _ask(self, start: int, end: int, region: str) -> None:
        """Ask the library; the characters around a window tell it whether a number stands inside a word."""
        self.windows -= 1
        before = max(0, start - 1)
        for match in PhoneNumberMatcher(self.shadow[before : end + 1], region):
            self._add(max(start, before + match.start), min(end, before + match.end))

    def _rules(self, start: int, end: int) -> None:
        for pattern in RULES:
            for found in pattern.finditer(self.shadow, start, end):
                few, many = LIMITS.get(pattern, (MIN_DIGITS, MAX_DIGITS))
                if few <= _count(self.shadow, *found.span()) <= many:
                    self._add(*found.span())

    def _add(self, start: int, end: int) -> None:
        if self.shadow[start] == "(" and self.shadow.count("(", start, end) > self.shadow.count(")", start, end):
            start += 1
        near = self.spans[-WINDOWS:]
        if end - start >= len(PHONE) and all(end <= first or last <= start for first, last, _ in near):
            self.spans.append((start, end, PHONE))


def find_phones(shadow: str, region: str) -> list[Span]:
    """Return the phone numbers in a shadow.

    Args:
        shadow: What is searched; mails, IBANs and cards are covered already.
        region: Where a number without a country's code is dialled, ISO 3166-1 alpha-2.
    """
    runs = _runs(shadow)
    if not runs:
        return []
    search = _Search(_without_others(shadow, runs), region)
    for start, end in _runs(search.shadow):
        search.run(start, end)
    return search.spans


def _runs(shadow: str) -> list[tuple[int, int]]:
    spans = [found.span() for found in RUN.finditer(shadow)]
    return [
        (start, end) for start, end in spans if end - start >= MIN_DIGITS and _count(shadow, start, end) >= MIN_DIGITS
    ]


def _without_others(shadow: str, runs: list[tuple[int, int]]) -> str:
    """Blank what is no phone number, in and around runs of digits: the rest of a text is not looked at."""
    near: list[tuple[int, int]] = []
    for start, end in runs:
        if near and start - CUE_CHARS <= near[-1][1]:
            near[-1] = (near[-1][0], end + CUE_CHARS)
        else:
            near.append((max(0, start - CUE_CHARS), end + CUE_CHARS))
    parts: list[str] = []
    at = 0
    for first, last in near:
        for found in NO_PHONE.finditer(shadow, first, last):
            parts += (shadow[at : found.start()], "x" * len(found[0]))
            at = found.end()
    return "".join((*parts, shadow[at:]))


def _count(shadow: str, start: int, end: int) -> int:
    return sum(map(str.isdigit, shadow[start:end]))


def _windows(shadow: str, start: int, end: int, digits: int) -> Iterator[tuple[int, int]]:
    """Yield a run in windows that overlap, so that a number that one of them cuts is whole in the next."""
    if digits <= WINDOW_DIGITS:
        yield start, end
        return
    places = [at for at in range(start, end) if shadow[at].isdigit()]
    for first in range(0, digits - OVERLAP_DIGITS, WINDOW_DIGITS - OVERLAP_DIGITS):
        last = min(first + WINDOW_DIGITS, digits) - 1
        yield (places[first] if first else start), places[last] + 1


def _is_valid(number: str) -> bool:
    """Tell whether all that follows `00` is a number of some country."""
    try:
        return is_valid_number(parse("+" + "".join(filter(str.isdigit, number))[2:], None))
    except NumberParseException:
        return False
