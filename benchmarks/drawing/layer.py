"""A transparent layer that one product is drawn on, with light from the upper left."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageColor, ImageDraw, ImageFilter

from benchmarks.drawing.outlines import Point

SIDE_PX = 1_152
"""Width and height of a layer: about three times those of the finished picture, so that its edges become smooth."""

Numbers = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Paint:
    """How a shape is filled.

    Attributes:
        colour: As Pillow reads it.
        shade: How light falls on it: `flat`, `round` (an upright cylinder), `ball`, `glow` or `down` (darker downwards).
        second: The colour of the pattern.
        pattern: `plain`, `stripes`, `pinstripes`, `dots`, `check`, `zigzag` or `halves`.
        rim: How much darker its edge is, from 0 to 1.
        gloss: Strength of the reflection on `round` and `ball`.
        grain: Standard deviation of the fabric's brightness.
    """

    colour: str
    shade: str = "flat"
    second: str = "white"
    pattern: str = "plain"
    rim: float = 0.35
    gloss: float = 0.0
    grain: float = 0.0


class Layer:
    """Draws shapes over one another.

    Args:
        random: Where the grain of fabrics comes from.
    """

    def __init__(self, random: np.random.Generator) -> None:
        self.image = Image.new("RGBA", (SIDE_PX, SIDE_PX))
        self._random = random

    def fill(self, outline: Sequence[Point], paint: Paint) -> None:
        """Fill an outline."""
        mask = Image.new("L", self.image.size)
        ImageDraw.Draw(mask).polygon(_pixels(outline), fill=255)
        self._paint(mask, paint)

    def stroke(self, points: Sequence[Point], width: float, paint: Paint) -> None:
        """Draw a line with round ends."""
        self._paint(_line(points, width), paint)

    def crease(self, points: Sequence[Point], width: float, strength: float) -> None:
        """Darken what is drawn along a soft line; a negative strength brightens it."""
        soft = _line(points, width).filter(ImageFilter.GaussianBlur(width * SIDE_PX / 2))
        colour = "black" if strength > 0 else "white"
        alpha = self.image.getchannel("A")
        shadow = Image.new("RGB", self.image.size, colour)
        mask = soft.point(lambda value: round(value * abs(strength)))
        self.image.paste(shadow, mask=mask)
        self.image.putalpha(alpha)

    def _paint(self, mask: Image.Image, paint: Paint) -> None:
        frame = mask.getbbox()
        if frame is None:
            return
        cut = mask.crop(frame)
        tone, shine = _tones(paint.shade, cut.size)
        if paint.rim:
            radius = max(3.0, min(cut.size) / 14)
            inner = np.asarray(_bordered_blur(cut, radius), float) / 255
            tone = tone * (1 - paint.rim * (1 - np.clip(inner * 2 - 1, 0, 1)) ** 2)
        if paint.grain:
            tone = tone * (1 + self._random.normal(0, paint.grain, tone.shape))
        colour = _colours(paint, frame)
        lit = np.where(tone[..., None] > 1, colour + (1 - colour) * (tone[..., None] - 1), colour * tone[..., None])
        lit = lit + paint.gloss * shine[..., None]
        patch = Image.fromarray((np.clip(lit, 0, 1) * 255).round().astype(np.uint8))
        self.image.paste(patch, frame[:2], cut)


def _pixels(points: Sequence[Point]) -> list[tuple[float, float]]:
    return [(x * SIDE_PX, y * SIDE_PX) for x, y in points]


def _line(points: Sequence[Point], width: float) -> Image.Image:
    mask = Image.new("L", (SIDE_PX, SIDE_PX))
    draw, radius = ImageDraw.Draw(mask), width * SIDE_PX / 2
    places = _pixels(points)
    for begin, end in pairwise(places):
        draw.line((begin, end), fill=255, width=max(1, round(2 * radius)))
    for x, y in places:
        draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=255)
    return mask


def _bordered_blur(mask: Image.Image, radius: float) -> Image.Image:
    """Blur a mask as if nothing surrounded it."""
    border = round(radius * 3)
    width, height = mask.size
    wide = Image.new("L", (width + 2 * border, height + 2 * border))
    wide.paste(mask, (border, border))
    blurred = wide.filter(ImageFilter.GaussianBlur(radius))
    return blurred.crop((border, border, border + width, border + height))


def _tones(shade: str, size: tuple[int, int]) -> tuple[Numbers, Numbers]:
    """Return brightness (1 keeps the colour) and reflection of each pixel, shape (height, width)."""
    width, height = size
    u, v = np.meshgrid(np.linspace(-1, 1, width), np.linspace(-1, 1, height))
    nothing = np.zeros_like(u)
    if shade == "round":
        light = np.clip(0.87 * np.sqrt(np.clip(1 - u**2, 0, 1)) - 0.5 * u, 0, 1)
        return 0.5 + 0.58 * light, light**40
    if shade == "ball":
        light = np.clip(0.75 * np.sqrt(np.clip(1 - u**2 - v**2, 0, 1)) - 0.45 * u - 0.48 * v, 0, 1)
        return 0.5 + 0.6 * light, light**30
    if shade == "glow":
        return 1.5 - 0.45 * u**2 - 0.3 * (v - 0.5) ** 2, nothing
    if shade == "down":
        return 1.0 - 0.18 * v - 0.05 * u, nothing
    return 1.02 - 0.05 * u - 0.07 * v, nothing


def _colours(paint: Paint, frame: tuple[int, int, int, int]) -> Numbers:
    """Return the colour of each pixel of a frame, shape (height, width, 3), from 0 to 1."""
    x, y = np.meshgrid(np.arange(frame[0], frame[2]) / SIDE_PX, np.arange(frame[1], frame[3]) / SIDE_PX)
    first, second = (np.array(ImageColor.getrgb(each)[:3]) / 255 for each in (paint.colour, paint.second))
    return np.where(_is_second(paint.pattern, x, y)[..., None], second, first)


def _is_second(pattern: str, x: Numbers, y: Numbers) -> NDArray[np.bool_]:
    if pattern == "stripes":
        return np.asarray(y * 13 % 1 < 0.42)
    if pattern == "pinstripes":
        return np.asarray(x * 22 % 1 < 0.2)
    if pattern == "dots":
        row = np.floor(y * 14)
        return np.asarray(np.hypot((x * 14 + row % 2 / 2) % 1 - 0.5, y * 14 % 1 - 0.5) < 0.27)
    if pattern == "check":
        return np.asarray((x * 12 % 1 < 0.3) ^ (y * 12 % 1 < 0.3))
    if pattern == "zigzag":
        return np.asarray((y * 9 + abs(x * 12 % 1 - 0.5)) % 1 < 0.4)
    if pattern == "halves":
        return np.asarray(y > 0.62)
    return np.zeros(x.shape, bool)


@dataclass(frozen=True, slots=True)
class Look:
    """What distinguishes a product from others of its class: its style, two colours, and a pattern of `Paint`."""

    style: str
    colour: str
    second: str = "#f2efe8"
    pattern: str = "plain"
