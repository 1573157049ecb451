"""What a source of a federated search is made of, how it is asked, and the candidates that it returns."""

from collections.abc import Callable, Mapping
from collections.abc import Collection as Ids
from dataclasses import dataclass
from typing import Literal
from uuid import UUID

from schemas.found import FoundPart
from schemas.points import IsOurs
from shared.records import Vector
from shared.search.federated.findable import AttachedCard, Card, Findable
from shared.vectorstore.conditions import Condition
from shared.vectorstore.port import Collection

Kind = Literal["text", "picture"]


@dataclass(frozen=True, slots=True, eq=False)
class SourceParts:
    """What a source is made of.

    Attributes:
        stream: The name of the stream.
        id_field: The payload field that holds the source id.
        collection: Its collection.
        vectors: The names of the collection's vectors.
        findable: How it is searched, and what is shown.
        is_ours: Returns whether Millrace wrote a point.
        point_id: Returns the id of an item's point, given its tenant and its source id.
        image_space: Fingerprint of the model of pictures; None without one.
    """

    stream: str
    id_field: str
    collection: Collection
    vectors: Ids[str]
    findable: Findable
    is_ours: IsOurs
    point_id: Callable[[str, str], UUID]
    image_space: str | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Asked:
    """A question as one source is asked.

    Attributes:
        tenant_id: Only this tenant's items are found.
        vectors: The vectors of the question, by `Facet.asked`.
        text: The text; empty for a picture.
        where: Conditions that each hit meets.
    """

    tenant_id: str
    vectors: Mapping[str, Vector]
    text: str = ""
    where: tuple[Condition, ...] = ()


@dataclass(frozen=True, slots=True)
class View:
    """A score of a candidate by some of the comparisons.

    Attributes:
        method: The methods of its parts, joined by `+`.
        parts: The comparisons.
        lexical: What shared words add.
    """

    method: str
    parts: tuple[FoundPart, ...]
    lexical: float

    @property
    def score(self) -> float:
        """The sum of the weighted cosines and of what shared words add."""
        return sum(part.weight * part.cosine for part in self.parts) + self.lexical


@dataclass(frozen=True, slots=True, eq=False)
class Scored:
    """A candidate with its scores.

    Attributes:
        source_id: The item's id in its source system.
        card: What is shown of it.
        views: Its scores: by all comparisons, and if there are two, by the text alone.
        attached: The attached picture that was found; None if it was the item itself.
    """

    source_id: str
    card: Card
    views: tuple[View, ...]
    attached: AttachedCard | None = None

    @property
    def text(self) -> str:
        """The text that was compared with the question."""
        return self.card.text if self.attached is None else self.attached.text
