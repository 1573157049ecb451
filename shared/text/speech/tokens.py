"""Cuts a transcript into tokens, each with the part that it may play in a number or an address.

It knows nothing of what is masked.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

from shared.text.ordinary import ordinary
from shared.text.shadow import shadow_of
from shared.text.speech.words import ASIDES, BOTH, BOTH_BUT_CENTS, HESITATIONS, LIKE, SHORT_WAITS, Words


class Kind(IntEnum):
    """The part of a token: numbers first, then what may be between them, then everything else."""

    DIGIT = 0
    TEEN = 1
    TENS = 2
    HUNDRED = 3
    THOUSAND = 4
    TIMES = 5
    FIGURES = 6
    REPEAT = 7
    PLUS = 8
    FILLER = 9
    PAUSE = 10
    HYPHEN = 11
    LETTER = 12
    WORD = 13
    SIGN = 14
    MASK = 15
    BREAK = 16


NUMBERS = frozenset((Kind.DIGIT, Kind.TEEN, Kind.TENS, Kind.HUNDRED, Kind.THOUSAND, Kind.TIMES, Kind.FIGURES))
PAUSES = ",.;:!?…()"
HYPHENS = "-–‑—"


@dataclass(slots=True)
class Token:
    """A word, a run of figures or a sign.

    Attributes:
        start: Position of its first character in the joined transcript.
        end: Position after its last character.
        text: The word in lower case.
        kind: Its part.
        value: The number of a number word, the figures, or the character that is spelled.
        glued: Whether it touches the token before it.
        upper: Whether it is written in capitals.
    """

    start: int
    end: int
    text: str
    kind: Kind
    value: str
    glued: bool
    upper: bool


TOKEN = re.compile(
    r"\[(?:mail|phone|iban|card)\]|\d+|(?:[cdjlmnst]|qu)['’](?=\w)|[^\W\d_]+(?:['’](?:s|re|ll|m|d|ve|t)(?!\w))?|[^\w\s]|_"
)
ASIDE = "aside"
"""The value of a pause that is a remark about how an address is written."""

NAMED = re.compile(r"[^\W\d][^\d]*[ :#](?:[a-z]{2})?\d{1,4}(?:,? (?:and|et) \d{1,4})?")
"""A span that consists of a word for a thing and of up to four figures, which may be the first of more."""

BREAK = Token(0, 0, "", Kind.BREAK, "", glued=False, upper=False)
"""Stands between tokens that belong to no common number."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of the transcript in one language: where it begins and ends in the joined transcript."""

    start: int
    end: int
    language: str | None


def tokens_of(joined: str, pieces: Sequence[Piece]) -> list[list[Token]]:
    """Return the tokens of each piece of a joined transcript."""
    small = _small(joined)
    excluded = _excluded(small)
    at = 0
    result = []
    for piece in pieces:
        tokens = _read(joined, small, piece)
        for token in tokens:
            if token.kind is Kind.FIGURES:
                while at < len(excluded) and excluded[at][1] <= token.start:
                    at += 1
                if at < len(excluded) and excluded[at][0] < token.end:
                    token.kind = Kind.SIGN
        _refine(tokens)
        result.append(tokens)
    return result


def _small(text: str) -> str:
    """Return the lower-case shadow of a text, of equal length."""
    shadow = shadow_of(text).replace("’", "'")
    small = shadow.lower()
    if len(small) != len(shadow):  # some capital letters become two lower-case characters
        small = "".join(each if len(each) == 1 else "x" for each in map(str.lower, shadow))
    return small


def _excluded(small: str) -> list[tuple[int, int]]:
    """Return the spans of written dates, times, amounts and ids, whose figures are no part of a spoken number.

    Figures after a word such as `order` are not among them: `order 4 4 1 1` has only its first one in such a span.
    """
    if not re.search(r"\d", small):
        return []
    return [span for span in ordinary(small, 0, len(small)) if not NAMED.fullmatch(small, *span)]


def _read(joined: str, small: str, piece: Piece) -> list[Token]:
    is_english = (piece.language or "").partition("-")[0].lower() == "en"
    lookup = KNOWN_IN_ENGLISH if is_english else KNOWN
    tokens = []
    last = -1
    for found in TOKEN.finditer(small, piece.start, piece.end):
        start, end = found.span()
        text = found[0]
        kind, value = lookup.get(text) or _unlisted(text)
        upper = kind is not Kind.SIGN and joined[start].isupper() and joined[end - 1].isupper()
        tokens.append(Token(start, end, text, kind, value, start == last, upper))
        last = end
    return tokens


def _lookup(words: Words) -> dict[str, tuple[Kind, str]]:
    """Return the kinds and values of the words of a language; a number word is that, whatever else it may be."""
    known = dict.fromkeys(words.fillers, (Kind.FILLER, ""))
    known |= dict.fromkeys(words.repeats, (Kind.REPEAT, ""))
    known |= dict.fromkeys(words.hundreds, (Kind.HUNDRED, "100"))
    known |= dict.fromkeys(words.thousands, (Kind.THOUSAND, "1000"))
    known |= {text: (Kind.TIMES, count) for text, count in words.times.items()}
    known |= {text: (Kind.TENS, value) for text, value in words.tens.items()}
    known |= {text: (Kind.TEEN, value) for text, value in words.teens.items()}
    known |= {text: (Kind.DIGIT, value) for text, value in words.digits.items()}
    known |= {"plus": (Kind.PLUS, ""), "+": (Kind.PLUS, "")}
    known |= dict.fromkeys(PAUSES, (Kind.PAUSE, ""))
    known |= dict.fromkeys(HYPHENS, (Kind.HYPHEN, ""))
    return known


KNOWN, KNOWN_IN_ENGLISH = _lookup(BOTH), _lookup(BOTH_BUT_CENTS)


def _unlisted(text: str) -> tuple[Kind, str]:
    if text[0].isdecimal():
        return Kind.FIGURES, text
    if text[0] == "[" and len(text) > 1:
        return Kind.MASK, ""
    if text[0].isalpha():
        return (Kind.LETTER, text) if len(text) == 1 else (Kind.WORD, "")
    return Kind.SIGN, ""


def _refine(tokens: list[Token]) -> None:
    """Decide the kinds that depend on the next words: `one moment`, `b as in bravo`, `double u`, a piece of fillers."""
    last = len(tokens) - 1
    for at, token in enumerate(tokens):
        if at < last and token.value == "1" and token.kind is Kind.DIGIT and tokens[at + 1].text in SHORT_WAITS:
            token.kind = tokens[at + 1].kind = Kind.FILLER
        elif token.text == "one" and 0 < at < last and tokens[at - 1].kind is Kind.WORD and tokens[at + 1].text in BE:
            token.kind = Kind.FILLER
        for phrase in ASIDES if token.text in FIRST_ASIDES else ():
            if tuple(each.text for each in tokens[at : at + len(phrase)]) == phrase:
                for each in tokens[at : at + len(phrase)]:
                    each.kind, each.value = Kind.PAUSE, ASIDE
        if at < last and _is_count(tokens, at):
            token.kind = Kind.WORD
        if token.kind is Kind.REPEAT and (at == last or tokens[at + 1].kind not in NUMBERS):  # `deux fois, donc ...`
            token.kind = Kind.WORD
        words = tuple(each.text for each in tokens[at : at + 3])
        for phrase, sign in SIGN_PHRASES.items():
            if words[: len(phrase)] == phrase:
                token.text = sign
                for each in tokens[at + 1 : at + len(phrase)]:
                    each.kind, each.text = Kind.PAUSE, ","
        if len(token.text) == 1 and token.text.isalpha():
            _spelled(tokens, at)
        elif at < last and (token.text, tokens[at + 1].text) in DOUBLE_NAMES:
            token.kind, token.value = Kind.FILLER, ""
            tokens[at + 1].kind = Kind.LETTER
            tokens[at + 1].value = DOUBLE_NAMES[token.text, tokens[at + 1].text]
        elif token.text in LETTER_NAMES and at and tokens[at - 1].kind is Kind.LETTER:
            token.kind, token.value = Kind.LETTER, LETTER_NAMES[token.text]
    if tokens and all(token.kind in (Kind.FILLER, Kind.PAUSE, Kind.HYPHEN) for token in tokens):
        for token in tokens:
            token.kind = Kind.PAUSE


FIRST_ASIDES = frozenset(phrase[0] for phrase in ASIDES)
DOUBLE_NAMES = {("double", "u"): "w", ("double", "v"): "w", ("i", "grec"): "y"}
LETTER_NAMES = {"zed": "z", "zee": "z", "zède": "z", "aitch": "h", "ygrec": "y"}


BE = frozenset(("is", "was"))
"""Words after the pronoun `one`, as in `the new one is five ...`."""

COUNT_MARKS = frozenset(("first", "last", "next", "final", "other"))
COUNTED = frozenset(("are", "is", "were", "digits", "numbers"))
COUNTED_AFTER = frozenset(("premiers", "derniers", "premières", "dernières", "chiffres", "suivants", "autres"))
SIGN_PHRASES = {
    ("full", "stop"): "dot",
    ("trait", "d'", "union"): "hyphen",
    ("at", "symbol"): "@",
    ("at", "the", "rate"): "@",
    ("a", "rond"): "@",
}
"""Names of signs that consist of several words, each with one word for the same."""

WITH = frozenset(("with", "avec"))
COUNTS = frozenset(("a", "an", "one", "two", "un", "une", "deux", "double"))


def _is_count(tokens: Sequence[Token], at: int) -> bool:
    """Return whether a number counts digits, as in `the last four are` or `les quatre derniers`."""
    if tokens[at].kind not in NUMBERS:
        return False
    after = tokens[at + 1].text
    return after in COUNTED_AFTER or (after in COUNTED and tokens[at - 1].text in COUNT_MARKS)


def _spelled(tokens: list[Token], at: int) -> None:
    """Turn the words around a character that explain it into pauses: `b as in bravo`, `durand avec un d`."""
    if at > 1 and tokens[at - 2].text in WITH and tokens[at - 1].text in COUNTS:
        for token in tokens[at - 2 : at + 1]:
            token.kind, token.value = Kind.PAUSE, ASIDE
        return
    rest = [token.text for token in tokens[at + 1 : at + 4]]
    if rest[:2] == ["as", "in"] and len(rest) == 3:
        words = 3
    elif len(rest) > 1 and rest[0] in LIKE and rest[1].isalpha() and rest[1][0] == tokens[at].text:
        words = 2
    else:
        return
    for token in tokens[at + 1 : at + 1 + words]:
        token.kind = Kind.PAUSE
    tokens[at].kind, tokens[at].value = Kind.LETTER, tokens[at].text


def is_hesitation(token: Token) -> bool:
    """Return whether a token says nothing: a comma, a pause, `uh`."""
    return token.kind is Kind.PAUSE or token.text in HESITATIONS
