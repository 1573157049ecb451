"""Masks mail addresses, phone numbers, IBANs and card numbers; fast checks skip texts without them in microseconds.

Names, postal addresses, dates of birth and ids are not masked. `shared/text/phones.py` and `docs/privacy.md` explain
the ambiguous cases and how they are decided.
"""

import re
from collections import Counter
from collections.abc import Mapping
from types import MappingProxyType

from shared.text.accounts import find_cards, find_ibans
from shared.text.encoded import decode_characters, has_codes
from shared.text.mails import find_mails, has_mail_sign
from shared.text.phones import all_that_may_be_phones, find_phones
from shared.text.shadow import Span, apply, cover, shadow_of

DIGITS = "0123456789"
ENOUGH_DIGITS = re.compile(r"\d(?:\D*\d){6}")
"""Every number that is masked has at least seven digits."""

NO_MASKS: Mapping[str, int] = MappingProxyType({})
PASSES = 8
"""Maximum number of passes. A mask can expose a number that the replaced text had hidden. In texts that people write,
the first passes find everything; in other texts, every run of digits that is left after the last pass is masked."""


def mask(text: str, region: str) -> str:
    """Return a text with `[mail]`, `[phone]`, `[iban]` and `[card]` in place of personal data; see `mask_and_count`."""
    return mask_and_count(text, region)[0]


def mask_and_count(text: str, region: str) -> tuple[str, Mapping[str, int]]:
    """Return a text with masks in place of personal data, and the number of times each mask was used.

    Masking is idempotent, and a mask is never longer than the text it replaces.

    Args:
        text: A normalised text.
        region: Region of phone numbers without a country code, ISO 3166-1 alpha-2.
    """
    counts: Counter[str] | None = None
    for _ in range(PASSES):
        spans = find_personal_data(text, region)
        if not spans:
            break
        counts = Counter() if counts is None else counts
        counts.update(mask for _, _, mask in spans)
        text = apply(text, spans)
    else:  # only a text constructed for it needs more passes
        text = apply(text, all_that_may_be_phones(shadow_of(text)))
    return text, NO_MASKS if counts is None else counts


def find_personal_data(text: str, region: str) -> list[Span]:
    """Return the spans that one pass masks, in order and without overlaps, including characters written as codes."""
    if not has_codes(text):
        return _find(text, region)
    decoded = decode_characters(text)
    return [(decoded.starts[start], decoded.starts[end], mask) for start, end, mask in _find(decoded.text, region)]


def _find(text: str, region: str) -> list[Span]:
    mails, numbers = has_mail_sign(text), _has_enough_digits(text)
    if not mails and not numbers:
        return []
    shadow = shadow_of(text)
    spans: list[Span] = []
    for wanted, search in ((mails, find_mails), (numbers, find_ibans), (numbers, find_cards)):
        if wanted and (found := search(shadow)):
            spans += found
            shadow = cover(shadow, found)
    if numbers:
        spans += find_phones(shadow, region)
    return sorted(spans)


def _has_enough_digits(text: str) -> bool:
    """Return whether a text may contain a number; ten searches for one character are faster than one for any of ten."""
    return (
        not (text.isascii() and not any(digit in text for digit in DIGITS)) and ENOUGH_DIGITS.search(text) is not None
    )
