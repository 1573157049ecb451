"""Reads tokens as groups of digits: `four thousand one hundred eleven` is 4111, `double four` is 44.

The grammar is that of numbers below a million, in English and French; whether digits are a phone number is decided
elsewhere.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from shared.text.speech.tokens import NUMBERS, Kind, Token
from shared.text.speech.words import JOINTS


@dataclass(frozen=True, slots=True)
class Said:
    """A number token of a run, and what is said before it: nothing, `and`, or a pause.

    Attributes:
        at: Index of the token in its channel.
        token: The token.
        gap: `""` after a number or a hyphen, `and` after a joint alone, else what is said, such as `,`.
    """

    at: int
    token: Token
    gap: str


@dataclass(frozen=True, slots=True)
class Group:
    """Digits that are said as one number.

    Attributes:
        digits: The digits.
        first: Index of the first token in its channel.
        last: Index of the last token in its channel.
        gap: What is said before it, as in `Said`.
        singles: How many digits are said one by one.
        is_large: Whether `hundred` or `thousand` is part of it.
    """

    digits: str
    first: int
    last: int
    gap: str
    singles: int = 0
    is_large: bool = False


def groups_of(said: Sequence[Said]) -> list[Group]:
    """Return the groups of a run of number tokens."""
    groups = []
    at = 0
    while at < len(said):
        group, at = _group(said, at)
        groups.append(group)
    return groups


def _group(said: Sequence[Said], at: int) -> tuple[Group, int]:
    first = said[at]
    kind = first.token.kind
    if kind is Kind.TIMES:
        return _repeated(said, at, int(first.token.value), 1)
    if first.token.value in ("2", "3") and _follows(said, at + 1, Kind.REPEAT) and _follows(said, at + 2, Kind.DIGIT):
        return _repeated(said, at, int(first.token.value), 2)
    return _plain(said, at)


def _plain(said: Sequence[Said], at: int) -> tuple[Group, int]:
    """Return a group that no word repeats."""
    first = said[at]
    kind = first.token.kind
    if kind is Kind.REPEAT:
        return Group("", first.at, first.at, first.gap), at + 1
    if kind is Kind.FIGURES:
        figures = first.token.value
        return Group(figures, first.at, first.at, first.gap, int(len(figures) == 1)), at + 1
    if kind is Kind.DIGIT and first.token.value == "0":
        return Group("0", first.at, first.at, first.gap, 1), at + 1
    value, end, is_large = _number(said, at)
    last = said[end - 1].at
    is_single = end == at + 1 and kind is Kind.DIGIT
    return Group(str(value), first.at, last, first.gap, int(is_single), is_large), end


def _repeated(said: Sequence[Said], at: int, count: int, before: int) -> tuple[Group, int]:
    """Return `double four` as 44; without a number behind it, the word has no digits."""
    if at + before >= len(said) or said[at + before].token.kind in (Kind.TIMES, Kind.REPEAT):
        return Group("", said[at].at, said[at].at, said[at].gap), at + 1
    once, end = _plain(said, at + before)
    digits = once.digits * count
    return Group(digits, said[at].at, once.last, said[at].gap, len(digits) if once.singles else 0), end


def _follows(said: Sequence[Said], at: int, *kinds: Kind) -> bool:
    return at < len(said) and said[at].gap == "" and said[at].token.kind in kinds


def _number(said: Sequence[Said], at: int) -> tuple[int, int, bool]:
    """Return a number below a million, the index after it, and whether `hundred` or `thousand` is part of it."""
    if said[at].token.kind is Kind.THOUSAND:
        value, end, is_large = 1, at, True
    else:
        value, end, is_large = _below_thousand(said, at)
    if _follows(said, end, Kind.THOUSAND) or end == at:
        value, end, is_large = value * 1000, end + 1, True
        if _has_tail(said, end):
            tail, end, _ = _below_thousand(said, end)
            value += tail
    return value, end, is_large


def _below_thousand(said: Sequence[Said], at: int) -> tuple[int, int, bool]:
    if said[at].token.kind is Kind.HUNDRED:
        value, end = 1, at
    else:
        value, end = _below_hundred(said, at)
    if not (_follows(said, end, Kind.HUNDRED) or end == at) or (end > at and not _multiplies(value, said[end].token)):
        return value, end, False
    value, end = value * 100, end + 1
    if _has_tail(said, end) and said[end].token.kind is not Kind.HUNDRED:
        tail, end = _below_hundred(said, end)
        value += tail
    return value, end, True


def _multiplies(value: int, hundred: Token) -> bool:
    """Return whether a number is said before a hundred; `septante-neuf cent vingt` is 79 and 120."""
    return not hundred.text.startswith("cent") or 1 < value < 20


def _has_tail(said: Sequence[Said], at: int) -> bool:
    """Return whether the next token continues `hundred` or `thousand`: `eight hundred five five` are three groups."""
    if at >= len(said) or said[at].gap not in JOINTS | {""} or said[at].token.value == "0":
        return False
    kind = said[at].token.kind
    if kind in (Kind.TEEN, Kind.TENS, Kind.HUNDRED):
        return True
    return kind is Kind.DIGIT and not _follows(said, at + 1, Kind.DIGIT, Kind.TIMES)


def _below_hundred(said: Sequence[Said], at: int) -> tuple[int, int]:
    token = said[at].token
    value, end = int(token.value), at + 1
    if token.kind is Kind.DIGIT:
        if token.text != "quatre" or not (
            _follows(said, end, Kind.TENS) and said[end].token.text in ("vingt", "vingts")
        ):
            return value, end
        value, end = 80, end + 1
    elif token.kind is Kind.TEEN:
        if token.text == "dix" and _follows(said, end, Kind.DIGIT) and said[end].token.text in ("sept", "huit", "neuf"):
            return 10 + int(said[end].token.value), end + 1
        return value, end
    elif token.kind is not Kind.TENS:  # a hundred where a smaller number is expected
        return value, end
    is_joined = end < len(said) and said[end].gap == "et" and said[end].token.text in ("un", "une", "onze")
    takes_teen = token.text in ("soixante", "quatre") and (_follows(said, end, Kind.TEEN) or is_joined)
    if takes_teen and said[end].token.kind is Kind.TEEN:
        tail, end = _below_hundred(said, end)
        return value + tail, end
    if (_follows(said, end, Kind.DIGIT) or is_joined) and said[end].token.value != "0":
        if said[end].token.text == "quatre" and _follows(said, end + 1, Kind.TENS) and said[end + 1].token.glued:
            return value, end  # `vingt quatre-vingts` is 20 and 80
        return value + int(said[end].token.value), end + 1
    return value, end


def is_number(token: Token) -> bool:
    """Return whether a token is part of a number."""
    return token.kind in NUMBERS
