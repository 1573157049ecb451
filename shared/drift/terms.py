"""The characteristic words of a text, from which the names of spikes are made."""

import re
from collections import Counter
from collections.abc import Iterator

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
_DIGIT = re.compile(r"\d")
_VERSION = re.compile(r"v?\d{1,2}(?:\.\d{1,3}){1,2}|\d{3}")
"""A version, such as `5.2`, or a code of three digits, such as an HTTP status; other numbers are amounts, dates and ids."""

_DATE = re.compile(r"\d{1,2}\.(?:0?[1-9]|1[0-2])\.\d{2}")
_CODE = re.compile(r"[a-z]{3,5}-\d{2,4}")
"""A code of an error, such as `PAY-4031`; too short to be an account, a card or a phone number."""

NEXT_TO_CHARS, NOWHERE = 4, -100
"""Numbers with at most this number of characters and no word between them may be parts of one, such as a card or
a phone number."""


def characteristic_terms(text: str, count: int) -> tuple[str, ...]:
    """Return up to `count` words of a masked text in lower case: the most frequent first, then the earliest.

    Stop words, masks and addresses are left out, and so are words with a digit that are no version and no short code,
    because they may identify somebody. Scripts without spaces between words give pairs of characters.
    """
    plain = _ADDRESS.sub(" ", _MASK.sub(" ", text[:TEXT_LIMIT_CHARS])).casefold().replace("\u2019", "'")
    counts = Counter(term for word in _words(plain) for term in _terms(word))
    return tuple(term for term, _ in counts.most_common(count))


def _words(text: str) -> Iterator[str]:
    """Yield the words of a text, without numbers that stand next to another one."""
    after_number = NOWHERE
    waiting: re.Match[str] | None = None
    for found in _WORD.finditer(text):
        if not _DIGIT.search(found[0]):
            if waiting is not None:
                yield waiting[0]
            waiting, after_number = None, NOWHERE
            yield found[0]
            continue
        is_apart = found.start() - after_number > NEXT_TO_CHARS
        if waiting is not None and is_apart:
            yield waiting[0]
        waiting, after_number = (found if is_apart else None), found.end()
        if _CODE.fullmatch(found[0]):
            waiting = None
            yield found[0]
    if waiting is not None:
        yield waiting[0]


def _terms(word: str) -> list[str]:
    if _RUN.fullmatch(word):
        return [word[at : at + 2] for at in range(len(word) - 1)]
    if word in STOP_WORDS or not 1 < len(word) <= WORD_LIMIT_CHARS:
        return []
    if _DIGIT.search(word) and (_DATE.fullmatch(word) or not (_VERSION.fullmatch(word) or _CODE.fullmatch(word))):
        return []
    return [word]
