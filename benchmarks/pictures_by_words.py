"""`python -m benchmarks.pictures_by_words`: finds the clothing test photos by the names of their classes.

It needs `MILLRACE_DATA`. Each of the ten names is searched for as `millrace search --text` does it, over a store that holds
only the 80 photos, without titles. Printed is precision@5 with a 95 % interval over the names, for ConSE with each text
model, and for CLIP where `--clip KEY --models-file FILE` names a row with a checkpoint. Chance is 0.1.
"""

import argparse
import tempfile
from contextlib import closing
from datetime import UTC, datetime
from os import environ
from pathlib import Path

import numpy as np

from benchmarks.image_model import prepare_folder
from millrace.configured import collection_spec
from millrace.federated import SearchModels, federation_of, open_sources, prepared, text_vectors
from millrace.streams import PICTURED
from shared.embedding.image.classes import ClassifyingModel
from shared.embedding.image.words import WORDS, PictureWords
from shared.model_settings import EmbeddingSettings, ImageSettings
from shared.records import Point, Vector
from shared.search.federated.federation import Question
from shared.slices import intervals
from shared.stream_settings import StreamSettings
from shared.vectorstore.edge.store import EdgeStore

TENANT = "shop"
FIRST = 5
TEXT_MODELS = ("minilm-l6-v2", "use-multilingual-v3")


def point_of(image_id: str, vectors: dict[str, Vector]) -> Point:
    """Return the point of a photo without a title."""
    payload: dict[str, object] = {
        "tenant_id": TENANT,
        "image_id": image_id,
        "product_id": image_id,
        "event_version": 1,
        "deleted": False,
        "occurred_at": datetime(2026, 1, 1, tzinfo=UTC).isoformat(),
        "label": None,
        "title": None,
    }
    return Point(PICTURED.point_id(TENANT, image_id), 1, vectors, payload)


def report_model(folder: Path, own: StreamSettings) -> None:
    """Store the photos, search for each name, and print the precision."""
    models, names = SearchModels(), sorted(each.name for each in folder.iterdir())
    spec = collection_spec(own, PICTURED)
    with tempfile.TemporaryDirectory() as where, closing(EdgeStore(Path(where) / "store")) as store:
        collection = store.open(spec)
        [source], _ = open_sources(store, [(PICTURED, own)])
        card = source.image_card
        assert card is not None
        model = models.picture(own, card)
        words = None
        if WORDS in spec.vectors and isinstance(model, ClassifyingModel) and model.class_head is not None:
            words = PictureWords(model.class_head, models.text(own))
        for name in names:
            rows = model.embed(prepare_folder(folder / name, own.image.model, own.image.models_file)).vectors
            places = [{}] * len(rows) if words is None else [{WORDS: place} for place in words.places(rows)]
            collection.upsert([point_of(f"{name}/{at}", {"image": row, **places[at]}) for at, row in enumerate(rows)])
        federation, precisions = federation_of([source], models), []
        for name in names:
            question = Question(TENANT, text_vectors([source], models, name), prepared(source, name), limit=FIRST)
            hits = federation.find(question).hits
            precisions.append(sum(hit.source_id.startswith(f"{name}/") for hit in hits) / FIRST)
    low, high = intervals(np.array(precisions)[:, None])
    each = ", ".join(f"{name} {value:.1f}" for name, value in zip(names, precisions, strict=True))
    print(
        f"{own.image.model}, {own.embedding.model}, {hits[0].method}: precision@{FIRST} {np.mean(precisions):.2f} "
        f"({low[0]:.2f}-{high[0]:.2f}); {each}"
    )


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clip", help="key of a row of CLIP")
    parser.add_argument("--models-file", type=Path, help="the file that has this row")
    given = parser.parse_args()
    folder = Path(environ["MILLRACE_DATA"]) / "images" / "clothing" / "test"
    for key in TEXT_MODELS:
        report_model(folder, StreamSettings(embedding=EmbeddingSettings(model=key)))
    if given.clip is not None:
        image = ImageSettings(model=given.clip, models_file=given.models_file)
        report_model(folder, StreamSettings(image=image))


if __name__ == "__main__":
    main()
