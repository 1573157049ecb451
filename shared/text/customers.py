"""Customer ids that are personal data, replaced by keyed digests: one customer stays one, and nobody can be read back."""

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
"""128 bits: among a million million customers the chance that any two share a digest is below 10^-14."""


SCHEME = re.compile(r"(?:mailto|tel|sms|whatsapp|callto|sip):(?://)?", re.IGNORECASE)


class CustomerIds:
    """Replaces a customer's id that is, or holds, an address or a number; every other id stays as it is.

    Bare digits stay, since an id of a source system has no other form, unless they begin with the 0 of a phone number or
    are a card's.

    Args:
        key: Of the digests (HMAC-SHA-256, RFC 2104). Whoever has it can test a guess; without it no one can.
        region: Where a phone number without a country's code is dialled, ISO 3166-1 alpha-2.
    """

    def __init__(self, key: bytes, region: str) -> None:
        self._key, self._region = key, region

    def stored(self, tenant_id: str, customer_id: str) -> str:
        """Return the id as it may be stored: itself, or a digest that differs between tenants and between customers.

        The usual writings of one address or number have one digest.
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
        """Return one writing for the usual ones of an id: addresses and numbers in one form, the rest in small letters."""
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
