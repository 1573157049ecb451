"""Text is read in the twelve sample screenshots, and personal data in it is masked; clothes have next to no words.

The screenshots are drawn: no photo by a real phone, no screenshot of a real application is among them. A green run does
not prove the accuracy on either; `python -m benchmarks.screenshots` prints it for more kinds of drawn pictures. Run this
with `-s` to see the figures.
"""

import io
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmarks.drawing.photos import pixels_of
from benchmarks.drawing.written import Page
from benchmarks.drawn_screenshots import SCREENSHOTS, Screenshot, draw
from benchmarks.screenshots import Rates, Shown, compared, missed_masks, samples
from shared.reading.port import ReadText, TextReader
from shared.reading.rapid import load_text_reader

ACCURACY, LOWEST, FOUND = 0.94, 0.78, 0.96
"""Of all words, of those of the worst picture, and of the words as a search finds them."""

TILTED_ACCURACY, TILTED_LONGER_PX = 0.9, 1_100
DIALOGUE = (
    "Accès refusé",
    "Vous n'avez pas l'autorisation d'ouvrir ce dossier partagé.",
    "Le délai de votre mot de passe a expiré le 12 février.",
    "Vérifiez vos paramètres réseau puis réessayez plus tard.",
    "Code d'erreur : 0x80070005, référence ORD-2048847",
    "Fermer   Réessayer   Contacter l'assistance",
)
TURNED = {"kiosk-turned.png": 90}
PHOTOS, MOST_WORDS = 20, 15
"""Photos of clothes, and most words in them: what is printed on the clothes is read, and counts too."""

SAME_LEVELS = 0.5
"""Of 255: another processor may round the noise of a photo otherwise."""


@pytest.fixture(scope="module")
def reader() -> TextReader:
    return load_text_reader()


@pytest.fixture(scope="module")
def read(reader: TextReader) -> list[tuple[Shown, ReadText]]:
    return [(shown, reader.read(shown.pixels)) for shown in samples()]


def test_the_words_of_the_screenshots_are_read(read: list[tuple[Shown, ReadText]]) -> None:
    total = Rates()
    for shown, found in read:
        rates = compared(shown.rows, found.text)
        print(f"{shown.name:<28}{rates.shown()}")  # noqa: T201
        assert rates.accuracy >= LOWEST, shown.name
        total.add(rates)
    print(f"{'together':<28}{total.shown()}")  # noqa: T201
    assert len(read) == 12
    assert total.accuracy >= ACCURACY
    assert total.found >= FOUND * total.searched


def test_a_turned_screenshot_is_read_upright(read: list[tuple[Shown, ReadText]]) -> None:
    assert {shown.name: found.turned_degrees for shown, found in read if found.turned_degrees} == TURNED


def test_personal_data_of_the_screenshots_is_masked(read: list[tuple[Shown, ReadText]]) -> None:
    assert sum(len(shown.personal) for shown, _ in read) == 10
    assert [missed_masks(shown, found.text) for shown, found in read if missed_masks(shown, found.text)] == []


@pytest.mark.parametrize(
    "words",
    ["0x80070005", "0x80070057", "ERR_CONNECTION_REFUSED", "enregistrement", "déjà", "Référence", "ORD-2048847"],
)
def test_codes_and_accents_are_read_as_they_are_written(words: str, read: list[tuple[Shown, ReadText]]) -> None:
    assert any(words in found.text for _, found in read)


@pytest.mark.parametrize(
    ("face", "width", "at", "row_px", "degrees", "around"),
    [("serif", 1_400, (36, 44), 47, -7, "#000000"), ("bold", 1_200, (169, 10), 42, 12, "#ffffff")],
)
def test_each_line_of_a_large_tilted_dialogue_is_read(
    face: str, width: int, at: tuple[int, int], row_px: int, degrees: float, around: str, reader: TextReader
) -> None:
    page = Page(width, 420, "#ffffff", face)
    for number, line in enumerate(DIALOGUE):
        page.write((at[0], at[1] + row_px * number), line, 22)
    pixels = pixels_of(page.image.rotate(degrees, Image.Resampling.BICUBIC, expand=True, fillcolor=around))
    assert max(pixels.shape) > TILTED_LONGER_PX
    assert compared(DIALOGUE, reader.read(pixels).text).accuracy >= TILTED_ACCURACY


def test_threads_read_the_same(reader: TextReader, read: list[tuple[Shown, ReadText]]) -> None:
    some = read[:4]
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(lambda each: reader.read(each[0].pixels), some)) == [found for _, found in some]


@pytest.mark.parametrize("screenshot", SCREENSHOTS, ids=lambda each: each.file)
def test_the_files_are_what_the_script_draws(screenshot: Screenshot) -> None:
    content, rows = draw(screenshot)
    shown = next(each for each in samples() if each.name == screenshot.file)
    assert shown.rows == rows
    with Image.open(io.BytesIO(content)) as image:
        drawn = pixels_of(image).astype(np.int16)
    assert drawn.shape == shown.pixels.shape
    assert np.abs(drawn - shown.pixels).mean() < SAME_LEVELS


def test_photos_of_clothes_have_next_to_no_words(reader: TextReader, data_dir: Path) -> None:
    files = sorted((data_dir / "images" / "clothing").rglob("*.jpg"))[::15]
    assert len(files) == PHOTOS
    words = 0
    for file in files:
        with Image.open(file) as image:
            text = reader.read(pixels_of(image)).text
        words += len(text.split())
        if text:
            print(file.name, text.splitlines())  # noqa: T201
    assert words <= MOST_WORDS


def test_the_fingerprint_is_eight_hexadecimal_digits(reader: TextReader) -> None:
    assert len(reader.fingerprint) == 8
    assert int(reader.fingerprint, 16) >= 0
    assert reader.read(np.zeros((40, 40, 3), np.uint8)) == ReadText(())
