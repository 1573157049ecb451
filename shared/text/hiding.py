"""Finds hidden elements of an HTML mail: by their attributes, their style, or a rule of the mail's style sheets."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

NOTHING = r"0(?:\.0*)?(?:px|pt|em|rem|%|in|cm|mm)?"
FAR = r"(?:[5-9]\d\d|\d{4,})(?:px|pt|em)"
HIDES = re.compile(
    rf"(?:^|[;{{])(?:display:none|visibility:(?:hidden|collapse)|mso-hide:all|opacity:0(?:\.0*)?|color:transparent"
    rf"|text-indent:-{FAR}|(?:left|top|right):-{FAR}"
    rf"|margin(?:-left|-top):-\d{{4,}}(?:px|pt|em)|clip:rect\((?:0(?:px)?[, ]?){{4}}\)|transform:scale\(0\))(?=[;}}]|$)"
)
"""A declaration, with blanks removed, that makes an element invisible."""

TYPE_SIZE = re.compile(rf"(?:^|[;{{])font-size:(?:({NOTHING}|\.\d+px|1px)|[^;}}]+)(?=[;}}]|$)")
"""The font size of an element. The group matches a size that makes text invisible, unless an inner element sets another
size."""

NO_ROOM = re.compile(rf"(?:^|[;{{])(?:max-)?(?:height|width):{NOTHING}(?=[;}}]|$)")
CUT_OFF = re.compile(r"(?:^|[;{])overflow(?:-[xy])?:hidden(?=[;}]|$)")
"""An element of zero size is still visible, unless its overflow is hidden."""

BLANKS = re.compile(r"\s+|!important|/\*.{0,500}?\*/", re.DOTALL)
SHEET_ENDS = re.compile(r"<(/?)style\b[^<>]*>", re.IGNORECASE)
PRINTED = re.compile(r"media=[\"']?print\b", re.IGNORECASE)
SELECTOR = re.compile(r"[a-z0-9]*([.#])([\w-]+)", re.IGNORECASE)
SHEET_CHARS = 50_000
"""Number of characters of a mail's style sheets that are read; real style sheets have a few thousand."""

STYLE_CHARS = 2_000


@dataclass(frozen=True, slots=True)
class Hiding:
    """The style sheet rules that hide elements in one mail.

    Attributes:
        classes: Classes that a style sheet hides.
        ids: Ids that a style sheet hides.
    """

    classes: frozenset[str] = frozenset()
    ids: frozenset[str] = frozenset()

    @classmethod
    def of(cls, page: str) -> "Hiding":
        """Read the style sheets of a page; rules that apply only to some screens are ignored."""
        if "<style" not in page and "<STYLE" not in page:
            return cls()
        sheets = _sheets(page)[:SHEET_CHARS].replace("<!--", "").replace("-->", "")
        names: dict[str, set[str]] = {".": set(), "#": set()}
        for selectors, declarations in _rules(BLANKS.sub(" ", sheets)):
            hides, displays = hides_by_style(declarations), "display" in declarations
            for found in map(SELECTOR.fullmatch, map(str.strip, selectors.split(","))):
                if found and hides:
                    names[found[1]].add(found[2])
                elif found and displays:
                    names[found[1]].discard(found[2])
        return cls(frozenset(names["."]), frozenset(names["#"]))

    def hides(self, attributes: Mapping[str, str]) -> bool:
        """Return whether an element with these attributes is hidden."""
        if not attributes:
            return False
        if "display" in attributes.get("style", "") and not hides_by_style(attributes["style"]):
            return False
        return (
            "hidden" in attributes
            or (self.classes and not self.classes.isdisjoint(attributes.get("class", "").split()))
            or attributes.get("id") in self.ids
            or ("style" in attributes and hides_by_style(attributes["style"]))
        )


def type_shows(attributes: Mapping[str, str], inherited: bool) -> bool:
    """Return whether an element's text is visible by its font size, its own or else that of the element around it."""
    style = attributes.get("style", "")
    if "font-size" not in style:
        return inherited
    found = TYPE_SIZE.search(BLANKS.sub("", style[:STYLE_CHARS].lower()))
    return inherited if found is None else found[1] is None


def hides_by_style(style: str) -> bool:
    """Return whether declarations, as in a `style` attribute, make an element invisible."""
    if ":" not in style:
        return False
    written = BLANKS.sub("", style[:STYLE_CHARS].lower())
    return HIDES.search(written) is not None or (
        NO_ROOM.search(written) is not None and CUT_OFF.search(written) is not None
    )


def _sheets(page: str) -> str:
    """Return the style sheets of a page, concatenated."""
    found: list[str] = []
    start: int | None = None
    for tag in SHEET_ENDS.finditer(page):
        if tag[1] and start is not None:
            found.append(page[start : tag.start()])
            start = None
        elif not tag[1] and start is None and not PRINTED.search(tag[0]):
            start = tag.end()
    return "".join(found)


def _rules(sheet: str) -> list[tuple[str, str]]:
    """Return selectors and declarations; the content of at-rules such as `@media` is left out."""
    rules: list[tuple[str, str]] = []
    selectors, start, depth = "", 0, 0
    for found in re.finditer(r"[{}]", sheet):
        if found[0] == "{":
            if depth == 0:
                selectors = sheet[start : found.start()].rpartition(";")[2].strip()
            start = found.end() if depth == 0 else start
            depth += 1
        else:
            depth -= depth > 0
            if depth == 0:
                if not selectors.startswith("@"):
                    rules.append((selectors, sheet[start : found.start()]))
                start = found.end()
    return rules
