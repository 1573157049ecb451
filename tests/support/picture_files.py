"""The parts that hostile pictures of all kinds need: a case, small pictures, EXIF data and colour profiles."""

import struct
from collections.abc import Mapping
from dataclasses import dataclass, replace
from io import BytesIO
from typing import Any, Literal

import numpy as np
import pillow_heif
from PIL import Image, ImageCms

from schemas.failures import FailureReason

Colour = tuple[int, int, int]
Size = tuple[int, int]

BROWN: Colour = (200, 100, 50)
RED, GREEN, BLUE, YELLOW = (220, 40, 40), (40, 200, 40), (40, 40, 220), (200, 200, 40)
SQUARE: Size = (64, 64)

TURNED = {2: BLUE, 3: RED, 4: GREEN, 5: YELLOW, 6: GREEN, 7: RED, 8: BLUE}
"""The quarter of `quarters()` that contains the centre pixel after each orientation; YELLOW for all other values."""

DAMAGED, LIMIT = FailureReason.MEDIA_UNREADABLE, FailureReason.MEDIA_DECODING_LIMIT


@dataclass(frozen=True, slots=True)
class PictureCase:
    """A file, and the result of its decoding.

    Attributes:
        name: Unique among the cases.
        reason: Why it is refused; absent if it decodes.
        size: Width and height of the decoded picture, upright and scaled down, if it decodes.
        colour: RGB of its pixel at (width // 2, height // 2), within the tolerance of lossy compression, where every
            correct decoder agrees on it.
    """

    name: str
    content: bytes
    reason: FailureReason | None = None
    size: Size | None = None
    colour: Colour | None = None


def sound(contents: Mapping[str, bytes], size: Size = SQUARE, colour: Colour | None = BROWN) -> list[PictureCase]:
    """Return files that decode to this size and colour."""
    return [PictureCase(name, content, None, size, colour) for name, content in contents.items()]


def refused(contents: Mapping[str, bytes], reason: FailureReason = DAMAGED) -> list[PictureCase]:
    """Return files that are refused for this reason."""
    return [PictureCase(name, content, reason) for name, content in contents.items()]


def padded(contents: Mapping[str, bytes]) -> list[PictureCase]:
    """Return files that end early but are closed like a whole one: Pillow decodes them, and pads what is missing."""
    return [PictureCase(name, content) for name, content in contents.items()]


def plain(size: Size = SQUARE, colour: Any = BROWN, mode: str = "RGB") -> Image.Image:
    """Return a picture of one colour."""
    return Image.new(mode, size, colour)


def noise(seed: int = 3) -> Image.Image:
    """Return a picture of noise, which compresses badly; the same one for the same seed."""
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (*SQUARE, 3), np.uint8))


def quarters() -> Image.Image:
    """Return a picture of four colours, in which the centre pixel shows how it was turned."""
    picture = plain((64, 32), RED)
    picture.paste(GREEN, (32, 0, 64, 16))
    picture.paste(BLUE, (0, 16, 32, 32))
    picture.paste(YELLOW, (32, 16, 64, 32))
    return picture


def encoded(picture: Image.Image, kind: str, **options: Any) -> bytes:
    """Return a picture as a file of a kind that Pillow writes, or of HEIC."""
    content = BytesIO()
    if kind == "HEIC":
        pillow_heif.from_pillow(picture).save(content, **options)
    else:
        picture.save(content, kind, **options)
    return content.getvalue()


def exif(orientation: int = 6, following: int = 0, kind: int = 3, count: int = 1, value: bytes = b"") -> bytes:
    """Return EXIF data with one entry, the orientation; other types, counts and values than the usual are damage."""
    value = value or struct.pack(">HH", orientation, 0)
    return b"MM\0*\0\0\0\x08\0\1\1\x12" + struct.pack(">HI", kind, count) + value + struct.pack(">I", following)


def turned(kind: str, **options: Any) -> list[PictureCase]:
    """Return a picture of this kind with each orientation, and with values that are not valid."""
    cases = []
    for value in (*range(10), 65_535):
        content = encoded(quarters(), kind, exif=b"Exif\0\0" + exif(value), **options)
        size = (32, 64) if value in (5, 6, 7, 8) else (64, 32)
        cases += sound({f"{kind} with orientation {value}": content}, size, TURNED.get(value, YELLOW))
    return cases


def _profile(space: Literal["LAB", "XYZ", "sRGB"]) -> bytes:
    data = ImageCms.ImageCmsProfile(ImageCms.createProfile(space)).tobytes()
    return data[:24] + bytes(12) + data[36:]  # without its date


SRGB, LAB = _profile("sRGB"), _profile("LAB")
SWAPPED = SRGB.replace(b"rXYZ", b"____", 1).replace(b"gXYZ", b"rXYZ", 1).replace(b"____", b"gXYZ", 1)
"""A profile in which red is the green of sRGB, and green its red."""


def profiled(kind: str, **options: Any) -> list[PictureCase]:
    """Return pictures of this kind with sound profiles, which are applied, and damaged ones, which are ignored."""
    profiles = {
        "of sRGB": SRGB,
        "that is cut": SRGB[: len(SRGB) // 2],
        "that is not a profile": b"junk" * 40,
        "with four billion entries": SRGB[:128] + b"\xff\xff\xff\xff" + SRGB[132:],
        "of another colour space": LAB,
        "of swapped colours": SWAPPED,
    }
    made = {name: encoded(plain(), kind, icc_profile=data, **options) for name, data in profiles.items()}
    *same, swapped = sound({f"{kind} with a profile {name}": content for name, content in made.items()})
    return [*same, replace(swapped, colour=(100, 200, 50))]
