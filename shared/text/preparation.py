"""The preparation of texts: which steps, in which order, under which version. It is part of the model's fingerprint."""

from collections.abc import Mapping
from typing import Literal

from phonenumbers import SUPPORTED_REGIONS
from pydantic import BaseModel, ConfigDict, Field, field_validator

from shared.text.html import html_to_text, looks_like_html
from shared.text.mails import has_mail_sign
from shared.text.masking import mask
from shared.text.normalise import normalise
from shared.text.replies import strip_quotes, strip_signature
from shared.text.shadow import CARD, PHONE

Value = str | int | float | bool | None


class Preparation(BaseModel):
    """What is done to texts before anything else sees them. A change is a new fingerprint, so a new collection."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: Literal[2] = Field(description="Raised with every change of code that changes a prepared text.")
    html: bool = Field(default=True, description="Whether a mail in HTML becomes plain text.")
    quotes: bool = Field(default=True, description="Whether the quoted mail that a text answers is cut off.")
    signatures: bool = Field(default=True, description="Whether signatures are cut off.")
    phone_region: str = Field(
        default="US", description="Where numbers without a country's code are dialled; ISO 3166-1."
    )

    @field_validator("phone_region")
    @classmethod
    def _is_known(cls, region: str) -> str:
        if region not in SUPPORTED_REGIONS:
            raise ValueError(f"{region} is no region with phone numbers; an example is US")
        return region


class Preparer:
    """Prepares texts. It has no state and may be shared by threads."""

    def __init__(self, preparation: Preparation) -> None:
        self._steps = preparation

    def message(self, text: str) -> str:
        """Prepare what a person has written as a mail or a note: every step."""
        steps = self._steps
        text = normalise(text)
        if steps.html and looks_like_html(text):
            text = normalise(html_to_text(text))
        if steps.quotes:
            text = strip_quotes(text)
        if steps.signatures:
            text = strip_signature(text)
        return mask(text, steps.phone_region)

    def field(self, text: str) -> str:
        """Prepare a short text of one field: normalised and masked."""
        return mask(normalise(text), self._steps.phone_region)

    def identifier(self, text: str) -> str:
        """Return an id as it is, unless it is a mail address or an international phone number: then masked."""
        return self.field(text) if has_mail_sign(text) or text.startswith("+") else text

    def attributes(self, given: Mapping[str, Value]) -> dict[str, Value]:
        """Prepare names and values; names that become the same are told apart by a count, so that no value is lost."""
        prepared: dict[str, Value] = {}
        for name, value in given.items():
            wanted = unique = self.field(name)
            count = 1
            while unique in prepared:
                count += 1
                unique = f"{wanted} {count}"
            prepared[unique] = self._value(value)
        return prepared

    def _value(self, value: Value) -> Value:
        if isinstance(value, str):
            return self.field(value)
        if isinstance(value, int) and not isinstance(value, bool):
            masked = mask(str(value), self._steps.phone_region)
            return masked if masked in (CARD, PHONE) else value
        return value
