"""Pictures changed in the ways in which shops change them: encoded again, scaled, cropped, mirrored, and slightly edited.

Each change returns a file, so that what is compared has passed the decoder, as pictures of events do.
"""

import io
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageEnhance, ImageOps

from shared.embedding.port import Pixels

Change = Callable[[Image.Image], bytes]

QUALITIES = (30, 45, 60, 75, 90)
FACTORS = (0.3, 0.5, 0.75, 1.25, 2.0)
TENTH = 0.1
CROPS: Mapping[str, tuple[float, float, float, float]] = {
    "left": (TENTH, 0, 0, 0),
    "top": (0, TENTH, 0, 0),
    "right": (0, 0, TENTH, 0),
    "bottom": (0, 0, 0, TENTH),
    "all around": (TENTH / 2, TENTH / 2, TENTH / 2, TENTH / 2),
    "uneven": (0.07, 0.02, 0.03, 0.08),
    "corner": (TENTH, TENTH, 0, 0),
    "each side": (TENTH, TENTH, TENTH, TENTH),
}
"""Shares of the width or height that are cut off: left, top, right, bottom."""


def encoded(picture: Image.Image, form: str = "JPEG", **options: Any) -> bytes:
    """Return a picture as a file, a JPEG of quality 85 unless said otherwise."""
    written = io.BytesIO()
    picture.save(written, form, **({"quality": 85} if form == "JPEG" else {}) | options)
    return written.getvalue()


def changes() -> dict[str, dict[str, Change]]:
    """Return the changes by kind and name: the kinds of the promise, mirrored ones apart, and slight edits."""
    return {
        "re-encoded": {
            **{f"JPEG {quality}": _as_jpeg(quality) for quality in QUALITIES},
            "WebP 50": lambda picture: encoded(picture, "WEBP", quality=50),
            "PNG": lambda picture: encoded(picture, "PNG"),
        },
        "resized": {f"x {factor}": _resized(factor) for factor in FACTORS},
        "cropped": {name: _cropped(shares) for name, shares in CROPS.items()},
        "mirrored": {"mirrored": lambda picture: encoded(ImageOps.mirror(picture))},
        "brightness": {f"x {factor}": _brighter(factor) for factor in (0.85, 1.15)},
        "watermark": {"diagonal words": _watermarked},
        "border": {"white, 4 %": _bordered},
        "turned": {"by 3 degrees": _turned},
        "mirrored and cropped": {"uneven": lambda picture: _cropped(CROPS["uneven"])(ImageOps.mirror(picture))},
    }


def as_image(pixels: Pixels) -> Image.Image:
    """Return decoded pixels as a picture of Pillow."""
    return Image.fromarray(np.ascontiguousarray(pixels))


def _as_jpeg(quality: int) -> Change:
    return lambda picture: encoded(picture, quality=quality)


def _resized(factor: float) -> Change:
    def change(picture: Image.Image) -> bytes:
        size = (max(1, round(picture.width * factor)), max(1, round(picture.height * factor)))
        return encoded(picture.resize(size, Image.Resampling.BICUBIC))

    return change


def _cropped(shares: tuple[float, float, float, float]) -> Change:
    def change(picture: Image.Image) -> bytes:
        left, top, right, bottom = shares
        width, height = picture.size
        box = (round(left * width), round(top * height), round((1 - right) * width), round((1 - bottom) * height))
        return encoded(picture.crop(box))

    return change


def _brighter(factor: float) -> Change:
    return lambda picture: encoded(ImageEnhance.Brightness(picture).enhance(factor))


def _watermarked(picture: Image.Image) -> bytes:
    layer = Image.new("L", picture.size)
    size = max(8, picture.width // 12)
    ImageDraw.Draw(layer).text(picture.size, "example shop", 110, anchor="rd", font_size=size)
    ImageDraw.Draw(layer).text(
        (picture.width // 2, picture.height // 2), "example shop", 110, anchor="mm", font_size=size
    )
    return encoded(Image.composite(Image.new("RGB", picture.size, "white"), picture, layer))


def _bordered(picture: Image.Image) -> bytes:
    return encoded(ImageOps.expand(picture, max(1, round(0.04 * min(picture.size))), "white"))


def _turned(picture: Image.Image) -> bytes:
    return encoded(picture.rotate(3, Image.Resampling.BICUBIC, fillcolor="white"))
