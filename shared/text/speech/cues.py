"""Finds the word before a number that shows what it is: `call me at`, `my order number is`, `card`."""

import re
from collections.abc import Sequence
from enum import Enum

from shared.text.ordinary import THINGS
from shared.text.speech.tokens import NUMBERS, Kind, Token
from shared.text.speech.words import (
    CARD_CUES,
    IBAN_CUES,
    MAIL_CUES,
    MORE_THINGS,
    NEUTRAL,
    NUMBER_CUES,
    PHONE_CUES,
    STRICT_THINGS,
    SURE_THINGS,
)

LOOK_BACK = 14
"""The number of words before a number among which the one that shows what it is is looked for."""

NEAR = 6
"""The same for a number that is written in one group of figures, which is rarely a part of what is dictated."""

LOOK_AHEAD = 4
"""The number of words after an address among which `email` is looked for, as in `is my email`."""

THING = re.compile(rf"(?:{THINGS})s?")
COPULAS = frozenset(("is", "est", "was", "le", "the", "c'", "la"))
LISTS = frozenset(("numbers", "numéros"))
MEASURES = frozenset(("minus", "moins", "euros", "euro", "dollars", "pounds", "francs"))
OF = frozenset(("de", "d'", "du"))
FILED = frozenset(("account", "file", "profile", "record", "compte", "dossier", "fiche", "profil"))
ON = frozenset(("on", "sur", "dans"))
"""`ON` and one of `FILED` say where a phone number is kept, as in `the number on my account`."""

PLACED = 5
"""The number of words, from `on` to `is`, that say where the number of a thing is written."""

IDS = frozenset(("id", "ids", "code", "no", "ref", "reference", "référence", "confirmation"))
IS = frozenset(("is", "est", "was", "c'", "it's"))


class Cue(Enum):
    """What the words before a number announce: a thing that has one, such as an order, or outright its number."""

    NOTHING = "nothing"
    THING = "thing"
    NUMBER = "number"
    PHONE = "phone"
    CARD = "card"
    IBAN = "iban"


THING_CUES = frozenset((Cue.THING, Cue.NUMBER))


def cue_before(tokens: Sequence[Token], at: int, look_back: int = LOOK_BACK) -> Cue:
    """Return what the words before a token announce; the nearest word decides.

    Args:
        tokens: All tokens of the transcript, of every speaker, so that the question before an answer counts.
        at: Index of the first token of the number.
        look_back: The number of tokens that are read.
    """
    if at and tokens[at - 1].text in MEASURES:  # `minus five`, `four euros fifty`
        return Cue.THING
    if at > 1 and tokens[at - 1].text == "x" and tokens[at - 2].value == "0":  # `error zero x eight zero ...`
        return Cue.THING
    start = code_start(tokens, at)
    is_code, at = start != at, start
    between: list[str] = []
    ended = False
    for index in range(at - 1, max(-1, at - 1 - look_back), -1):
        token = tokens[index]
        if token.kind in (Kind.MASK, Kind.BREAK):
            break
        if token.text == "." and between and not (NUMBER_CUES | IS).intersection(between):
            ended = True
        cue = _cue_of(tokens, index, between)
        if cue in THING_CUES and ended:
            break
        if cue is not Cue.NOTHING:
            return Cue.NUMBER if is_code and cue is Cue.THING else cue
        if token.kind not in (Kind.PAUSE, Kind.HYPHEN, Kind.LETTER):
            between.append(token.text)
    return Cue.NOTHING


def code_start(tokens: Sequence[Token], at: int) -> int:
    """Return where a code begins of which a number is the end, as in `parcel eight R zero zero four` or `AA1 0123`."""
    first = at
    while first and (tokens[first - 1].kind in (*NUMBERS, Kind.LETTER) or _is_code_word(tokens, first - 1)):
        first -= 1
    is_spelled = at and tokens[at - 1].kind is Kind.LETTER and tokens[at - 1].text not in ("a", "i", "y", "à")
    is_code = is_spelled or (at > 1 and tokens[at - 1].kind in NUMBERS and _is_code_word(tokens, at - 2))
    return max(first, at - NEAR) if is_code else at


def _is_code_word(tokens: Sequence[Token], index: int) -> bool:
    """Return whether a token is capitals that figures touch."""
    after = tokens[index + 1] if index + 1 < len(tokens) else tokens[index]
    return tokens[index].upper and after.glued and after.kind is Kind.FIGURES


def _cue_of(tokens: Sequence[Token], index: int, between: list[str]) -> Cue:
    text = tokens[index].text
    if text in IBAN_CUES:
        return Cue.IBAN
    if text in CARD_CUES:
        return Cue.CARD
    if text in NUMBER_CUES:
        if text in LISTS and not PHONE_CUES.intersection((tokens[index - 1].text, *between[-1:])):
            return Cue.NUMBER if is_thing(tokens[index - 1].text) else Cue.NOTHING  # `my lucky numbers are ...`
        if (
            tokens[max(0, index - 2)].text in COPULAS and tokens[index - 1].text in COPULAS
        ):  # `mon compte est le numéro`
            index = max(0, index - 2)
        before = [token.text for token in tokens[max(0, index - 2) : index]]
        return Cue.NUMBER if any(map(is_thing, before)) else Cue.PHONE
    if text in PHONE_CUES:
        return Cue.PHONE
    if not (is_thing(text) and _announces(tokens, index, between)) or _is_filed(tokens, index):
        return Cue.NOTHING
    if text in SURE_THINGS:
        return Cue.NUMBER
    before = [token.text for token in tokens[max(0, index - 3) : index]]  # `numéro de commande`
    return Cue.NUMBER if OF.intersection(before) and NUMBER_CUES.intersection(before) else Cue.THING


def is_thing(text: str) -> bool:
    """Return whether a word is that of a thing with a number, such as an order."""
    text = text.removesuffix("'s")
    return text in MORE_THINGS or THING.fullmatch(text) is not None


def _announces(tokens: Sequence[Token], index: int, between: list[str]) -> bool:
    """Return whether a thing announces the number: it is next to it, or only neutral words are between them."""
    if not between:
        return True
    before = [token.text for token in tokens[max(0, index - 3) : index]]
    if between[-1] in IDS or NUMBER_CUES.intersection((*before, between[-1])):  # `numéro de commande`
        return True
    if between[0] in IS and between[-1] in ON and len(between) <= PLACED:  # `the code on the back is`
        return True
    if not all(text in NEUTRAL for text in between):
        return False
    return tokens[index].text not in STRICT_THINGS or between[-1] in IS - {"it's", "c'"}


def _is_filed(tokens: Sequence[Token], index: int) -> bool:
    """Return whether a word for a thing only says where a number is kept: `the number you have on the account`."""
    before = [token.text for token in tokens[max(0, index - NEAR) : index]]
    is_in = tokens[index].text in FILED and not ON.isdisjoint(before[-2:])
    return is_in and not (NUMBER_CUES | PHONE_CUES).isdisjoint(before)


def has_mail_cue(tokens: Sequence[Token], first: int, last: int) -> bool:
    """Return whether a word such as `email` is said shortly before or right after some tokens."""
    near = (*tokens[max(0, first - LOOK_BACK) : first], *tokens[last + 1 : last + 1 + LOOK_AHEAD])
    return any(token.text in MAIL_CUES for token in near)
