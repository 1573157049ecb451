"""The preparation of texts: its steps, their order and its version. It is part of the model's fingerprint."""

from collections import Counter
from collections.abc import Mapping
from typing import Literal, NamedTuple

from phonenumbers import SUPPORTED_REGIONS
from pydantic import BaseModel, ConfigDict, Field, field_validator

from shared.text.cuts import Cut, cut
from shared.text.html import html_to_text, looks_like_html
from shared.text.masking import NO_MASKS, mask, mask_and_count
from shared.text.normalise import normalise
from shared.text.shadow import CARD, PHONE

Value = str | int | float | bool | None


class Preparation(BaseModel):
    """The steps that prepare texts before any other use. A change gives a new fingerprint, and so a new collection."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: Literal[3] = Field(description="Increased with every code change that changes a prepared text.")
    html: bool = Field(default=True, description="Whether HTML mails are converted to plain text.")
    quotes: bool = Field(default=True, description="Whether quoted mails are left out of the embedded text.")
    signatures: bool = Field(default=True, description="Whether signatures are left out of the embedded text.")
    phone_region: str = Field(
        default="US", description="Region of phone numbers without a country code; ISO 3166-1 alpha-2."
    )

    @field_validator("phone_region")
    @classmethod
    def _is_known(cls, region: str) -> str:
        if region not in SUPPORTED_REGIONS:
            raise ValueError(f"{region} is not a region with phone numbers; give an ISO 3166-1 code such as US")
        return region


class Prepared(NamedTuple):
    """A prepared message.

    Attributes:
        kept: The whole message with personal data masked; it is stored and shown.
        embedded: The part that the model and the head read, and that terms are taken from.
        cut: The pieces that are kept but not embedded.
        masked: The number of times each mask was used.
    """

    kept: str
    embedded: str
    cut: tuple[Cut, ...] = ()
    masked: Mapping[str, int] = NO_MASKS


class PreparedProduct(NamedTuple):
    """The prepared texts of a product.

    Attributes:
        title: The title as it is stored; None if the product has none.
        description: The whole description as it is stored; None if the product has none.
        embedded: Both as one text, without what a page hides; empty if there is neither.
    """

    title: str | None
    description: str | None
    embedded: str


class Preparer:
    """Prepares texts. It has no mutable state, so threads may share it."""

    def __init__(self, preparation: Preparation) -> None:
        self._html, self._region = preparation.html, preparation.phone_region
        self._quotes, self._signatures = preparation.quotes, preparation.signatures

    def message(self, text: str, subject: str = "", is_mail: bool = True) -> Prepared:
        """Prepare a mail or a note that a person has written, with all steps.

        Masking comes before cutting, so that the embedded text has the same masks as the kept text.

        Args:
            text: The message.
            subject: Its subject, which may mark a forwarded mail.
            is_mail: Whether it may have quotations and a signature; not the description of a product.
        """
        text, hidden = normalise(text), ""
        if self._html and looks_like_html(text):
            text, hidden = map(normalise, html_to_text(text))
            text, hidden = (text, hidden) if text else (hidden, "")  # if nothing is visible, nothing counts as hidden
        kept, counts = mask_and_count(text, self._region)
        embedded, pieces = (
            cut(kept, subject, self._quotes, self._signatures) if is_mail and "\n" in kept else (kept, ())
        )
        if hidden:
            hidden, hidden_counts = mask_and_count(hidden, self._region)
            kept, counts = f"{kept}\n\n{hidden}", Counter(counts) + Counter(hidden_counts)
            pieces = (*pieces, Cut("hidden", hidden))
        return Prepared(kept, embedded, pieces, counts)

    def embedded(self, subject: str, body: str) -> str:
        """Return the text to embed for an unprepared subject and body, as a worker embeds it."""
        return joined(self.field(subject), self.message(body, subject).embedded)

    def product(self, title: str | None, description: str | None) -> PreparedProduct:
        """Prepare the title and the description of a product; either may be missing. The description may be HTML."""
        name = None if title is None else self.field(title)
        about = None if description is None else self.message(description, is_mail=False)
        embedded = joined(name or "", "" if about is None else about.embedded)
        return PreparedProduct(name, None if about is None else about.kept, embedded)

    def field(self, text: str) -> str:
        """Prepare the short text of one field: normalise and mask it."""
        return mask(normalise(text), self._region)

    def attributes(self, given: Mapping[str, Value]) -> dict[str, Value]:
        """Prepare names and values; names that become equal get a number appended, so that no value is lost."""
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
            found = mask(str(value), self._region)
            return found if found in (CARD, PHONE) else value
        return value


def joined(subject: str, body: str) -> str:
    """Join a prepared subject and body into the text that is embedded; an empty part is left out."""
    return "\n\n".join(part for part in (subject, body) if part)
