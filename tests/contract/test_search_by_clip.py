"""One search by words where the model of pictures is a CLIP: its text tower is asked, by the path of `millrace search`.

The CLIP is a small one with random weights, of a models.toml of its own. A green run does not prove that a real CLIP
finds what words say; `python -m benchmarks.pictures_by_words --clip` measures that where a checkpoint is given.
"""

from pathlib import Path

import numpy as np
import pytest

from millrace.configured import collection_spec
from millrace.federated import SearchModels, encode_texts, federation_of, open_sources
from millrace.resources import load_image_model
from millrace.streams import PICTURED
from shared.embedding.image.pixels import prepare_picture
from shared.embedding.image.words import WORDS
from shared.embedding.registry import load_image_card
from shared.model_settings import ImageSettings
from shared.records import Point
from shared.search.federated.federation import Question
from shared.stream_settings import StreamSettings
from shared.vectorstore.edge.store import EdgeStore
from tests.support.pictures import drawn
from tests.support.small_clip import FAMILY, save_clip

QUESTION = "a red dress"


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> StreamSettings:
    """Return the settings of products with a small CLIP."""
    folder = tmp_path_factory.mktemp("clip") / "model"
    save_clip(folder)
    models = folder.parent / "models.toml"
    models.write_text(FAMILY.row(folder), encoding="utf-8")
    return StreamSettings(image=ImageSettings(model="small", models_file=models, device="cpu"))


def test_pictures_are_found_by_the_cosine_of_both_towers(own: StreamSettings, tmp_path: Path) -> None:
    model, card = load_image_model(own.image), load_image_card(own.image.model, own.image.models_file)
    pictures = [prepare_picture(drawn(seed, 60, 80), card) for seed in range(1, 9)]
    rows = model.embed(pictures).vectors
    store = EdgeStore(tmp_path / "store")
    try:
        spec = collection_spec(own, PICTURED)
        assert WORDS not in spec.vectors, "CLIP needs no classes"
        store.open(spec).upsert([point(at, row) for at, row in enumerate(rows)])
        sources, left_out = open_sources(store, [(PICTURED, own)])
        assert left_out == {}
        models = SearchModels(pictures={model.fingerprint: model})
        encoded = encode_texts(sources[0], models, [QUESTION])
        vectors = {asked: found[0] for asked, found in encoded.items()}
        hits = federation_of(sources, models).find(Question("shop", {PICTURED.name: vectors}, QUESTION)).hits
    finally:
        store.close()
    expected = rows @ vectors["sentence"]
    assert [hit.source_id for hit in hits] == [str(at) for at in np.argsort(-expected, kind="stable")]
    assert [hit.score for hit in hits] == pytest.approx(sorted(expected.tolist(), reverse=True), abs=1e-4)
    assert {hit.method for hit in hits} == {"clip"}
    assert "CLIP" in hits[0].reasons[0]


def point(number: int, vector: np.ndarray[tuple[int], np.dtype[np.float32]]) -> Point:
    """Return the point of an image without a title."""
    payload: dict[str, object] = {
        "tenant_id": "shop", "image_id": str(number), "product_id": "p", "event_version": 1, "deleted": False,
        "occurred_at": "2026-01-01T00:00:00Z", "label": None, "title": None,
    }  # fmt: skip
    return Point(PICTURED.point_id("shop", str(number)), 1, {"image": vector}, payload)
