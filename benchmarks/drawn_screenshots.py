"""Draws the sample screenshots: `python -m benchmarks.drawn_screenshots --out millrace/demo/samples/screenshots`.

Twelve error messages that were made up for Millrace, with their true text in `screenshots.json`. The same versions of
Pillow and matplotlib draw the same files.
"""

import argparse
import io
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from zlib import crc32

import numpy as np
from PIL import Image

from benchmarks.drawing import desktops, phones
from benchmarks.drawing.photos import Photo, photograph
from benchmarks.drawing.written import Page

LIST = "screenshots.json"


@dataclass(frozen=True, slots=True)
class Screenshot:
    """How a file is made.

    Attributes:
        file: Its name; the suffix decides the kind of file.
        shows: What it is, for people.
        draw: Draws the page.
        language: Of its text.
        personal: The personal data in it, which has to be masked.
        turned_degrees: How far it is turned counter-clockwise.
        photo: How the screen is photographed, if it is.
    """

    file: str
    shows: str
    draw: Callable[[], Page]
    language: str = "en"
    personal: tuple[str, ...] = ()
    turned_degrees: int = 0
    photo: Photo | None = None


SCREENSHOTS = (
    Screenshot("browser-refused.png", "error page of a browser", desktops.draw_browser),
    Screenshot("terminal-traceback.png", "stack trace in a terminal, dark", desktops.draw_terminal),
    Screenshot(
        "payment-declined.png",
        "form of a payment",
        desktops.draw_payment,
        personal=("4111 1111 1111 1111", "anna.berg@example.com", "+1 202-555-0143"),
    ),
    Screenshot("acces-refuse.png", "dialogue in French", desktops.draw_french_dialogue, "fr"),
    Screenshot(
        "compte-existant.webp",
        "form in French on a phone",
        phones.draw_french_form,
        "fr",
        ("chloe.lefevre@example.fr", "+33 6 12 34 56 78"),
    ),
    Screenshot("backup-dark.png", "dialogue on a phone, dark", phones.draw_sync),
    Screenshot("kiosk-turned.png", "blue screen, turned by 90 degrees", desktops.draw_kiosk, turned_degrees=90),
    Screenshot(
        "laptop-photo.jpg",
        "photo of a laptop by a phone",
        phones.draw_laptop,
        personal=("m.keller@example.com",),
        photo=Photo(),
    ),
    Screenshot("failed-orders.png", "table of orders", desktops.draw_table, personal=("m.ortega@example.org",)),
    Screenshot(
        "undeliverable.webp",
        "mail in small print",
        desktops.draw_mail,
        personal=("postmaster@mail.example.com", "support.team@example.net", "jean.dupont@example.fr"),
    ),
    Screenshot("printer-setup.png", "dialogue of an old installer", desktops.draw_setup),
    Screenshot("bad-gateway.png", "page of a proxy, pale, with serifs", desktops.draw_gateway),
)


def draw(screenshot: Screenshot) -> tuple[bytes, list[str]]:
    """Return the file of a screenshot and its true rows."""
    page = screenshot.draw()
    image = page.image
    if screenshot.photo is not None:
        image = photograph(image, screenshot.photo, np.random.default_rng(crc32(screenshot.file.encode())))
    if screenshot.turned_degrees:
        image = image.rotate(screenshot.turned_degrees, expand=True)
    return _encoded(image, Path(screenshot.file).suffix), page.true_rows()


def _encoded(image: Image.Image, suffix: str) -> bytes:
    held = io.BytesIO()
    if suffix == ".png":
        image.quantize(128, dither=Image.Dither.NONE).save(held, "PNG", optimize=True)
    elif suffix == ".webp":
        image.save(held, "WEBP", quality=75, method=6)
    else:
        image.save(held, "JPEG", quality=72, optimize=True)
    return held.getvalue()


def main() -> None:
    """Parse the arguments and write the files."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="folder of the files")
    out: Path = parser.parse_args().out
    out.mkdir(parents=True, exist_ok=True)
    listed, total = [], 0
    for each in SCREENSHOTS:
        content, rows = draw(each)
        (out / each.file).write_bytes(content)
        total += len(content)
        listed.append(
            {"file": each.file, "shows": each.shows, "language": each.language, "rows": rows, "personal": each.personal}
        )
    (out / LIST).write_text(json.dumps(listed, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    print(f"{len(listed)} pictures, {total / 1024:.0f} KiB")


if __name__ == "__main__":
    main()
