"""Converts HTML mails to text, with lxml's parser as a stream of tags.

No layout is computed, so that a text can only get shorter. The visible and the hidden text are returned separately;
only markup, scripts and style sheets are dropped from both. A converter that computes the layout turns a table of
100,000 characters into 80 million characters (decision 0008).
"""

import re
from collections.abc import Mapping
from html import unescape
from typing import NamedTuple

from lxml import etree

from shared.text.hiding import Hiding, type_shows

PAGE = re.compile(r"<(?:!doctype\s+html|html|body)\b[^<>]*>", re.IGNORECASE)
BREAKS = re.compile(r"<br ?/?>|</(?:p|div|td|tr|li|h[1-6])>", re.IGNORECASE)
STARTS = re.compile(r"<(?:p|div|span|table|ul|ol|br|b|a|font|center|h[1-6])(?: [^<>]*)?/?>", re.IGNORECASE)
TAG = re.compile(r"<[A-Za-z/!?][^<>]*>")
LINES = frozenset(
    ("address", "article", "center", "dd", "div", "dl", "dt", "footer", "form", "header", "hr", "li", "main", "tr")
)
TAGS = 10_000
"""Maximum number of tags for the parser, more than a mail written by a person has; the parser compares each end tag
with all open elements."""

PARAGRAPHS = frozenset(("blockquote", "h1", "h2", "h3", "h4", "h5", "h6", "ol", "p", "pre", "table", "ul"))
CELLS = frozenset(("td", "th"))
CODE = frozenset(("script", "style"))
HIDDEN = frozenset(("head", "template", "title"))
VOID = frozenset(
    ("area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "param", "source", "track", "wbr")
)
"""Elements without content, which may have no end tag."""

INLINE = frozenset(
    "a abbr acronym applet area article aside audio b base basefont bdi bdo big blink body button canvas caption"
    " cite code col colgroup data datalist del details dfn dialog dir em embed fieldset figcaption figure font"
    " frame frameset html i iframe img input ins kbd label legend link map mark marquee menu meta meter nav nobr"
    " noframes noscript object optgroup option output param picture progress q rp rt ruby s samp section select"
    " small source span strike strong sub summary sup svg tbody textarea tfoot thead time track tt u var video wbr".split()
)
"""Elements that do not end a line here."""

KNOWN = LINES | PARAGRAPHS | CELLS | CODE | HIDDEN | VOID | INLINE | {"!doctype", "!--", "![if", "![endif", "?xml"}
START = re.compile(r"<(?!/?[a-z][a-z0-9]*:[a-z])(/?(?:!--|!\[?[a-z]+|\?xml|[a-z][a-z0-9]*(?=[\s/>]))?)", re.IGNORECASE)
"""The start of a possible tag, except for tags with a prefix, such as Word's `<o:p>`."""

NEVER_SHOWN = [(re.compile("<!--"), re.compile("-->"))] + [
    (re.compile(rf"<{name}\b[^<>]*>", re.IGNORECASE), re.compile(rf"</{name}\b", re.IGNORECASE))
    for name in ("script", "style", "title", "textarea", "template")
]
"""The beginning and the end of elements whose content the parser never shows."""

MAY_HIDE = re.compile(r"<(?:!--|s[ct]|t[ie])", re.IGNORECASE)

QUOTE_MARK = "> "


def looks_like_html(text: str) -> bool:
    """Return whether a text is an HTML mail, and not a text that contains `<name>`, `a < b`, `<3` or quoted XML."""
    if ">" not in text or "<" not in text or (text.startswith("<?xml") and "<html" not in text[:1_000].lower()):
        return False
    if "</" in text and PAGE.search(text):
        return True
    if text.endswith(">") and STARTS.match(text):
        return True
    return len(BREAKS.findall(text)) > 1


class PageText(NamedTuple):
    """The visible and the hidden text of a page."""

    visible: str
    hidden: str = ""


def html_to_text(text: str) -> PageText:
    """Return the text of a mail; quoted mail is marked as in plain text.

    If the parser returns no text, as after a script that never ends, or if the mail has too many tags, only the tags
    are removed.
    """
    text = _without_strange_tags(text)
    found = _parsed(text) if text.count("<") <= TAGS else PageText("")
    return found if found.visible or found.hidden else PageText(_lines(unescape(TAG.sub(" ", text))))


def _parsed(text: str) -> PageText:
    reader = _Reader(Hiding.of(text))
    parser = etree.HTMLParser(target=reader, encoding="utf-8", huge_tree=True, remove_comments=True, remove_pis=True)
    try:
        parser.feed(_opened_up(text).encode())
        parser.close()
    except etree.LxmlError:
        return PageText("")
    return reader.text()


class _Reader:
    """Takes the parser's events and separates visible from hidden text.

    Args:
        hiding: Decides which elements are hidden.
    """

    def __init__(self, hiding: Hiding) -> None:
        self._hiding = hiding
        self._visible: list[str] = []
        self._hidden: list[str] = []
        self._open: list[tuple[str, bool, bool]] = []
        self._type_shows = True
        self._hiders = self._code = self._verbatim = self._depth = 0
        self._cited: list[bool] = []

    def start(self, tag: str, attributes: Mapping[str, str]) -> None:
        """Open an element."""
        if tag == "body":  # discard elements that were left open in the head
            self._open, self._hiders, self._code = [], 0, 0
            self._type_shows = True
        if tag not in VOID:
            shown = self._shows()
            hides = tag in HIDDEN or self._hiding.hides(attributes)
            self._open.append((tag, hides, self._type_shows))
            self._hiders += hides
            self._type_shows = type_shows(attributes, self._type_shows)
            if shown and not self._shows():
                self._hidden.append("\n")
        self._code += tag in CODE
        self._verbatim += tag == "pre"
        if tag == "blockquote":
            self._cited.append(attributes.get("type") == "cite" or "quote" in attributes.get("class", ""))
            self._depth += self._cited[-1]
        self._break(tag)

    def end(self, tag: str) -> None:
        """Close an element and the elements that were left open in it."""
        self._code = max(0, self._code - (tag in CODE))
        self._verbatim = max(0, self._verbatim - (tag == "pre"))
        if tag == "blockquote" and self._cited:
            self._depth -= self._cited.pop()
        if tag != "br":
            self._break(tag)
        if any(name == tag for name, _, _ in reversed(self._open)):
            name = ""
            while name != tag:
                name, hides, self._type_shows = self._open.pop()
                self._hiders -= hides

    def data(self, data: str) -> None:
        """Keep text, with runs of blanks reduced to one."""
        if self._code:
            return
        if self._verbatim:
            self._parts().append(data.replace("\n", self._line()))
        else:
            folded = " ".join(data.split())
            self._parts().append(" " * data[:1].isspace() + folded + " " * (bool(folded) and data[-1:].isspace()))

    def close(self) -> None:
        """Do nothing; the parser requires this method."""

    def text(self) -> PageText:
        """Return the visible and the hidden text."""
        return PageText(_lines("".join(self._visible)), _lines("".join(self._hidden)))

    def _shows(self) -> bool:
        return self._type_shows and not self._hiders

    def _parts(self) -> list[str]:
        return self._visible if self._shows() else self._hidden

    def _break(self, tag: str) -> None:
        parts = self._parts()
        if tag in CELLS:
            parts.append(" ")
        elif tag in PARAGRAPHS:
            parts += ("\n", self._line())
        elif tag == "br" or (tag in LINES and parts and not parts[-1].startswith("\n")):
            parts.append(self._line())

    def _line(self) -> str:
        return "\n" + QUOTE_MARK * (self._depth > 0)


def _without_strange_tags(text: str) -> str:
    """Replace each `<` that does not begin an HTML tag by an entity: people write `<name>` and `a < b`."""
    strange = {found for found in set(START.findall(text)) if found.lower().lstrip("/") not in KNOWN}
    if not strange:
        return text
    return START.sub(lambda found: f"&lt;{found[1]}" if found[1] in strange else found[0], text)


def _opened_up(text: str) -> str:
    """Remove the start of a comment, script or style sheet that never ends, so that the text after it is not lost."""
    for opening, end in NEVER_SHOWN if MAY_HIDE.search(text) else ():
        last = max((found.end() for found in end.finditer(text)), default=0)
        text = text[:last] + opening.sub("", text[last:])
    return text


def _lines(text: str) -> str:
    """Return the lines without blanks around them, and with at most one empty line between two."""
    kept: list[str] = []
    for line in (each.strip() for each in text.split("\n")):
        if line.strip("> ") or (kept and kept[-1]):
            kept.append(line if line.strip("> ") else "")
    return "\n".join(kept).strip()
