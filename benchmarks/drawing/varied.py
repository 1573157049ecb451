"""Pictures of text of many kinds with words at random: other words, fonts, sizes and colours than those of the samples."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from PIL import Image

from benchmarks.drawing.photos import Photo, compressed, photograph
from benchmarks.drawing.written import Page

_ENGLISH_WORDS = """
account again already another attached backup battery before billing branch cannot certificate changed closed command
connection contact contract could customer damaged deadline delivery denied device disabled document download during
empty enabled error exceeded expired failed field folder found frozen gateway header ignored incomplete invoice item
keyboard label limit locked login maximum message missing network nothing number option order outside package page
parcel password pending permission please printer profile queue quota receipt refund request reset rejected replaced
restart retry return screen server service session shipping signature size source status stopped storage support
system table temporary terminal timeout unknown update upload user value version voucher waiting warehouse warning
window wrong
"""
ENGLISH = _ENGLISH_WORDS.split()
_FRENCH_WORDS = """
accès achevé adresse annulé août après arrêté bientôt boîte câble clé colis commande complète connecté contrôle créée
date défaut déjà délai dépassé désolé écran échec effacé élément envoyé erreur état expédié expiré fenêtre fermé
fichier garantie hôte identifiant imprimé incorrecte invalidée journée livré manquante matériel mémoire numéro où page
paramètre payée période perdu pièce préféré problème propriété protégé réessayer refusé réglé remboursé répété requête
réseau sécurité sélectionné serveur située succès supprimé système téléchargé température trouvé utilisé valeur
vérifié
"""
FRENCH = _FRENCH_WORDS.split()
COLOURS = {
    "light": ("#ffffff", "#1b1f24"),
    "paper": ("#f7f3e8", "#4a3f35"),
    "dark": ("#101418", "#d7dde3"),
    "night": ("#000000", "#8fd18f"),
    "red": ("#8c1d18", "#ffe9e6"),
    "pale": ("#ffffff", "#a8adb3"),
    "blue": ("#dbeafe", "#1e3a8a"),
}
Layout = Callable[["Writer"], Page]


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of picture: one row of the benchmark.

    Attributes:
        name: What it is, for people.
        layout: Draws it.
        colours: One of `COLOURS`.
        face: The font, of `written.FACES` or `plain`.
        size_px: The size of the font.
        language: `en` or `fr`.
        change: What becomes of the picture; nothing, or the name of a function of `CHANGES`.
        amount: How much, as the function understands it.
    """

    name: str
    layout: Layout
    colours: str = "light"
    face: str = "sans"
    size_px: int = 14
    language: str = "en"
    change: str = ""
    amount: float = 0.0


@dataclass(frozen=True, slots=True)
class Writer:
    """What a layout needs: the kind of picture, and the source of its words."""

    kind: Kind
    random: np.random.Generator

    def page(self, width: float, height: float) -> Page:
        """Return an empty page; its sides are multiples of the size of the font."""
        ground, ink = COLOURS[self.kind.colours]
        size = self.kind.size_px
        return Page(round(width * size), round(height * size), ground, self.kind.face, ink)

    def words(self, count: int) -> str:
        """Return words in a row; now and then a number, a code or an address is between them."""
        known = FRENCH if self.kind.language == "fr" else ENGLISH
        chosen = [str(each) for each in self.random.choice(known, count)]
        if count > 3 and self.random.random() < 0.4:
            chosen[int(self.random.integers(1, count))] = self.code()
        return " ".join([chosen[0].capitalize(), *chosen[1:]])

    def code(self) -> str:
        """Return a number, a code or an address."""
        number = int(self.random.integers(1_000, 99_999))
        first, second = (str(each) for each in self.random.choice(ENGLISH, 2))
        forms = (
            f"0x{number * 40_503:08X}",
            f"ERR_{first}_{second}".upper(),
            f"{number % 50 + 1}.{number % 90 + 10}",
            f"ORD-{number}-{first[:2].upper()}",
            f"{first}.{second}@example.org",
            f"https://{first}.example.com/{second}/{number}",
            f"{number % 24:02}:{number % 60:02}",
        )
        return forms[int(self.random.integers(len(forms)))]


def dialogue(writer: Writer) -> Page:
    """A window with a title, some lines and two buttons."""
    size = writer.kind.size_px
    page = writer.page(52, 22)
    page.write((2 * size, size), writer.words(3), round(size * 1.5))
    page.lines((3 * size, 5 * size), [writer.words(6) for _ in range(5)], size)
    page.button((8 * size, 17 * size), writer.words(1), "#52606d", "#ffffff", size)
    page.button((30 * size, 17 * size), writer.words(1), "#d5dbe1", "#111111", size)
    return page


def lines(writer: Writer) -> Page:
    """A page full of lines of different lengths, some indented."""
    size = writer.kind.size_px
    page = writer.page(66, 34)
    for number in range(20):
        indent = 2 * size * int(writer.random.integers(0, 3))
        page.write((size + indent, size + 1.6 * size * number), writer.words(int(writer.random.integers(3, 8))), size)
    return page


def table(writer: Writer) -> Page:
    """Four columns and nine rows."""
    size = writer.kind.size_px
    page = writer.page(66, 24)
    for row in range(9):
        for column in range(4):
            text = writer.code() if column == 2 and row else writer.words(1 + (column == 3))
            page.write(((1 + 12 * column + 15 * (column == 3)) * size, (1 + 2.4 * row) * size), text, size)
        page.rule(0, page.image.width, (2.9 + 2.4 * row) * size, "#8c959f")
    return page


def phone(writer: Writer) -> Page:
    """A narrow page with a headline and cards."""
    size = writer.kind.size_px
    page = writer.page(24, 48)
    page.write((size, 2 * size), writer.words(1), 2 * size)
    for card in range(5):
        top = (6 + 8 * card) * size
        page.panel((size * 0.5, top, size * 23.5, top + 6.5 * size), None, "#8c959f", size)
        page.lines((1.5 * size, top + size), [writer.words(2), writer.words(2), writer.code()], size)
    return page


def headline(writer: Writer) -> Page:
    """A very large number over small print."""
    size = writer.kind.size_px
    page = writer.page(70, 36)
    page.write((3 * size, 2 * size), str(int(writer.random.integers(400, 599))), 9 * size)
    page.lines((3 * size, 16 * size), [writer.words(7) for _ in range(6)], size)
    page.write((3 * size, 31 * size), writer.code(), round(size * 0.85))
    return page


def tilted(image: Image.Image, degrees: float, random: np.random.Generator) -> Image.Image:
    """Turn a picture by some degrees."""
    return image.rotate(degrees, Image.Resampling.BICUBIC, expand=True, fillcolor=image.getpixel((1, 1)))


def turned(image: Image.Image, degrees: float, random: np.random.Generator) -> Image.Image:
    """Turn a picture by quarters."""
    return image.rotate(degrees, expand=True)


def photographed(image: Image.Image, strength: float, random: np.random.Generator) -> Image.Image:
    """Photograph a picture on a screen; a strength of 1 is that of the samples."""
    how = Photo(
        lean=0.04 * strength,
        tilt=float(random.uniform(-4, 4)) * strength,
        moire=0.1 * strength,
        noise=7 * strength,
        blur_px=0.7 * strength,
        glare=0.45 * strength,
    )
    return photograph(image, how, random)


def squeezed(image: Image.Image, quality: float, random: np.random.Generator) -> Image.Image:
    """Compress a picture by JPEG."""
    return compressed(image, round(quality))


def scaled(image: Image.Image, factor: float, random: np.random.Generator) -> Image.Image:
    """Scale a picture."""
    return image.resize((round(image.width * factor), round(image.height * factor)), Image.Resampling.BICUBIC)


CHANGES = {"tilt": tilted, "turn": turned, "photo": photographed, "jpeg": squeezed, "scale": scaled}

KINDS = (
    Kind("dialogue", dialogue),
    Kind("dialogue, French", dialogue, face="serif", language="fr"),
    Kind("dialogue, dark, French", dialogue, "dark", size_px=13, language="fr"),
    Kind("dialogue, pale", dialogue, "pale", "stix", 16),
    Kind("dialogue, red", dialogue, "red", "bold", 15),
    Kind("dialogue, 9 px", dialogue, size_px=9),
    Kind("dialogue, 10 px, French", dialogue, size_px=10, language="fr"),
    Kind("dialogue, 11 px, dark", dialogue, "dark", "mono", 11),
    Kind("lines, terminal", lines, "night", "mono", 14),
    Kind("lines, typewriter", lines, "paper", "typewriter", 17),
    Kind("lines, small", lines, "blue", "plain", 12),
    Kind("lines, French, serif", lines, "paper", "stix", 18, "fr"),
    Kind("lines, oblique", lines, face="oblique", size_px=13),
    Kind("table", table),
    Kind("table, dark", table, "dark", "plain", 15),
    Kind("table, French", table, "blue", "serif", 13, "fr"),
    Kind("phone", phone, size_px=18, face="plain"),
    Kind("phone, dark, French", phone, "dark", size_px=16, language="fr"),
    Kind("phone, three times as fine", phone, "light", "sans", 48),
    Kind("headline and small print", headline, size_px=12),
    Kind("headline, dark", headline, "dark", "plain", 14),
    Kind("tilted by 3 degrees", dialogue, size_px=16, change="tilt", amount=3),
    Kind("tilted by -7 degrees", lines, "paper", "serif", 16, change="tilt", amount=-7),
    Kind("turned by 90 degrees", lines, "dark", change="turn", amount=90),
    Kind("turned by 180 degrees", dialogue, face="stix", size_px=18, change="turn", amount=180),
    Kind("turned by 270 degrees", table, "blue", change="turn", amount=270),
    Kind("phone, turned by 180 degrees", phone, "light", "plain", 18, "en", "turn", 180),
    Kind("photo, gentle", dialogue, "light", "sans", 18, "en", "photo", 0.6),
    Kind("photo", dialogue, "blue", "plain", 20, "en", "photo", 1.0),
    Kind("photo, French, dark", dialogue, "dark", "sans", 20, "fr", "photo", 1.0),
    Kind("photo of lines", lines, "light", "serif", 19, "en", "photo", 1.0),
    Kind("photo, hard", dialogue, "light", "sans", 20, "en", "photo", 1.6),
    Kind("JPEG of quality 25", dialogue, "light", "sans", 14, "en", "jpeg", 25),
    Kind("scaled down to 0.7", lines, "light", "sans", 16, "en", "scale", 0.7),
    Kind("4,000 px wide", lines, "light", "sans", 60),
    Kind("scaled up to 2.5", dialogue, "light", "sans", 12, "fr", "scale", 2.5),
)


def draw_kind(kind: Kind, random: np.random.Generator) -> tuple[Image.Image, list[str]]:
    """Return a picture of a kind, and its true rows."""
    page = kind.layout(Writer(kind, random))
    image = page.image
    if kind.change:
        image = CHANGES[kind.change](image, kind.amount, random)
    return image, page.true_rows()
