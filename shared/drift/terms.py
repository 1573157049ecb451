"""The characteristic words of a text, from which the names of spikes are made."""

import re
from collections import Counter

from shared.text.stop_words import STOP_WORDS

TEXT_LIMIT_CHARS = 5_000
"""Words are taken from the beginning of a text: what a message is about stands there."""

WORD_LIMIT_CHARS = 30
"""A longer word is an address, a key or an id."""

_MASK = re.compile(r"\[[A-Z][A-Z_ ]*\]")
_ADDRESS = re.compile(r"(?:https?://|www\.)\S+|\S+@\S+")
_UNSPACED = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\u0e00-\u0e7f\u0e80-\u0eff\u1780-\u17ff"
_WORD = re.compile(rf"[{_UNSPACED}]+|[^\W_{_UNSPACED}]+(?:[.'-][^\W_{_UNSPACED}]+)*")
_RUN = re.compile(rf"[{_UNSPACED}]+")
_NUMBER = re.compile(r"\d[\d.'-]*")
_VERSION = re.compile(r"\d{1,3}(?:\.\d{1,3}){1,2}|\d{3}")
"""A version, such as `5.2`, or a code of three digits, such as an HTTP status; other numbers are amounts, dates and ids."""


def characteristic_terms(text: str, count: int) -> tuple[str, ...]:
    """Return up to `count` words of a masked text in lower case: the most frequent first, then the earliest.

    Stop words, masks, addresses and numbers that may identify something are left out. Scripts without spaces between
    words give pairs of characters.
    """
    plain = _ADDRESS.sub(" ", _MASK.sub(" ", text[:TEXT_LIMIT_CHARS])).casefold().replace("\u2019", "'")
    counts = Counter(term for word in _WORD.findall(plain) for term in _terms(word))
    return tuple(term for term, _ in counts.most_common(count))


def _terms(word: str) -> list[str]:
    if _RUN.fullmatch(word):
        return [word[at : at + 2] for at in range(len(word) - 1)]
    if word in STOP_WORDS or not 1 < len(word) <= WORD_LIMIT_CHARS:
        return []
    if _NUMBER.fullmatch(word) and not _VERSION.fullmatch(word):
        return []
    return [word]
