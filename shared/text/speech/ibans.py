"""Finds spoken IBANs: two characters of a country, then digits and characters, spelled or said as numbers."""

from collections.abc import Sequence

from stdnum import iban

from shared.text.accounts import IBAN_MIN_CHARS
from shared.text.speech.groups import Said, groups_of, is_number
from shared.text.speech.tokens import Kind, Token, is_hesitation
from shared.text.speech.words import IBAN_COUNTRIES, NATO

IBAN_MAX_CHARS = 34
CODES = {0: 2, 4: 4}
"""The length of the codes that may be one word in lower case: the country's, and, after 4 characters, the bank's."""

GAP = 7
"""The number of tokens that are read for the next character; pauses and filler words may be before it."""

LEAST_DIGITS = 10
"""Digits of a sequence that is masked although its checksum is wrong, because the recogniser may have misheard one."""


def find_ibans(tokens: Sequence[Token]) -> list[tuple[int, int]]:
    """Return the first and last token of each IBAN of a channel."""
    found: list[tuple[int, int]] = []
    after = 0
    for at, token in enumerate(tokens):
        if at >= after and _begins(tokens, at):
            last = _last(tokens, at)
            if last:
                found.append((at, last))
                after = last + 1
        del token
    return found


def _character(token: Token) -> str:
    """Return the character of A to Z that a token is; empty if it is another word."""
    if token.kind is Kind.LETTER:
        return token.value
    if len(token.text) == 1 and token.text.isalpha():
        return token.text
    return NATO.get(token.text, "")


def _begins(tokens: Sequence[Token], at: int) -> bool:
    token = tokens[at]
    if token.kind in WORDS and len(token.text) == 2 and token.text.upper() in IBAN_COUNTRIES:
        after = _next(tokens, at + 1)
        is_code = token.upper or (token.kind is Kind.WORD and token.text not in ORDINARY_WORDS)
        return is_code and after is not None and is_number(tokens[after])
    letter = _character(token)
    after = _next(tokens, at + 1) if letter else None
    if after is None or (letter + _character(tokens[after])).upper() not in IBAN_COUNTRIES:
        return False
    digits = _next(tokens, after + 1)
    return digits is not None and is_number(tokens[digits])


WORDS = frozenset((Kind.WORD, Kind.FILLER))
"""The kinds of a code that is written as a word; `DE` is also a filler word."""

ORDINARY_WORDS = frozenset("is be at it no me de es se al do si la ad ae ba il lu mu ni sa sc sd so st tn va".split())
"""Codes of countries that are also words, and count only in capitals."""


def _next(tokens: Sequence[Token], at: int) -> int | None:
    for index in range(at, min(len(tokens), at + GAP)):
        if not is_hesitation(tokens[index]) and tokens[index].kind not in (Kind.HYPHEN, Kind.FILLER):
            return index
    return None


def _last(tokens: Sequence[Token], first: int) -> int:
    """Return the last token of the IBAN that begins at a token; 0 without one."""
    compact = ""
    ends: list[int] = []
    at: int | None = first
    while at is not None and len(compact) < IBAN_MAX_CHARS:
        chars, at_end = _characters(tokens, at)
        if tokens[at].kind in WORDS and len(tokens[at].text) == CODES.get(len(compact)):
            chars = tokens[at].text
        if not chars:
            break
        compact += chars
        ends += [at_end] * len(chars)
        at = _next(tokens, at_end + 1)
    if len(compact) < IBAN_MIN_CHARS:
        return 0
    for length in range(IBAN_MIN_CHARS, min(len(compact), IBAN_MAX_CHARS) + 1):
        if iban.is_valid(compact[:length], check_country=False):
            return ends[length - 1]
    digits = sum(map(str.isdigit, compact))
    return ends[-1] if digits >= LEAST_DIGITS and compact[2:4].isdigit() else 0


def characters(tokens: Sequence[Token]) -> str:
    """Return the digits and characters that tokens say, in lower case."""
    said, at = "", 0
    while at < len(tokens):
        chars, last = _characters(tokens, at)
        said += chars.lower()
        at = last + 1
    return said


def _characters(tokens: Sequence[Token], at: int) -> tuple[str, int]:
    """Return the characters that are said from a token on, and the last token of them."""
    token = tokens[at]
    if is_number(token) and not (token.text == "o" and token.upper and at + 1 < len(tokens)):
        said = [Said(at, token, "")]
        for index in range(at + 1, min(len(tokens), at + 8)):
            if tokens[index].kind is Kind.HYPHEN:
                continue
            if not is_number(tokens[index]):
                break
            said.append(Said(index, tokens[index], ""))
        group = groups_of(said)[0]
        return group.digits, group.last
    if token.kind is Kind.WORD and token.text not in NATO:
        return (token.text, at) if token.upper and len(token.text) <= 6 else ("", at)
    return _character(token), at
