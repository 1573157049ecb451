"""Writes pictures as files of many kinds, and makes near-duplicates and a damaged file of them."""

from io import BytesIO

import numpy as np
from PIL import Image

TURNED = 6
"""The EXIF orientation of a camera that was held upright: the picture is stored turned, and readers turn it back."""

COPY_SCALE = 0.8
COPY_MARGIN = 0.03
DAMAGED_SHARE = 0.6
PALETTE_COLOURS = 96


def encode(picture: Image.Image, kind: str, quality: int) -> bytes:
    """Return a picture as the bytes of a file.

    Args:
        picture: RGB, or RGBA for `png_alpha`.
        kind: `jpeg`, `jpeg_cmyk`, `jpeg_grey`, `jpeg_turned`, `webp`, `png_alpha`, `png_palette` or `png_16`.
        quality: Of `jpeg` and `webp`, from 1 to 95.
    """
    if kind == "webp":
        return _saved(picture, "WEBP", quality=quality, method=6)
    if kind == "png_alpha":
        return _saved(picture, "PNG", optimize=True)
    if kind == "png_palette":
        palette = picture.quantize(PALETTE_COLOURS, Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
        return _saved(palette, "PNG", optimize=True)
    if kind == "png_16":
        deep = np.asarray(picture.convert("L")).astype(np.uint16) * 257
        return _saved(Image.fromarray(deep), "PNG", optimize=True)
    if kind == "jpeg_turned":
        exif = Image.Exif()
        exif[0x0112] = TURNED
        stored = picture.transpose(Image.Transpose.ROTATE_90)
        return _saved(stored, "JPEG", quality=quality, optimize=True, exif=exif.tobytes())
    mode = {"jpeg": "RGB", "jpeg_cmyk": "CMYK", "jpeg_grey": "L"}[kind]
    return _saved(picture.convert(mode), "JPEG", quality=quality, optimize=True)


def copy_picture(content: bytes, copy: str) -> Image.Image:
    """Return a near-duplicate of a stored picture: `cropped` (and scaled down) or `mirrored`."""
    with Image.open(BytesIO(content)) as opened:
        picture = opened.convert("RGB")
    if copy == "mirrored":
        return picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    width, height = picture.size
    frame = (round(width * COPY_MARGIN), round(height * COPY_MARGIN / 2), width, round(height * (1 - COPY_MARGIN / 2)))
    cut = picture.crop(frame)
    return cut.resize((round(cut.width * COPY_SCALE), round(cut.height * COPY_SCALE)), Image.Resampling.LANCZOS)


def damage(content: bytes) -> bytes:
    """Return a file as it is after a transfer that broke off."""
    return content[: round(len(content) * DAMAGED_SHARE)]


def _saved(picture: Image.Image, name: str, **how: object) -> bytes:
    written = BytesIO()
    picture.save(written, name, **how)
    return written.getvalue()
