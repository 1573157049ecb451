"""Draws the sample pictures of the demo: `python -m benchmarks.drawn_samples --out millrace/demo/samples [--check]`.

The products and their looks are in `drawn_samples.toml`. The same version of Pillow draws the same files. `--check`
trains a head on the catalogued pictures, and prints how well it classifies the others and what is nearest to each.
"""

import argparse
import json
import tomllib
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple
from zlib import crc32

import numpy as np
from PIL import Image
from sklearn.linear_model import LogisticRegression

from benchmarks.drawing import files, home, worn
from benchmarks.drawing.layer import Layer, Look
from benchmarks.drawing.scenes import Scene, photograph
from millrace.resources import load_image_model
from shared.clock import SystemClock
from shared.decoding_settings import DecodingSettings
from shared.embedding.port import Matrix, Pixels
from shared.embedding.registry import load_image_card
from shared.errors import Rejected
from shared.media.decoding.decoder import Decoder
from shared.model_settings import ImageSettings
from shared.pictures import PictureReader

SCRIPT = Path(__file__).with_suffix(".toml")
SHAPES: dict[str, Callable[[Layer, Look], None]] = {
    "mug": home.draw_mug,
    "lamp": home.draw_lamp,
    "chair": home.draw_chair,
    "book": home.draw_book,
    "hills": home.draw_hills,
    "t_shirt": worn.draw_t_shirt,
    "shoe": worn.draw_shoe,
    "backpack": worn.draw_backpack,
    "watch": worn.draw_watch,
}
TEXTS = ("title", "description", "price", "currency", "category", "attributes")
FIRST_IMAGE, FIRST_PRODUCT = 1_001, 501
BEGIN = {"catalogued": datetime(2026, 9, 1, 7, 30, tzinfo=UTC), "created": datetime(2026, 10, 28, 8, 5, tzinfo=UTC)}
PAUSE = timedelta(minutes=11, seconds=17)
"""The time between two events of one reason."""

LIMIT_BYTES = 1 << 24
SHEET_COLUMNS, TILE_PX = 10, 180


@dataclass(frozen=True, slots=True)
class Drawing:
    """How a file is made.

    Attributes:
        shape: One of `SHAPES`; nothing for a copy.
        look: What distinguishes the product.
        scene: What surrounds it.
        kind: The kind of file, of `files.encode`.
        quality: Of JPEG and WebP.
        copy_of: The file whose near-duplicate it is, if it is one.
        copy: `cropped` or `mirrored`.
        is_damaged: Whether the end of the file is missing.
    """

    shape: str | None = None
    look: Look | None = None
    scene: Scene = field(default_factory=Scene)
    kind: str = "jpeg"
    quality: int = 80
    copy_of: str | None = None
    copy: str | None = None
    is_damaged: bool = False


@dataclass(frozen=True, slots=True)
class Sample:
    """One picture: its row in products.jsonl, and how it is drawn."""

    row: dict[str, Any]
    drawing: Drawing


def read_samples(script: Path = SCRIPT) -> list[Sample]:
    """Read the pictures of a script. Ids and times follow from their order; `shows` names the file of the same product."""
    samples: list[Sample] = []
    products: dict[str, str] = {}
    counts = dict.fromkeys(BEGIN, 0)
    for each in tomllib.loads(script.read_text(encoding="utf-8"))["pictures"]:
        name, reason = each["file"], each["reason"]
        products[name] = (
            products[each["shows"]] if "shows" in each else f"P-{FIRST_PRODUCT + len(set(products.values()))}"
        )
        row = {
            "image_id": f"IMG-{FIRST_IMAGE + len(samples)}",
            "file": f"products/{name}",
            "product_id": products[name],
            "reason": reason,
            "occurred_at": f"{BEGIN[reason] + counts[reason] * PAUSE:%Y-%m-%dT%H:%M:%SZ}",
            **{text: each.get(text) for text in TEXTS},
            "label": each.get("class") if reason == "catalogued" else None,
            "intended": each.get("class") if reason == "created" else None,
            "refused": each.get("refused"),
        }
        counts[reason] += 1
        samples.append(Sample(row, _drawing(each["drawn"])))
    return samples


def _drawing(each: dict[str, Any]) -> Drawing:
    given = dict(each)
    look = Look(**given.pop("look")) if "look" in given else None
    scene = given.pop("scene", {})
    if "at" in scene:
        scene["at"] = tuple(scene["at"])
    return Drawing(look=look, scene=Scene(**scene), **given)


def read_attached(script: Path = SCRIPT) -> dict[str, Drawing]:
    """Read the pictures of a script that are attached to tickets, by their path."""
    listed = tomllib.loads(script.read_text(encoding="utf-8"))["attached"]
    return {f"tickets/{each['file']}": _drawing(each["drawn"]) for each in listed}


def draw(path: str, how: Drawing, made: dict[str, bytes]) -> bytes:
    """Return a file.

    Args:
        path: Its path, by which random numbers are drawn.
        how: What is drawn.
        made: The files that are already made, by name.
    """
    if how.copy_of is not None and how.copy is not None:
        return files.encode(files.copy_picture(made[how.copy_of], how.copy), how.kind, how.quality)
    assert how.look is not None
    assert how.shape is not None
    random = np.random.default_rng(crc32(path.encode()))
    layer = Layer(random)
    SHAPES[how.shape](layer, how.look)
    content = files.encode(photograph(layer.image, how.scene, random), how.kind, how.quality)
    return files.damage(content) if how.is_damaged else content


def write(samples: Sequence[Sample], out: Path) -> None:
    """Write the files of some samples, those that are attached to tickets, and products.jsonl."""
    made: dict[str, bytes] = {}
    (out / "products").mkdir(parents=True, exist_ok=True)
    for sample in samples:
        name = Path(sample.row["file"]).name
        made[name] = draw(sample.row["file"], sample.drawing, made)
        (out / "products" / name).write_bytes(made[name])
    (out / "tickets").mkdir(exist_ok=True)
    for path, how in read_attached().items():
        (out / path).write_bytes(draw(path, how, made))
    lines = [json.dumps(sample.row, ensure_ascii=False) for sample in samples]
    (out / "products.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    print(f"{len(made)} pictures, {sum(map(len, made.values())) / 1024:.0f} KiB")


class Answer(NamedTuple):
    """The likeliest class of a picture, and its probability, 0 to 1."""

    label: str
    chance: float


def embed(pictures: Sequence[Pixels]) -> Matrix:
    """Return the vectors of prepared pictures by the packaged model."""
    return load_image_model(ImageSettings(device="cpu")).embed(pictures).vectors


def classify(rows: Sequence[dict[str, Any]], vectors: Matrix) -> list[Answer]:
    """Classify pictures by a logistic regression on those that have a label.

    Args:
        rows: The rows of the pictures.
        vectors: Their vectors, in the same order.
    """
    is_known = [row["label"] is not None for row in rows]
    regression = LogisticRegression(C=10, max_iter=2_000)
    regression.fit(vectors[is_known], [row["label"] for row in rows if row["label"] is not None])
    chances = regression.predict_proba(vectors)
    labels = regression.classes_[chances.argmax(axis=1)]
    return [Answer(str(label), float(chance)) for label, chance in zip(labels, chances.max(axis=1), strict=True)]


def check(rows: Sequence[dict[str, Any]], prepared: dict[str, Pixels]) -> None:
    """Classify the created pictures by a head trained on the catalogued ones, and print the outcome."""
    rows = [row for row in rows if row["file"] in prepared]
    vectors = embed([prepared[row["file"]] for row in rows])
    answers = classify(rows, vectors)
    cosines = vectors @ vectors.T
    np.fill_diagonal(cosines, -1)
    right = 0
    for place, (row, answer) in enumerate(zip(rows, answers, strict=True)):
        if row["label"] is not None:
            continue
        right += answer.label == row["intended"]
        nearest = cosines[place].argsort()[::-1][:2]
        near = "  ".join(f"{Path(rows[each]['file']).name} {cosines[place, each]:.3f}" for each in nearest)
        print(f"{Path(row['file']).name:<28}{row['intended'] or '-':<10}{answer.label:<10}{answer.chance:.2f}  {near}")
    print(f"{right} of {sum(row['intended'] is not None for row in rows)} as intended")


def decode_files(out: Path, rows: Sequence[dict[str, Any]]) -> dict[str, Pixels]:
    """Return the pixels of each file that can be decoded, and print why the others cannot."""
    with closing(Decoder(DecodingSettings(processes=1), LIMIT_BYTES, SystemClock())) as decoder:
        return _pixels_of(out, rows, lambda content, field: decoder.picture(content, field).pixels)


def prepare_files(out: Path, rows: Sequence[dict[str, Any]]) -> dict[str, Pixels]:
    """Return what the packaged model sees of each file that can be decoded, and print why the others cannot."""
    card = load_image_card("efficientnet-lite0")
    with closing(Decoder(DecodingSettings(processes=1), LIMIT_BYTES, SystemClock())) as decoder:
        return _pixels_of(out, rows, PictureReader(decoder, card).pixels)


def _pixels_of(out: Path, rows: Sequence[dict[str, Any]], read: Callable[[bytes, str], Pixels]) -> dict[str, Pixels]:
    found = {}
    for row in rows:
        try:
            found[row["file"]] = read((out / row["file"]).read_bytes(), "image")
        except Rejected as error:
            print(f"{row['file']}: {error}")
    return found


def contact_sheet(pictures: Sequence[Pixels]) -> Image.Image:
    """Return pictures side by side, in rows."""
    rows = -(-len(pictures) // SHEET_COLUMNS)
    sheet = Image.new("RGB", (SHEET_COLUMNS * TILE_PX, rows * TILE_PX), "white")
    for place, pixels in enumerate(pictures):
        tile = Image.fromarray(pixels)
        tile.thumbnail((TILE_PX, TILE_PX))
        sheet.paste(tile, (place % SHEET_COLUMNS * TILE_PX, place // SHEET_COLUMNS * TILE_PX))
    return sheet


def main() -> None:
    """Parse the arguments, draw the pictures and check them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="folder of products.jsonl and of products/")
    parser.add_argument("--sheet", type=Path, help="file for all pictures side by side")
    parser.add_argument("--check", action="store_true", help="classify the pictures and print what is found")
    arguments = parser.parse_args()
    samples = read_samples()
    write(samples, arguments.out)
    rows = [sample.row for sample in samples]
    if arguments.sheet is not None:
        contact_sheet(list(decode_files(arguments.out, rows).values())).save(arguments.sheet)
    if arguments.check:
        check(rows, prepare_files(arguments.out, rows))


if __name__ == "__main__":
    main()
