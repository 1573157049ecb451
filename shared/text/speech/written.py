"""Decides what stays of what the rules of written texts find in a transcript.

Those rules read one segment without the words around it. In a call, the question `What's your order number?` is in
another segment than its answer, and `look at example dot com` names a site.
"""

import re
from collections.abc import Sequence

from shared.text.shadow import MAIL, PHONE
from shared.text.speech.cues import LOOK_BACK, NEAR, Cue, code_start, cue_before
from shared.text.speech.tokens import Kind, Token
from shared.text.speech.words import NOT_LOCAL, PHONE_CUES

DIALLED = re.compile(r"[+(]|00|0\d([ ./-]?)\d\d(?:\1\d\d){3}(?!\d)")
"""What only phone numbers begin with, and a French number as it is written."""

PAGE_TOKENS = 20
"""The number of tokens of an address after which `slash` is looked for."""

PROSE = re.compile(r"(?P<word>[^\W\d_]+) at [^@()\[\]{}]+")
"""A word before `at` and a domain, without the signs of an address."""


def stays(tokens: Sequence[Token], at: int, text: str, kind: str) -> bool:
    """Return whether something that the written rules would mask is no personal data.

    Args:
        tokens: All tokens of the transcript.
        at: Index of its first token.
        text: What would be masked.
        kind: The mask.
    """
    if kind == MAIL:
        found = PROSE.fullmatch(text)
        return found is not None and (found["word"].lower() in NOT_LOCAL or _is_page(tokens, at, text))
    return kind == PHONE and not DIALLED.match(text) and _is_of_a_thing(tokens, at, text)


def _is_of_a_thing(tokens: Sequence[Token], at: int, text: str) -> bool:
    """Return whether a number is that of an order or the like: `order number` is said, or a code begins before it."""
    is_code = code_start(tokens, at) != at
    if text.startswith("0") and not is_code:
        return False
    look_back = LOOK_BACK if is_code else NEAR
    if any(token.text in PHONE_CUES for token in _before(tokens, at, look_back)):
        return False
    return cue_before(tokens, at, look_back) is Cue.NUMBER


def _is_page(tokens: Sequence[Token], at: int, text: str) -> bool:
    """Return whether `at` stands before a page: `www` is said first, or `slash` after it."""
    end = tokens[at].start + len(text)
    after = next((token for token in tokens[at : at + PAGE_TOKENS] if token.start >= end), None)
    return " at www " in text or (after is not None and after.text in ("slash", "/"))


def _before(tokens: Sequence[Token], at: int, look_back: int) -> Sequence[Token]:
    """Return the tokens in which the word for a thing is looked for, and as many before it."""
    before = tokens[max(0, at - 2 * look_back) : at]
    last = max((index for index, token in enumerate(before) if token.kind in (Kind.MASK, Kind.BREAK)), default=-1)
    return before[last + 1 :]
