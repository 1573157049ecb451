"""The products stream: its stages and its descriptor, `PRODUCTS`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from typing_extensions import override

from schemas.base import Frozen, Origin
from schemas.points import SecondKind
from schemas.products import (
    PRODUCT_EVENT,
    DuplicateJudged,
    ProductClassified,
    ProductContent,
    ProductFlag,
    ProductImage,
    ProductImageDeleted,
    ProductModels,
    ProductPayload,
    ProductTombstone,
    VerdictContent,
    VerdictPayload,
)
from shared.embedding import port as modality
from shared.embedding.image.words import WORDS, PictureWords
from shared.engine.resources import Resources
from shared.engine.snapshots import Asks, Effect
from shared.engine.stages import Content, Stages
from shared.engine.stream import Imported, Input, Stream
from shared.errors import Fatal
from shared.facts import Measures, Traits
from shared.media.decoding.kinds import PICTURES
from shared.media.port import MediaContent
from shared.pictures import PictureReader, ReadPicture
from shared.routing.decider import Decider
from shared.search.duplicates import DuplicateSearch, Pictures
from shared.search.federated.findable import FINDABLE_PRODUCTS
from shared.search.filterable import Filterable
from shared.text.preparation import Preparer, joined
from workers.products.decide import find_duplicates, place_among_texts, undecided
from workers.products.prepare import IMAGE, TEXT, ProductItem, estimated_pictures, media_of, prepare

RESULT_TOPIC = "products.classified"


@dataclass(frozen=True, slots=True)
class ProductStages(Stages[ProductItem]):
    """What the products stream supplies to the pipeline."""

    preparer: Preparer
    reader: PictureReader
    decider: Decider
    duplicates: DuplicateSearch
    words: PictureWords | None
    models: ProductModels

    @classmethod
    def of(cls, resources: Resources) -> "ProductStages":
        """Create the stages of a worker.

        Raises:
            Fatal: no model of pictures was passed.
        """
        if resources.pictures is None:
            raise Fatal("the products stream needs a model of pictures")
        return cls(
            preparer=Preparer(resources.preparation),
            reader=resources.pictures,
            decider=resources.decider,
            duplicates=DuplicateSearch(
                resources.collection,
                Pictures(IMAGE, PRODUCTS.points.is_ours, PRODUCTS.point_id),
                resources.duplicates,
            ),
            words=resources.words,
            models=ProductModels(
                image=resources.models[modality.IMAGE.name], text=resources.models[modality.TEXT.name]
            ),
        )

    def read_media(self, item: ProductItem, name: str, content: MediaContent) -> None:
        """Decode the picture, and prepare it for the model."""
        item.picture = self.reader.read(content, name)

    @override
    def prepare(self, items: Sequence[ProductItem]) -> None:
        """Set the picture and the text of every image."""
        for item in items:
            prepare(item, self.preparer)

    @override
    def decide(self, items: Sequence[ProductItem]) -> None:
        """Decide on the class."""
        self.decider.decide_items(items, undecided)

    def compare(self, batch: Sequence[ProductItem]) -> None:
        """Search for near-duplicates, in the store and in the batch; place the pictures of the batch among texts."""
        find_duplicates(batch, self.duplicates)
        if self.words is not None:
            place_among_texts(batch, self.words)

    @override
    def content(self, item: ProductItem) -> Content:
        if isinstance(item.event, DuplicateJudged):
            verdict = VerdictContent(occurred_at=item.event.occurred_at, verdict=item.event.verdict)
            return Content(verdict.model_dump(mode="json"))
        event, picture = _snapshot(item)
        is_new = item.effect is Effect.ROUTE
        content = ProductContent(
            **event.model_dump(
                include={
                    "occurred_at", "product_id", "title", "description", "price", "currency", "category", "attributes",
                }
            ),
            label=event.agent_label,
            flags=flags(event),
            picture_hash=picture.hashes.plain,
            width_px=picture.width_px,
            height_px=picture.height_px,
            near_duplicates=item.near_duplicates if is_new else item.stored_duplicates or (),
        )  # fmt: skip
        derived = {} if item.place is None else {WORDS: item.place}
        return Content(content.model_dump(mode="json"), vectors=derived)

    def measures(self, item: ProductItem) -> Measures:
        """Return what the metrics show of an image."""
        if not isinstance(item.event, ProductImage):
            return Measures()
        sizes: dict[str, float] = {"millrace_input_characters": len(item.text)}
        if item.picture is not None:
            sizes["millrace_picture_pixels"] = item.picture.width_px * item.picture.height_px
        if item.near_duplicates:
            sizes["millrace_best_similarity"] = max(each.cosine for each in item.near_duplicates)
        return Measures(
            person_label=item.event.agent_label,
            sizes=sizes,
            counted=tuple(("millrace_near_duplicates_total", each.tier) for each in item.near_duplicates),
            traits=Traits(length_chars=len(item.text), text=item.text),
        )

    @override
    def results(self, item: ProductItem, origin: Origin) -> list[tuple[str, Frozen]]:
        """Return the result of an image that is classified."""
        if item.decision is None or not isinstance(item.event, ProductImage):
            raise ValueError("a classified item has no decision")
        result = ProductClassified(
            tenant_id=item.event.tenant_id,
            image_id=item.event.image_id,
            product_id=item.product_id,
            event_version=item.event.event_version,
            occurred_at=item.occurred_at,
            decision=item.decision,
            near_duplicates=item.near_duplicates,
            text_windows=item.embedded[TEXT].windows if TEXT in item.embedded else 1,
            models=self.models,
            source=origin,
        )
        return [(RESULT_TOPIC, result)]


def asks(event: ProductImage | DuplicateJudged | ProductImageDeleted) -> Asks:
    """Return whether an event asks for a result: a new image always, a known one if its picture or text has changed."""
    if event.reason == "created":
        return Asks.ALWAYS
    return Asks.IF_CHANGED if event.reason == "updated" else Asks.NEVER


def flags(event: ProductImage) -> tuple[ProductFlag, ...]:
    """Return the flags by which searches filter."""
    return ("labelled",) if event.agent_label is not None else ()


def stored_traits(payload: Mapping[str, Any]) -> Traits:
    """Return the traits of a stored image. What a page hides was not embedded, but is part of this text."""
    text = joined(payload["title"] or "", payload["description"] or "")
    return Traits(length_chars=len(text), text=text)


def _snapshot(item: ProductItem) -> tuple[ProductImage, ReadPicture]:
    if not isinstance(item.event, ProductImage) or item.picture is None:
        raise ValueError("an event was passed where an image with its picture is needed")
    return item.event, item.picture


PRODUCTS: Stream[ProductImage | DuplicateJudged | ProductImageDeleted, ProductItem] = Stream(
    name="products",
    id_field="image_id",
    events=PRODUCT_EVENT,
    snapshot=ProductImage,
    payload=ProductPayload,
    tombstone=ProductTombstone,
    result=ProductClassified,
    result_topics=(RESULT_TOPIC,),
    item=ProductItem,
    inputs=(
        Input(IMAGE, modality.IMAGE, affects_result=True),
        Input(TEXT, modality.TEXT, affects_result=True),
    ),
    asks=asks,
    cost=estimated_pictures,
    cost_unit="pictures",
    stages=ProductStages.of,
    repeated_fields=("near_duplicates",),
    words=True,
    indexes={"tenant_id": "keyword", "flags": "keyword"},
    filters={
        "occurred_at": Filterable(("occurred_at",), "datetime"),
        "price": Filterable(("price",), "float"),
        "currency": Filterable(("currency",), "keyword"),
        "category": Filterable(("category",), "keyword", is_prepared=True),
        "label": Filterable(("label",), "keyword"),
        "predicted": Filterable(("decision", "label"), "keyword"),
        "product_id": Filterable(("product_id",), "keyword"),
    },
    imported=Imported(IMAGE, "created", PICTURES),
    media=media_of,
    second_kind=SecondKind("verdict", VerdictPayload),
    findable=FINDABLE_PRODUCTS,
    stored_traits=stored_traits,
    conditions=2,  # of a vote: tenant, labelled
)
