"""How the points of a stream are searched, and what is shown of a hit. The streams name theirs in their descriptors."""

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from pydantic import ConfigDict, Field

from schemas.attributes import StoredValue
from schemas.base import EventVersion, Frozen, SourceId, UtcDatetime
from shared.embedding.image.words import WORDS
from shared.text.language import known_language
from shared.vectorstore.terms import CALL_TERMS, TICKET_TERMS

TITLE_CHARS = 100
ATTACHED_TO = "attached_to"
"""The payload field of an attached picture's point that holds the source id of its item; other points do not have it."""

Asked = Literal["text", "words", "sentence", "picture"]
"""How a question becomes a vector: its text by the text model; "a photo of a ..." by the text model; the same by CLIP's
text tower; its picture by the model of pictures."""


class Facet(NamedTuple):
    """A comparison of a question with one vector of each point.

    Attributes:
        using: The name of the vector.
        asked: What it is compared with.
        method: The name of the comparison, as hits show it.
        is_picture: Whether the vector stands for a picture.
    """

    using: str
    asked: Asked
    method: str
    is_picture: bool = False


class Card(Frozen):
    """What a search shows of a stored item, read from its payload."""

    model_config = ConfigDict(extra="ignore")

    tenant_id: str
    label: str | None = None
    occurred_at: UtcDatetime
    language: str | None = Field(default=None, description="The source's hint.")
    detected_language: str | None = None

    @property
    @abstractmethod
    def title(self) -> str:
        """The words by which people recognise the item."""

    @property
    @abstractmethod
    def text(self) -> str:
        """The text that is compared with a question."""

    @property
    def details(self) -> dict[str, StoredValue]:
        """Further fields that are shown."""
        return {}

    @property
    def known_language(self) -> str | None:
        """The item's language: the detected one, or else that of the hint."""
        return known_language(self.detected_language, self.language)


class TicketCard(Card):
    """What is shown of a ticket."""

    subject: str
    body: str
    body_embedded: str | None = None
    resolution: str | None = None

    @property
    def title(self) -> str:
        """The subject; without one, the beginning of the body."""
        return self.subject or shortened(self.body)

    @property
    def text(self) -> str:
        """Subject and body, as they were embedded."""
        return f"{self.subject}\n\n{self.body if self.body_embedded is None else self.body_embedded}"

    @property
    def details(self) -> dict[str, StoredValue]:
        """The resolution, if the ticket has one."""
        return {} if self.resolution is None else {"resolution": self.resolution}


class CallCard(Card):
    """What is shown of a call."""

    excerpt: str
    linked_ticket_id: SourceId | None = None

    @property
    def title(self) -> str:
        """What is said first."""
        return shortened(self.excerpt)

    @property
    def text(self) -> str:
        """The beginning of what is said."""
        return self.excerpt

    @property
    def details(self) -> dict[str, StoredValue]:
        """The ticket that the call belongs to, if any."""
        return {} if self.linked_ticket_id is None else {"linked_ticket_id": self.linked_ticket_id}


class ProductCard(Card):
    """What is shown of a product image."""

    product_id: SourceId
    product_title: str | None = Field(alias="title")
    description: str | None = None
    price: float | None = None
    currency: str | None = None

    @property
    def title(self) -> str:
        """The product's title; without one, the beginning of the description, else the product's id."""
        return self.product_title or shortened(self.description or "") or self.product_id

    @property
    def text(self) -> str:
        """Title and description."""
        return "\n\n".join(each for each in (self.product_title, self.description) if each)

    @property
    def details(self) -> dict[str, StoredValue]:
        """Product, price and currency, as far as they are known."""
        fields = {"product_id": self.product_id, "price": self.price, "currency": self.currency}
        return {name: value for name, value in fields.items() if value is not None}


class AttachedCard(Card):
    """What is read of a picture that is attached to an item; its hit is shown as a hit of the item."""

    attached_to: SourceId
    image_id: SourceId
    event_version: EventVersion = Field(description="The version of the item that brought the picture or changed it.")
    read_text: str | None = None

    @property
    def title(self) -> str:
        """What was read first; without text, the picture's id."""
        return shortened(self.text) or self.image_id

    @property
    def text(self) -> str:
        """What was read in the picture."""
        return self.read_text or ""


@dataclass(frozen=True, slots=True)
class Findable:
    """How the points of a stream are searched.

    Attributes:
        by_text: The comparisons with a text. At most two of them are possible at once; every point has the vector of the
            first possible one.
        by_picture: The same for a picture.
        average_terms: The average length of its texts in terms, if points have BM25 terms; see
            `shared.vectorstore.terms`. None: they have no terms.
        card: What is shown of a hit.
        has_attached: Whether its items may have attached pictures with points of their own.
    """

    by_text: tuple[Facet, ...]
    by_picture: tuple[Facet, ...]
    average_terms: float | None
    card: type[Card]
    has_attached: bool = False

    @property
    def fields(self) -> tuple[str, ...]:
        """The payload fields that are read."""
        cards = (self.card, AttachedCard) if self.has_attached else (self.card,)
        names = (field.alias or name for card in cards for name, field in card.model_fields.items())
        return tuple(dict.fromkeys(names))

    def read(self, payload: Mapping[str, object]) -> Card:
        """Return what is shown of a point; of an attached picture, what is read of it.

        Raises:
            pydantic.ValidationError: a field is not valid, because another program has overwritten it.
        """
        held: dict[str, Any] = dict(payload)
        card = AttachedCard if self.has_attached and ATTACHED_TO in payload else self.card
        return card.model_validate(held)


def shortened(text: str) -> str:
    """Return the beginning of a text in one short line."""
    line = " ".join(text.split())
    return line if len(line) <= TITLE_CHARS else line[: TITLE_CHARS - 1] + "…"


TEXT_FACET = Facet("text", "text", "text")
PICTURE_FACET = Facet("image", "picture", "image", is_picture=True)
WORDS_FACET = Facet(WORDS, "words", "conse", is_picture=True)
SENTENCE_FACET = Facet("image", "sentence", "clip", is_picture=True)

PICTURE_METHODS = frozenset({WORDS_FACET.method, SENTENCE_FACET.method})
"""The methods that compare words with pictures."""

FINDABLE_TICKETS = Findable((TEXT_FACET,), (PICTURE_FACET,), TICKET_TERMS, TicketCard, has_attached=True)
FINDABLE_CALLS = Findable((TEXT_FACET,), (), CALL_TERMS, CallCard)
FINDABLE_PRODUCTS = Findable((WORDS_FACET, SENTENCE_FACET, TEXT_FACET), (PICTURE_FACET,), None, ProductCard)
