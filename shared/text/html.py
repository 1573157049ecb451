"""HTML mail to text, by lxml's parser as a stream of tags: no layout, so that the text only gets shorter.

A parser that lays pages out makes 80 million characters of a table of 100,000 (decision 0008).
"""

import re
from collections.abc import Mapping
from html import unescape

from lxml import etree

PAGE = re.compile(r"<(?:!doctype\s+html|html|body)\b[^<>]*>", re.IGNORECASE)
BREAKS = re.compile(r"<br ?/?>|</(?:p|div|td|tr|li|h[1-6])>", re.IGNORECASE)
STARTS = re.compile(r"<(?:p|div|span|table|ul|ol|br|b|a|font|center|h[1-6])(?: [^<>]*)?/?>", re.IGNORECASE)
TAG = re.compile(r"<[A-Za-z/!?][^<>]*>")
LINES = frozenset(
    ("address", "article", "center", "dd", "div", "dl", "dt", "footer", "form", "header", "hr", "li", "main", "tr")
)
TAGS = 10_000
"""More tags than a mail of people has; the parser compares each end tag with all that is open."""

PARAGRAPHS = frozenset(("blockquote", "h1", "h2", "h3", "h4", "h5", "h6", "ol", "p", "pre", "table", "ul"))
HIDDEN = frozenset(("head", "script", "style", "template", "title"))
CELLS = frozenset(("td", "th"))
QUOTE_MARK = "> "


def looks_like_html(text: str) -> bool:
    """Tell a mail in HTML from a text that speaks of `<name>`, `a < b` or `<3`, or quotes a little XML."""
    if ">" not in text or "<" not in text or (text.startswith("<?xml") and "<html" not in text[:1_000].lower()):
        return False
    if "</" in text and PAGE.search(text):
        return True
    if text.endswith(">") and STARTS.match(text):
        return True
    return len(BREAKS.findall(text)) > 1


def html_to_text(text: str) -> str:
    """Return what a reader of the mail sees; quoted mail is marked as in plain text.

    Where the parser keeps nothing, as after a script that never ends, and where there are too many tags for it, only the
    tags are taken out.
    """
    found = _parsed(text) if text.count("<") <= TAGS else ""
    return found or _lines(unescape(TAG.sub(" ", text)))


def _parsed(text: str) -> str:
    reader = _Reader()
    parser = etree.HTMLParser(target=reader, encoding="utf-8", huge_tree=True, remove_comments=True, remove_pis=True)
    try:
        parser.feed(_without_open_comment(text).encode())
        parser.close()
    except etree.LxmlError:
        return ""
    return reader.text()


class _Reader:
    """Takes the parser's events and keeps what shows."""

    def __init__(self) -> None:
        self._parts: list[str] = []
        self._hidden = 0
        self._cited: list[bool] = []
        self._depth = 0
        self._verbatim = 0

    def start(self, tag: str, attributes: Mapping[str, str]) -> None:
        """Open an element."""
        self._hidden += tag in HIDDEN
        self._verbatim += tag == "pre"
        if tag == "blockquote":
            self._cited.append(attributes.get("type") == "cite" or "quote" in attributes.get("class", ""))
            self._depth += self._cited[-1]
        if tag == "body":  # whatever was left open in the head
            self._hidden = 0
        self._break(tag)

    def end(self, tag: str) -> None:
        """Close an element."""
        self._hidden = max(0, self._hidden - (tag in HIDDEN))
        self._verbatim = max(0, self._verbatim - (tag == "pre"))
        if tag == "blockquote" and self._cited:
            self._depth -= self._cited.pop()
        if tag != "br":
            self._break(tag)

    def data(self, data: str) -> None:
        """Keep text, its blanks folded."""
        if self._hidden:
            return
        if self._verbatim:
            self._parts.append(data.replace("\n", self._line()))
        else:
            folded = " ".join(data.split())
            self._parts.append(" " * data[:1].isspace() + folded + " " * (bool(folded) and data[-1:].isspace()))

    def close(self) -> None:
        """Do nothing: the parser wants it."""

    def text(self) -> str:
        """Return what was kept."""
        return _lines("".join(self._parts))

    def _break(self, tag: str) -> None:
        if tag in CELLS:
            self._parts.append(" ")
        elif tag in PARAGRAPHS:
            self._parts += ("\n", self._line())
        elif tag == "br" or (tag in LINES and self._parts and not self._parts[-1].startswith("\n")):
            self._parts.append(self._line())

    def _line(self) -> str:
        return "\n" + QUOTE_MARK * (self._depth > 0)


def _without_open_comment(text: str) -> str:
    """Open up a comment that never ends, so that the rest of the mail is not lost with it."""
    last = text.rfind("-->")
    return text[: last + 1] + text[last + 1 :].replace("<!--", "")


def _lines(text: str) -> str:
    """Return the lines without blanks around them, and at most one empty line between two."""
    kept: list[str] = []
    for line in (each.strip() for each in text.split("\n")):
        if line.strip("> ") or (kept and kept[-1]):
            kept.append(line if line.strip("> ") else "")
    return "\n".join(kept).strip()
