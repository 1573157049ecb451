"""Preparing a decoded picture for a model: scaled and cropped to the square that the model sees.

This module decodes nothing: Pillow only scales pixels here. It knows cards, but no library that runs models.
"""

import numpy as np
from PIL import Image

from shared.embedding.port import Pixels
from shared.embedding.registry import ImageCard

GREY = 128
SEED = 22
CELLS_PX = (1, 4, 16, 64)
"""The sides of the squares of one colour that the pictures of noise are made of."""

RESAMPLING = {"bicubic": Image.Resampling.BICUBIC, "bilinear": Image.Resampling.BILINEAR}


def prepare_picture(pixels: Pixels, card: ImageCard) -> Pixels:
    """Return the square in the middle of a picture, as if its shorter side had been scaled to `resize_px` before.

    Only the pixels of the square are computed, so a picture of 1 x 5000 pixels costs no more than others. The
    result depends on nothing but the arguments. Pillow releases the interpreter's lock meanwhile, so threads prepare
    pictures in parallel.

    Args:
        pixels: The picture, shape (height, width, 3), RGB, of any size from 1 x 1.
        card: The card of the model.

    Returns:
        Shape (crop_px, crop_px, 3), RGB.
    """
    height, width = pixels.shape[:2]
    side = min(height, width) * card.crop_px / card.resize_px
    left, top = (width - side) / 2, (height - side) / 2
    box = (left, top, min(left + side, width), min(top + side, height))
    size = (card.crop_px, card.crop_px)
    scaled = Image.fromarray(np.ascontiguousarray(pixels)).resize(size, RESAMPLING[card.interpolation], box)
    return np.array(scaled, np.uint8)


def grey(shape: tuple[int, int, int]) -> Pixels:
    """Return a grey picture of a shape."""
    return np.full(shape, GREY, np.uint8)


def sample_pictures(shape: tuple[int, int, int]) -> list[Pixels]:
    """Return the same pictures at each call, a grey one and coarse and fine noise, by which computations are compared."""
    rng = np.random.default_rng(SEED)
    height, width, channels = shape
    found = [grey(shape)]
    for cell_px in CELLS_PX:
        noise = rng.integers(0, 256, (height // cell_px + 1, width // cell_px + 1, channels), np.uint8)
        found.append(noise.repeat(cell_px, 0).repeat(cell_px, 1)[:height, :width])
    return found
