"""What becomes of a picture of a screen when it is photographed, turned or compressed."""

import io
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from shared.embedding.port import Pixels


@dataclass(frozen=True, slots=True)
class Photo:
    """How a screen is photographed.

    Attributes:
        lean: How far the corners are displaced, as a share of the sides; 0 for a photo from straight ahead.
        tilt: The angle of the camera in degrees.
        moire: The strength of the pattern that the pixels of the screen and of the camera make, 0 to 1.
        noise: The standard deviation of the noise, in levels of 255.
        blur_px: The radius of the blur.
        glare: The strength of the reflection of a lamp, 0 to 1.
        contrast: What remains of the contrast, 0 to 1.
        quality: Of JPEG.
    """

    lean: float = 0.04
    tilt: float = 2.0
    moire: float = 0.12
    noise: float = 7.0
    blur_px: float = 0.8
    glare: float = 0.5
    contrast: float = 0.85
    quality: int = 70


def photograph(image: Image.Image, how: Photo, random: np.random.Generator) -> Image.Image:
    """Return a picture of a screen as a phone photographs it, on a dark desk."""
    levels = np.asarray(image, np.float32)
    levels = _with_pattern(levels, how.moire)
    framed = _on_desk(Image.fromarray(levels.clip(0, 255).astype(np.uint8)))
    seen = _seen_askew(framed, how, random).rotate(how.tilt, Image.Resampling.BICUBIC, fillcolor=(38, 34, 32))
    taken = np.asarray(seen.filter(ImageFilter.GaussianBlur(how.blur_px)), np.float64)
    taken = 128 + (taken - 128) * how.contrast
    taken = taken + how.glare * 255 * _spot(seen.height, seen.width, random)[..., np.newaxis]
    taken = taken + random.normal(0, how.noise, taken.shape)
    return compressed(Image.fromarray(taken.clip(0, 255).astype(np.uint8)), how.quality)


def compressed(image: Image.Image, quality: int) -> Image.Image:
    """Return a picture after JPEG."""
    held = io.BytesIO()
    image.save(held, "JPEG", quality=quality)
    return Image.open(held).convert("RGB")


def pixels_of(image: Image.Image) -> Pixels:
    """Return the pixels of a picture: shape (height, width, 3), uint8, RGB."""
    return np.array(image.convert("RGB"), np.uint8)


def _with_pattern(levels: NDArray[np.float32], strength: float) -> NDArray[np.float32]:
    """Return the levels with bands of two frequencies across each other, tinted a little."""
    height, width = levels.shape[:2]
    rows, columns = np.mgrid[0:height, 0:width].astype(np.float32)
    fine = np.sin(columns * 2.1 + rows * 0.05) * np.sin(rows * 2.05)
    wide = np.sin(columns * 0.13 + rows * 0.07)
    pattern = (fine * 0.5 + wide * 0.5)[..., np.newaxis] * np.array([1.0, 0.8, 1.1], np.float32)
    return np.asarray(levels * (1 + strength * pattern), np.float32)


def _on_desk(image: Image.Image) -> Image.Image:
    """Return a screen with its bezel, on a desk."""
    margin = round(0.08 * max(image.size))
    desk = Image.new("RGB", (image.width + 2 * margin, image.height + 2 * margin), (92, 74, 58))
    bezel = Image.new("RGB", (image.width + margin, image.height + margin), (18, 18, 20))
    desk.paste(bezel, (margin // 2, margin // 2))
    desk.paste(image, (margin, margin))
    return desk


def _seen_askew(image: Image.Image, how: Photo, random: np.random.Generator) -> Image.Image:
    width, height = image.size
    corners = np.array([(0, 0), (width, 0), (width, height), (0, height)], np.float64)
    moved = corners + random.uniform(-how.lean, how.lean, (4, 2)) * (width, height)
    return image.transform(
        image.size, Image.Transform.PERSPECTIVE, _coefficients(corners, moved), Image.Resampling.BICUBIC
    )


def _coefficients(corners: NDArray[np.float64], sources: NDArray[np.float64]) -> list[float]:
    """Return Pillow's eight numbers for the perspective in which the corners show what is at the sources."""
    rows, values = [], []
    for (x, y), (u, v) in zip(corners, sources, strict=True):
        rows += [[x, y, 1, 0, 0, 0, -u * x, -u * y], [0, 0, 0, x, y, 1, -v * x, -v * y]]
        values += [u, v]
    return [float(each) for each in np.linalg.solve(np.array(rows), np.array(values))]


def _spot(height: int, width: int, random: np.random.Generator) -> NDArray[np.float64]:
    rows, columns = np.mgrid[0:height, 0:width]
    row, column = random.uniform(0.15, 0.85, 2) * (height, width)
    distance = ((rows - row) / height) ** 2 + ((columns - column) / width) ** 2
    return np.asarray(np.exp(-distance / 0.015), np.float64)
