"""No text of a customer is lost: every word that is not masked is in the kept text, whatever is cut.

A green run does not prove that the embedded part is the best part of a message.
"""

import html
import re

from hypothesis import given, settings
from hypothesis import strategies as st

from shared.text.preparation import Preparation, Preparer
from tests.unit.test_cuts import (
    CLOSED_ABOVE,
    DIVIDED,
    FORWARDED,
    INTRODUCED,
    OWN_HEADERS,
    QUOTED_HEADERS,
    QUOTED_SENTENCES,
    SIGNED,
)

PREPARER = Preparer(Preparation(version=3))
MANY = settings(max_examples=400, deadline=None)
WORD = re.compile(r"[^\W_]+")
TAGS = re.compile(r"<[^<>]*>")
FRAMES = (
    "<p>{}</p>",
    "<div>{}</div>",
    "<blockquote type=cite>{}</blockquote>",
    "<div style='{style}'>{}</div>",
    "<table><tr><td>{}</td></tr></table>",
    "<div hidden>{}</div>",
    "{}<br>",
)
HIDING = ("display:none", "visibility:hidden", "font-size:0", "mso-hide:all")
PERSONAL = (
    "call +1 (212) - 555 - 0123",
    "cell630-596-1111",
    "https://x.example/u?e=jo%40example.com",
    "jo@example.com",
)

words = st.text("abcdefghijklmnopqrstuvwxyzäéßж", min_size=1, max_size=9)
sentences = st.lists(words, min_size=1, max_size=8).map(" ".join)
kinds = st.sampled_from(
    [
        *FORWARDED,
        *OWN_HEADERS,
        *QUOTED_HEADERS,
        *INTRODUCED,
        *DIVIDED,
        *CLOSED_ABOVE,
        *QUOTED_SENTENCES,
        *SIGNED,
        *PERSONAL,
    ]
)
marked = st.lists(sentences, min_size=1, max_size=5).map(lambda lines: "\n".join(f"> {line}" for line in lines))
rules = st.sampled_from(["--", "-- ", "---", "___", "Thanks", "LG", "Best regards,", "Hello,", ""])
pieces = st.one_of(sentences, kinds, marked, rules)
messages = st.lists(pieces, min_size=1, max_size=7).flatmap(
    lambda parts: st.sampled_from(["\n", "\n\n", "\r\n"]).map(lambda gap: gap.join(parts))
)


@st.composite
def pages(draw: st.DrawFn) -> str:
    """Draw a mail in HTML whose parts are shown, quoted or hidden."""
    blocks = []
    for part in draw(st.lists(pieces, min_size=1, max_size=6)):
        text = html.escape(part).replace("\n", "<br>")
        frame = draw(st.sampled_from(FRAMES))
        blocks.append(frame.format(text, style=draw(st.sampled_from(HIDING))))
    return f"<html><body>{''.join(blocks)}</body></html>"


def words_of(text: str) -> set[str]:
    return set(WORD.findall(text))


def lost(message: str, shown: str) -> set[str]:
    """Return the words that are neither kept nor part of the masked text."""
    prepared = PREPARER.message(message)
    missing = words_of(shown) - words_of(prepared.kept)
    return {word for word in missing if not any(word in personal for personal in MASKED)}


MASKED = (*PERSONAL, *(found for text in (*FORWARDED, *QUOTED_HEADERS, *INTRODUCED, *SIGNED) for found in
                       re.findall(r"\S+@\S+|\+1 212 555 0123", text)))  # fmt: skip


@MANY
@given(messages)
def test_every_word_of_a_message_is_kept(message: str) -> None:
    assert lost(message, message) == set()


@MANY
@given(pages())
def test_every_word_of_a_page_is_kept(page: str) -> None:
    shown = html.unescape(TAGS.sub(" ", page))
    assert lost(page, shown) == set()


@MANY
@given(messages)
def test_the_embedded_text_is_part_of_the_kept_text_and_the_cut_pieces_are_the_rest(message: str) -> None:
    prepared = PREPARER.message(message)
    lines = {line.strip() for line in prepared.kept.split("\n")}
    assert {line.strip() for line in prepared.embedded.split("\n")} <= lines
    rest = words_of(prepared.embedded).union(*(words_of(piece.text) for piece in prepared.cut))
    assert rest == words_of(prepared.kept)
    assert prepared.embedded.strip() or not prepared.kept.strip()
