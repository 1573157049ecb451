"""The preparation of texts: which steps, in which order, under which version. It is part of the model's fingerprint."""

from collections import Counter
from collections.abc import Mapping
from typing import Literal, NamedTuple

from phonenumbers import SUPPORTED_REGIONS
from pydantic import BaseModel, ConfigDict, Field, field_validator

from shared.text.cuts import Cut, cut
from shared.text.html import html_to_text, looks_like_html
from shared.text.masking import NO_MASKS, mask, masked
from shared.text.normalise import normalise
from shared.text.shadow import CARD, PHONE

Value = str | int | float | bool | None


class Preparation(BaseModel):
    """What is done to texts before anything else sees them. A change is a new fingerprint, so a new collection."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: Literal[3] = Field(description="Raised with every change of code that changes a prepared text.")
    html: bool = Field(default=True, description="Whether a mail in HTML becomes plain text.")
    quotes: bool = Field(
        default=True, description="Whether the mail that a text quotes is left out of what is embedded."
    )
    signatures: bool = Field(default=True, description="Whether signatures are left out of what is embedded.")
    phone_region: str = Field(
        default="US", description="Where numbers without a country's code are dialled; ISO 3166-1."
    )

    @field_validator("phone_region")
    @classmethod
    def _is_known(cls, region: str) -> str:
        if region not in SUPPORTED_REGIONS:
            raise ValueError(f"{region} is no region with phone numbers; an example is US")
        return region


class Prepared(NamedTuple):
    """A message, prepared.

    Attributes:
        kept: The whole message, personal data masked: what is stored and shown.
        embedded: What of it the model and the head read, and terms are taken from.
        cut: What is kept and not embedded.
        masked: How often each mask was set.
    """

    kept: str
    embedded: str
    cut: tuple[Cut, ...] = ()
    masked: Mapping[str, int] = NO_MASKS


class Preparer:
    """Prepares texts. It has no state and may be shared by threads."""

    def __init__(self, preparation: Preparation) -> None:
        self._html, self._region = preparation.html, preparation.phone_region
        self._quotes, self._signatures = preparation.quotes, preparation.signatures

    def message(self, text: str, subject: str = "") -> Prepared:
        """Prepare what a person has written as a mail or a note: every step.

        Masking comes before cutting, so that what is embedded is masked as it is kept.

        Args:
            text: The message.
            subject: Its subject, which may say that it forwards another mail.
        """
        text, hidden = normalise(text), ""
        if self._html and looks_like_html(text):
            text, hidden = map(normalise, html_to_text(text))
            text, hidden = (text, hidden) if text else (hidden, "")  # where nothing shows, nothing is hidden
        kept, counts = masked(text, self._region)
        embedded, pieces = cut(kept, subject, self._quotes, self._signatures) if "\n" in kept else (kept, ())
        if hidden:
            hidden, hidden_counts = masked(hidden, self._region)
            kept, counts = f"{kept}\n\n{hidden}", Counter(counts) + Counter(hidden_counts)
            pieces = (*pieces, Cut("hidden", hidden))
        return Prepared(kept, embedded, pieces, counts)

    def embedded(self, subject: str, body: str) -> str:
        """Return what is embedded of a bare subject and body, as a worker embeds it."""
        return joined(self.field(subject), self.message(body, subject).embedded)

    def field(self, text: str) -> str:
        """Prepare a short text of one field: normalised and masked."""
        return mask(normalise(text), self._region)

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
            found = mask(str(value), self._region)
            return found if found in (CARD, PHONE) else value
        return value


def joined(subject: str, body: str) -> str:
    """Join a prepared subject and body to the text that is embedded; what is empty is left out."""
    return "\n\n".join(part for part in (subject, body) if part)
