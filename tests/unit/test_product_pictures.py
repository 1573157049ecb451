"""Products with real picture files, decoded by a real child process and prepared as the model sees them.

The model is a stand-in that distinguishes only equal pixels from others. A green run proves nothing about what a model sees
(`tests/flow/test_products.py`), nor that every hostile file is refused (`tests/hostile`).
"""

import struct
import zlib
from base64 import b64encode
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from schemas.failures import FailureReason
from schemas.outcomes import Outcome
from shared.embedding.registry import ImageCard, load_image_card
from shared.engine.resources import Resources
from shared.pictures import PictureReader
from tests.support.picture_files import encoded, exif, noise, plain, quarters
from tests.support.product_worker import Products
from workers.products.stages import PRODUCTS, ProductStages

URI = "https://media.example/"
FLAT = "0" * 16
PNG = encoded(noise(), "PNG")
JPEG = encoded(noise(), "JPEG", quality=95)


def stages(resources: Resources) -> ProductStages:
    card = load_image_card("efficientnet-lite0")
    assert isinstance(card, ImageCard)
    assert resources.decoder is not None
    return ProductStages.of(replace(resources, pictures=PictureReader(resources.decoder, card)))


@pytest.fixture(scope="module")
def worker() -> Iterator[Products]:
    """Return a worker that decodes; each test uses image ids and a tenant of its own."""
    made = Products(replace(PRODUCTS, stages=stages))
    with closing(made.parts.decoder):
        yield made


@pytest.fixture
def products(worker: Products, request: pytest.FixtureRequest) -> Products:
    worker.parts.sink.delivered.clear()
    worker.parts.collection.points.clear()
    return worker


def inline(content: bytes) -> dict[str, Any]:
    return {"inline": b64encode(content).decode()}


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def bomb() -> bytes:
    """Return a PNG whose header states 60,000 x 60,000 pixels."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(bytes(1_000))) + chunk(b"IEND", b"")


def with_wrong_sum() -> bytes:
    at = PNG.index(b"IDAT") + 40
    return PNG[:at] + bytes([PNG[at] ^ 1]) + PNG[at + 1 :]


DAMAGED = {
    "a JPEG that ends in the middle": JPEG[: len(JPEG) // 2],
    "a JPEG without its last bytes": JPEG[:-200],
    "a JPEG of its header": JPEG[:20],
    "a PNG with a wrong checksum": with_wrong_sum(),
    "a PNG that ends in the middle": PNG[: len(PNG) // 2],
}
OF_ANOTHER_KIND = {
    "a GIF": encoded(plain(), "GIF"),
    "a BMP": encoded(plain(), "BMP"),
    "a TIFF": encoded(plain(), "TIFF"),
    "an SVG": b'<svg xmlns="http://www.w3.org/2000/svg"><rect width="9" height="9"/></svg>',
    "an HTML page": b"<!doctype html><title>404</title><p>Not found.</p>",
    "a PDF": b"%PDF-1.7\n%%EOF",
    "one byte": b"\xff",
    "zeros": bytes(5_000),
}


@pytest.mark.parametrize("name", [*DAMAGED, *OF_ANOTHER_KIND])
def test_what_is_no_picture_is_one_dead_letter_and_never_a_black_picture(products: Products, name: str) -> None:
    bad = products.image("I-bad", image=inline((DAMAGED | OF_ANOTHER_KIND)[name]))
    good = [products.image(f"I-{number}", image=inline(PNG)) for number in range(2)]
    assert products.settle(good[0], bad, good[1]) == [Outcome.ROUTED, Outcome.DEAD_LETTERED, Outcome.ROUTED]
    [letter] = products.dead_letters()
    reason = FailureReason.MEDIA_UNREADABLE if name in DAMAGED else FailureReason.MEDIA_WRONG_KIND
    assert (letter.reason, letter.field) == (reason, "image")
    assert products.versions() == {"I-0": 1, "I-1": 1}


def test_a_bomb_by_its_header_is_refused_before_its_pixels(products: Products) -> None:
    assert products.settle(products.image("I-1", image=inline(bomb()))) == [Outcome.DEAD_LETTERED]
    [letter] = products.dead_letters()
    assert (letter.reason, letter.field) == (FailureReason.MEDIA_DECODING_LIMIT, "image")


def test_an_empty_picture_is_refused_inline_and_by_reference(products: Products) -> None:
    products.parts.fetcher.contents[f"{URI}empty"] = b""
    outcomes = products.settle(
        products.image("I-1", image={"inline": ""}), products.image("I-2", image={"uri": f"{URI}empty"})
    )
    assert outcomes == [Outcome.DEAD_LETTERED] * 2
    assert [each.field.partition(".")[0] for each in products.dead_letters()] == ["image"] * 2


def test_a_picture_that_cannot_be_read_leaves_what_is_stored_as_it_was(products: Products) -> None:
    products.settle(products.image("I-1", image=inline(PNG)))
    before = products.stored()
    assert products.settle(products.image("I-1", 2, "updated", image=inline(JPEG[:99]))) == [Outcome.DEAD_LETTERED]
    assert products.stored() == before


def test_a_turned_picture_is_seen_as_the_upright_one_and_found_by_it(products: Products) -> None:
    upright = noise().resize((300, 200), Image.Resampling.BICUBIC)
    lying = upright.transpose(Image.Transpose.ROTATE_90)
    turned = encoded(lying, "PNG", exif=b"Exif\0\0" + exif(6))
    products.settle(products.image("I-1", image=inline(encoded(upright, "PNG"))))
    found = products.near_duplicate(products.image("I-2", image=inline(turned)))
    assert (found.tier, found.distance_bits, found.mirrored) == ("same_picture", 0, False)
    assert products.stored("I-1")["image_digest"] == products.stored("I-2")["image_digest"]
    assert (products.stored("I-2")["width_px"], products.stored("I-2")["height_px"]) == (200, 300), "as the file states"


def forms() -> dict[str, bytes]:
    """Return one picture of four colours in several forms without a loss of colour."""
    picture = quarters()
    deep = np.asarray(picture.convert("L"), np.uint16) * 257
    alpha = picture.convert("RGBA")
    return {
        "PNG": encoded(picture, "PNG"),
        "WebP": encoded(picture, "WEBP", lossless=True),
        "palette": encoded(picture.quantize(16), "PNG"),
        "opaque alpha": encoded(alpha, "PNG"),
        "WebP with alpha": encoded(alpha, "WEBP", lossless=True, exact=True),
        "CMYK": encoded(picture.convert("CMYK"), "JPEG", quality=98),
        "16 bits": encoded(Image.fromarray(deep), "PNG"),
        "grey": encoded(picture.convert("L"), "PNG"),
    }


def test_pictures_of_all_kinds_of_pixels_are_read(products: Products) -> None:
    every = forms()
    outcomes = products.settle(*(products.image(name, image=inline(content)) for name, content in every.items()))
    assert outcomes == [Outcome.ROUTED] * len(every)
    digests = {name: products.stored(name)["image_digest"] for name in every}
    assert len({digests[name] for name in ("PNG", "WebP", "palette", "opaque alpha", "WebP with alpha")}) == 1
    assert digests["16 bits"] == digests["grey"] != digests["PNG"]
    assert all(products.stored(name)["picture_hash"] != FLAT for name in every)


def test_transparency_is_white_and_not_black(products: Products) -> None:
    empty = Image.new("RGBA", (64, 64), (0, 0, 0, 0))
    white, black = plain(colour=(255, 255, 255)), plain(colour=(0, 0, 0))
    files = {"empty": encoded(empty, "PNG"), "white": encoded(white, "PNG"), "black": encoded(black, "PNG")}
    products.settle(*(products.image(name, image=inline(content)) for name, content in files.items()))
    digests = {name: products.stored(name)["image_digest"] for name in files}
    assert digests["empty"] == digests["white"] != digests["black"]


def test_a_file_that_was_encoded_again_without_loss_publishes_nothing(products: Products) -> None:
    products.settle(products.image("I-1", image=inline(PNG)))
    again = encoded(noise(), "PNG", compress_level=1)
    assert again != PNG
    assert products.settle(products.image("I-1", 2, "updated", image=inline(again))) == [Outcome.INDEXED]


@pytest.mark.parametrize("size", [(1, 1), (1, 500), (500, 1), (2, 2)])
def test_the_smallest_and_the_narrowest_pictures_are_read(products: Products, size: tuple[int, int]) -> None:
    content = encoded(plain(size), "PNG")
    assert products.settle(products.image("I-1", image=inline(content))) == [Outcome.ROUTED]
    assert (products.stored()["width_px"], products.stored()["height_px"]) == size
    assert products.stored()["picture_hash"] == FLAT
