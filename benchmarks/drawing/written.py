"""A page on which text is written, which remembers what was written where, as the true text of the picture."""

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import matplotlib as mpl
from PIL import Image, ImageDraw, ImageFont

FACES = {
    "sans": "DejaVuSans.ttf",
    "bold": "DejaVuSans-Bold.ttf",
    "oblique": "DejaVuSans-Oblique.ttf",
    "mono": "DejaVuSansMono.ttf",
    "mono_bold": "DejaVuSansMono-Bold.ttf",
    "serif": "DejaVuSerif.ttf",
    "serif_bold": "DejaVuSerif-Bold.ttf",
    "stix": "STIXGeneral.ttf",
    "stix_bold": "STIXGeneralBol.ttf",
    "roman": "cmr10.ttf",
    "typewriter": "cmtt10.ttf",
}
"""Fonts of matplotlib's wheel, whose licences allow pictures of text; `plain` is Pillow's own, Aileron (CC0)."""

SAME_ROW = 0.5
"""Two texts are in one row if their middles differ by less than this share of the smaller height."""


class Written(NamedTuple):
    """A text on a page: its left edge, its middle and its height in pixels."""

    left: float
    middle: float
    height: float
    text: str


@cache
def font(face: str, size_px: int) -> Any:
    """Return a font of `FACES`, or `plain`."""
    if face == "plain":
        return ImageFont.load_default(size_px)
    return ImageFont.truetype(Path(mpl.get_data_path()) / "fonts" / "ttf" / FACES[face], size_px)


class Page:
    """A picture of text.

    Args:
        width_px: Its width.
        height_px: Its height.
        ground: Its colour.
        face: The font of texts that name no other.
        ink: The colour of texts that name no other.
    """

    def __init__(self, width_px: int, height_px: int, ground: str, face: str = "sans", ink: str = "#1f2328") -> None:
        self.image = Image.new("RGB", (width_px, height_px), ground)
        self._draw = ImageDraw.Draw(self.image)
        self._face, self._ink = face, ink
        self._written: list[Written] = []

    def write(self, at: tuple[float, float], text: str, size_px: int = 14, ink: str = "", face: str = "") -> float:
        """Write a text with its left top corner at a point, and return its right edge."""
        chosen = font(face or self._face, size_px)
        self._draw.text(at, text, font=chosen, fill=ink or self._ink)
        left, top, right, bottom = self._draw.textbbox(at, text, font=chosen)
        self._written.append(Written(left, (top + bottom) / 2, bottom - top, text))
        return float(right)

    def lines(
        self, at: tuple[float, float], texts: Sequence[str], size_px: int = 14, ink: str = "", face: str = ""
    ) -> float:
        """Write lines below one another, and return where the next one would be."""
        top = at[1]
        for text in texts:
            if text:
                self.write((at[0], top), text, size_px, ink, face)
            top += size_px * 1.55
        return top

    def centred(self, top: float, text: str, size_px: int = 14, ink: str = "", face: str = "") -> None:
        """Write a text in the middle of the page."""
        length = self._draw.textlength(text, font=font(face or self._face, size_px))
        self.write(((self.image.width - length) / 2, top), text, size_px, ink, face)

    def panel(
        self, box: tuple[float, float, float, float], fill: str | None, edge: str | None = None, round_px: int = 0
    ) -> None:
        """Draw a rectangle: left, top, right, bottom."""
        self._draw.rounded_rectangle(box, round_px, fill=fill, outline=edge)

    def disc(self, middle: tuple[float, float], radius_px: float, fill: str) -> None:
        """Draw a disc."""
        x, y = middle
        self._draw.ellipse((x - radius_px, y - radius_px, x + radius_px, y + radius_px), fill=fill)

    def button(self, at: tuple[float, float], text: str, fill: str, ink: str, size_px: int = 14) -> float:
        """Draw a button with a text, and return its right edge."""
        length = self._draw.textlength(text, font=font(self._face, size_px))
        right = at[0] + length + 2.4 * size_px
        self.panel((at[0], at[1], right, at[1] + 2.3 * size_px), fill, None, round(size_px * 0.4))
        self.write((at[0] + 1.2 * size_px, at[1] + 0.55 * size_px), text, size_px, ink)
        return float(right)

    def rule(self, left: float, right: float, top: float, colour: str) -> None:
        """Draw a thin line from left to right."""
        self._draw.line((left, top, right, top), fill=colour)

    def true_rows(self) -> list[str]:
        """Return what is written, row by row from top to bottom, the texts of a row joined by blanks from left to right."""
        rows: list[list[Written]] = []
        for each in sorted(self._written, key=lambda one: one.middle):
            last = rows[-1][-1] if rows else None
            if last and abs(last.middle - each.middle) < SAME_ROW * min(last.height, each.height):
                rows[-1].append(each)
            else:
                rows.append([each])
        return [" ".join(" ".join(one.text for one in sorted(row)).split()) for row in rows]
