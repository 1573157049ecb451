"""A worker of products on the embedded broker and Edge, with the packaged models and the drawn samples of the demo.

Green shows that labelled pictures vote, that a copy is found, a verdict holds, and that pictures of every kind of pixels
go through. It does not show a real broker, nor how well photos are classified (docs/accuracy.md).
"""

from base64 import b64encode
from collections import Counter
from collections.abc import Mapping
from contextlib import closing
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from millrace.resources import load_models
from millrace.wiring import stream_worker
from schemas.duplicates import pair_id
from schemas.failures import FailureHeader, FailureReason
from schemas.outcomes import Outcome
from schemas.products import ProductClassified
from shared.audit.comparison import audit
from shared.broker.embedded import EmbeddedBroker
from shared.broker.reader import TopicReader
from shared.model_settings import EmbeddingSettings, ImageSettings
from shared.records import header_texts
from shared.settings import Settings, StoreSettings
from shared.stream_settings import StreamSettings
from shared.vectorstore.edge.store import EdgeStore
from tests.support.demo_pictures import FOLDER, ROWS, event
from tests.support.in_process import Seen, at_work, process_of, produce
from tests.support.picture_files import encoded, exif
from workers.products.stages import PRODUCTS

LABELLED = (
    "mug-ocean.jpg",
    "mug-terracotta.jpg",
    "mug-stripes.png",
    "chair-slats.jpg",
    "chair-panel.jpg",
    "chair-round.jpg",
)
ARRIVING = ("mug-enamel.jpg", "chair-arms.jpg", "mug-ocean-offer.jpg", "lamp-cut-off.jpg")
BY_FILE: Mapping[str, dict[str, Any]] = {Path(row["file"]).name: row for row in ROWS}
OWN = StreamSettings(embedding=EmbeddingSettings(device="cpu"), image=ImageSettings(device="cpu"))


def other_forms() -> dict[str, bytes]:
    """Return one sample in other forms."""
    with Image.open(BytesIO((FOLDER / "products" / "chair-arms.jpg").read_bytes())) as opened:
        picture = opened.convert("RGB")
    alpha = picture.convert("RGBA")
    alpha.putalpha(Image.new("L", picture.size, 255))
    lying = picture.transpose(Image.Transpose.ROTATE_90)
    return {
        "turned": encoded(lying, "JPEG", quality=92, exif=b"Exif\0\0" + exif(6)),
        "CMYK": encoded(picture.convert("CMYK"), "JPEG", quality=92),
        "16 bits": encoded(Image.fromarray(np.asarray(picture.convert("L"), np.uint16) * 257), "PNG"),
        "alpha": encoded(alpha, "PNG"),
        "palette": encoded(picture.quantize(64), "PNG"),
        "mirrored": encoded(picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT), "WEBP", quality=90),
    }


def form(name: str, content: bytes) -> dict[str, Any]:
    """Return the event of a sample in another form, as the image of another product."""
    ids = {"event_id": name, "image_id": name, "product_id": f"of {name}"}
    return event(BY_FILE["chair-arms.jpg"]) | ids | {"image": {"inline": b64encode(content).decode()}}


def verdict(one: str, other: str) -> dict[str, Any]:
    """Return the event of a verdict of a person."""
    return {
        "schema_version": 1, "event_id": "v", "tenant_id": "demo", "event_version": 1, "reason": "judged",
        "occurred_at": "2026-11-02T10:00:00Z", "images": [one, other], "verdict": "different",
    }  # fmt: skip


def test_pictures_are_classified_and_near_duplicates_found(tmp_path: Path) -> None:
    labelled, arriving = ([event(BY_FILE[name]) for name in names] for names in (LABELLED, ARRIVING))
    forms = [form(name, content) for name, content in other_forms().items()]
    chair, offer = BY_FILE["chair-arms.jpg"]["image_id"], BY_FILE["mug-ocean-offer.jpg"]["image_id"]
    ocean = BY_FILE["mug-ocean.jpg"]["image_id"]
    again = arriving[2] | {"event_version": 2}
    seen = Seen()
    with EmbeddedBroker() as broker, closing(EdgeStore(tmp_path)) as store:
        broker.create([topic.name for topic in PRODUCTS.topics()])
        process = process_of(Settings(store=StoreSettings(path=tmp_path)), broker.bootstrap, store)
        models = load_models(PRODUCTS, OWN)
        with stream_worker(PRODUCTS, OWN, process, models, [seen]) as running, at_work(running):
            settled = 0
            for events in (labelled, arriving, forms, [verdict(ocean, offer)], [again]):
                produce(broker.bootstrap, *events, stream=PRODUCTS)
                settled += len(events)
                seen.wait_settled(settled)
        reader = TopicReader(broker.bootstrap, "millrace-products")
        findings = audit(reader, PRODUCTS, store.open_alias("products"))
        read = [ProductClassified.model_validate_json(each.value or b"") for each in reader.read("products.classified")]
        [letter] = [header_texts(each.headers) for each in reader.read("products.dlq")]
    assert findings.clean, findings
    assert (findings.settled, findings.pending, findings.repeated, findings.foreign) == (settled, 0, 0, 0)
    assert Counter(seen.outcomes) == {Outcome.INDEXED: len(labelled) + 1, Outcome.ROUTED: 10, Outcome.DEAD_LETTERED: 1}
    assert (letter[FailureHeader.REASON], letter[FailureHeader.FIELD]) == (FailureReason.MEDIA_UNREADABLE, "image")
    results = {(each.image_id, each.event_version): each for each in read}
    intended = {BY_FILE[name]["image_id"]: BY_FILE[name]["intended"] for name in ARRIVING[:3]}
    intended |= {each["image_id"]: "chair" for each in forms}
    assert {name: results[name, 1].decision.top[0].label for name in intended} == intended
    near = {name: [each.image_id for each in results[name, 1].near_duplicates] for name in intended}
    assert near[offer][0] == ocean
    assert all(chair in near[each["image_id"]] for each in forms), near
    tiers = {each["image_id"]: results[each["image_id"], 1].near_duplicates[0].tier for each in forms}
    assert set(tiers.values()) == {"same_picture"}, tiers
    [mirrored] = [each for each in results["mirrored", 1].near_duplicates if each.image_id == chair]
    assert mirrored.mirrored
    assert ocean not in [each.image_id for each in results[offer, 2].near_duplicates], (
        "a person has judged them different"
    )
    assert pair_id(ocean, offer) not in {image_id for image_id, _ in results}
