"""Customer ids that are personal data, replaced by keyed digests: one customer stays one, and nobody can be read back."""

import hmac
from hashlib import sha256

from phonenumbers import NumberParseException, PhoneNumberFormat, format_number, is_valid_number, parse

from shared.text.masking import find
from shared.text.normalise import normalise
from shared.text.shadow import MAIL, PHONE, shadow_of

PREFIX = "customer-"
DIGEST_HEX_DIGITS = 32
"""128 bits: among a million million customers the chance that any two share a digest is below 10^-14."""


class CustomerIds:
    """Replaces a customer's id that is, or holds, an address or a number; every other id stays as it is.

    Args:
        key: Of the digests (HMAC-SHA-256, RFC 2104). Whoever has it can test a guess; without it no one can.
        region: Where a phone number without a country's code is dialled, ISO 3166-1 alpha-2.
    """

    def __init__(self, key: bytes, region: str) -> None:
        self._key, self._region = key, region

    def stored(self, tenant_id: str, customer_id: str) -> str:
        """Return the id as it may be stored: itself, or a digest that differs between tenants and between customers.

        Writings of one address or number have one digest. Bare digits stay, since an id of a source system has no other
        form, unless they begin with the 0 of a phone number.
        """
        text = normalise(customer_id)
        if text.isdecimal() and not text.startswith("0"):
            return customer_id
        spans = find(text, self._region)
        if not spans:
            return customer_id
        of_tenant = hmac.digest(self._key, tenant_id.encode(), sha256)
        return PREFIX + hmac.digest(of_tenant, self._canonical(text, spans).encode(), sha256).hex()[:DIGEST_HEX_DIGITS]

    def _canonical(self, text: str, spans: list[tuple[int, int, str]]) -> str:
        """Return one writing for all writings of an id: of an id with one address or number in it, that alone."""
        if len(spans) > 1:
            return shadow_of(text).casefold()
        [(start, end, mask)] = spans
        found = shadow_of(text)[start:end]
        if mask == MAIL:
            return text[start:end].casefold()
        return self._dialled(found) if mask == PHONE else "".join(filter(str.isalnum, found)).casefold()

    def _dialled(self, number: str) -> str:
        try:
            parsed = parse(number, self._region)
        except NumberParseException:
            return "".join(filter(str.isdigit, number))
        return format_number(parsed, PhoneNumberFormat.E164) if is_valid_number(parsed) else number
