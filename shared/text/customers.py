"""Replaces customer ids that are personal data by keyed digests: one id per customer, which cannot be reversed."""

import hmac
import re
from hashlib import sha256

from phonenumbers import NumberParseException, PhoneNumberFormat, format_number, is_valid_number, parse

from shared.text.encoded import decode_characters, has_codes
from shared.text.masking import find_personal_data
from shared.text.normalise import normalise
from shared.text.shadow import MAIL, PHONE, Span, shadow_of

PREFIX = "customer-"
DIGEST_HEX_DIGITS = 32
"""128 bits: among 10^12 customers, the probability that any two share a digest is below 10^-14."""


SCHEME = re.compile(r"(?:mailto|tel|sms|whatsapp|callto|sip):(?://)?", re.IGNORECASE)


class CustomerIds:
    """Replaces customer ids that are or contain a mail address or a number; all other ids stay unchanged.

    Ids that are only digits stay unchanged, because source systems use such ids, unless they begin with 0 like a phone
    number or are a card number.

    Args:
        key: Key of the digests (HMAC-SHA-256, RFC 2104). Anyone who has it can test a guess; without it nobody can.
        region: Region of phone numbers without a country code, ISO 3166-1 alpha-2.
    """

    def __init__(self, key: bytes, region: str) -> None:
        self._key, self._region = key, region

    def stored(self, tenant_id: str, customer_id: str) -> str:
        """Return the id to store: the id itself, or a digest that differs between tenants and between customers.

        The usual spellings of one address or number give the same digest.
        """
        text = normalise(customer_id)
        text = shadow_of(decode_characters(text).text if has_codes(text) else text)
        spans = find_personal_data(text, self._region)
        is_plain_id = text.isdecimal() and not text.startswith("0") and all(mask == PHONE for _, _, mask in spans)
        if not spans or is_plain_id:
            return customer_id
        of_tenant = hmac.digest(self._key, tenant_id.encode(), sha256)
        return PREFIX + hmac.digest(of_tenant, self._canonical(text, spans).encode(), sha256).hex()[:DIGEST_HEX_DIGITS]

    def _canonical(self, text: str, spans: list[Span]) -> str:
        """Return one form for the usual spellings of an id: addresses and numbers normalised, the rest lower-case."""
        parts: list[str] = []
        at = 0
        for start, end, mask in spans:
            parts += (SCHEME.sub("", text[at:start]).lower(), self._one_form(text[start:end], mask))
            at = end
        return "".join((*parts, text[at:].lower()))

    def _one_form(self, found: str, mask: str) -> str:
        if mask == PHONE:
            return self._dialled(found)
        return found.lower() if mask == MAIL else "".join(filter(str.isalnum, found)).lower()

    def _dialled(self, number: str) -> str:
        digits = "".join(filter(str.isdigit, number))
        try:
            parsed = parse(f"+{digits[2:]}" if digits.startswith("00") else number, self._region)
        except NumberParseException:
            return digits
        if not is_valid_number(parsed):
            return digits
        return format_number(parsed, PhoneNumberFormat.E164) + (f"x{parsed.extension}" if parsed.extension else "")
