"""Product images without pictures: the content of a picture is a few words, so that neither decoder nor model is needed.

`DRAWN_PRODUCTS` is the stream of products whose workers read such contents, wherever they are built, also in other
processes.
"""

from base64 import b64encode
from dataclasses import replace
from hashlib import sha256
from typing import Any

import numpy as np

from schemas.failures import FailureReason
from shared.embedding.port import Pixels
from shared.engine.resources import Resources
from shared.errors import Rejected
from shared.media.perceptual import PictureHashes
from shared.media.port import MediaContent
from shared.pictures import PictureReader, ReadPicture
from workers.products.stages import PRODUCTS, ProductStages

START = b"a drawing of "
SIDE_PX = 4


class FakePictureReader(PictureReader):
    """Reads contents that begin with `START`; the bytes after it are the picture. Others cannot be decoded."""

    def __init__(self) -> None:
        pass

    def read(self, content: MediaContent, field: str) -> ReadPicture:
        """Read a content."""
        said = bytes(content)
        if not said.startswith(START):
            raise Rejected(FailureReason.MEDIA_UNREADABLE, field, "it is no picture")
        digest = sha256(said).digest()
        pixels: Pixels = np.frombuffer(digest[:3] * SIDE_PX**2, np.uint8).reshape(SIDE_PX, SIDE_PX, 3)
        hashes = PictureHashes(digest[:8].hex(), digest[8:16].hex())
        return ReadPicture(pixels, hashes, SIDE_PX, SIDE_PX)


def drawing(what: str) -> bytes:
    """Return the content of a picture."""
    return START + what.encode()


def drawn(what: str) -> dict[str, Any]:
    """Return the medium of a picture."""
    return {"inline": b64encode(drawing(what)).decode()}


def _stages(resources: Resources) -> ProductStages:
    return ProductStages.of(replace(resources, pictures=FakePictureReader()))


DRAWN_PRODUCTS = replace(PRODUCTS, stages=_stages)
