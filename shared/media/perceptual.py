"""Perceptual hashes: 64 bits that stay nearly the same if a picture is scaled, re-encoded or slightly changed.

The hash is imagehash's pHash: the picture in grey at 32 x 32 pixels, its cosine transform, and for each of the 64 lowest
frequencies whether it is above their median. This module decodes nothing, and knows neither streams nor stores.
"""

from typing import NamedTuple

import numpy as np

from shared.media.decoding.replies import Pixels

HASH_BITS = 64
SIDE_PX = 32
REDUCING_GAP = 3.0
FLAT_LEVELS = 8
"""A picture whose 32 x 32 levels of grey, of 256, lie within fewer than this is flat: its hash would be that of noise."""

FLAT = "0" * (HASH_BITS // 4)
"""The hash of every picture without a shape to compare."""

LEAST_BITS = 16
"""Half of the bits of a photo's hash are set. If fewer than these are, as of a gradient or of stripes, most
frequencies are zero, and the hashes of different pictures differ in a few bits only."""


class PictureHashes(NamedTuple):
    """The hashes of one picture, 16 hex digits each.

    Attributes:
        plain: The hash of the picture.
        mirrored: The hash of the picture if it is mirrored left to right; `FLAT` if the other one is.
    """

    plain: str
    mirrored: str


def hash_picture(pixels: Pixels) -> PictureHashes:
    """Return the perceptual hashes of a picture.

    A picture of a single colour, of a gradient or of stripes has too little to compare: both of its hashes are
    `FLAT`.

    Args:
        pixels: The upright picture, shape (height, width, 3), RGB, of any size from 1 x 1.
    """
    import imagehash  # here, since only streams of pictures need the extra that brings it
    from PIL import Image

    grey = Image.fromarray(np.ascontiguousarray(pixels)).convert("L")
    # Reducing in whole steps first takes a third of the time, and moved at most two bits of the hashes of 150 photos.
    small = grey.resize((SIDE_PX, SIDE_PX), Image.Resampling.LANCZOS, reducing_gap=REDUCING_GAP)
    levels = np.asarray(small)
    if np.ptp(levels) < FLAT_LEVELS:
        return PictureHashes(FLAT, FLAT)
    mirrored = Image.fromarray(np.ascontiguousarray(levels[:, ::-1]))
    hashes = PictureHashes(str(imagehash.phash(small)), str(imagehash.phash(mirrored)))
    has_shape = min(int(each, 16).bit_count() for each in hashes) >= LEAST_BITS
    return hashes if has_shape else PictureHashes(FLAT, FLAT)


def distance_bits(one: str, other: str) -> int:
    """Return the number of differing bits of two hashes, 0 to 64.

    It is 64 if one of them is `FLAT`, also if both are: they say nothing about each other.

    Args:
        one: 16 hex digits.
        other: The same of another picture.
    """
    return HASH_BITS if FLAT in (one, other) else (int(one, 16) ^ int(other, 16)).bit_count()
