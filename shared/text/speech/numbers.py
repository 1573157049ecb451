"""Decides which runs of spoken digits are phone or card numbers.

A run is what is said between two words that belong to no number; hesitations and short answers do not end it.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from phonenumbers import NumberParseException, is_valid_number, parse
from stdnum import luhn

from shared.text.accounts import ISSUER
from shared.text.phones import MAX_DIGITS, MIN_DIGITS
from shared.text.shadow import CARD, PHONE
from shared.text.speech.cues import THING_CUES, Cue
from shared.text.speech.groups import Group, Said, is_number
from shared.text.speech.lists import are_years, is_clock, is_date, is_enumeration, is_list, is_scale
from shared.text.speech.tokens import Kind, Token
from shared.text.speech.words import EXTENSIONS, JOINTS, UNITS

FILLERS = 6
"""The number of filler words in a row that may be said within one number."""

EXTENSION_WORDS = 6
EXTENSION_APART = 7
"""The number of words and pauses that may be between a number and its extension."""

CARD_DIGITS = range(13, 20)
CARD_CUED_MIN_DIGITS = 12
LIBRARY_CALLS = 300
"""Maximum number of calls of the phone library for one pass over a transcript; a call takes about 50 microseconds."""

CALLABLE = re.compile(r"1?[2-9]\d\d[2-9]\d{6}")
"""A number of North America; neither an area nor an exchange begins with 0 or 1."""

WHOLE = (MIN_DIGITS, 10, 16)
"""Digits of numbers whose last one is more likely a digit than the pronoun `one`."""

LISTED_DIGITS = 9
"""The number of digits from which a rising list of numbers counts as a phone number after a word such as `number`."""


@dataclass(slots=True)
class Run:
    """Number tokens that may be one number.

    Attributes:
        said: The number tokens.
        has_plus: Whether `plus` is said before them.
        has_point: Whether `point` or a full stop without a blank is said between two of them.
        after: The token after the run; None at the end.
        first: Index in the channel of the first token, `plus` included.
    """

    first: int
    said: list[Said] = field(default_factory=list)
    has_plus: bool = False
    has_point: bool = False
    after: Token | None = None


def runs_of(tokens: Sequence[Token]) -> Iterator[Run]:
    """Yield the runs of a channel with at least two tokens, in order."""
    run: Run | None = None
    gap: list[str] = []
    fillers = 0
    for at, token in enumerate(tokens):
        if is_number(token) or (token.kind is Kind.REPEAT and run is not None and not gap):
            run = run or Run(at)
            run.said.append(Said(at, token, _gap(gap)))
            run.has_point = run.has_point or "point" in gap or _is_decimal(tokens, at)
            gap, fillers = [], 0
        elif run is not None and _is_between(token) and fillers < FILLERS:
            fillers += token.kind is not Kind.PAUSE
            gap += [] if token.kind is Kind.HYPHEN else [token.text]
        else:
            if run is not None:
                run.after = token if not gap else None
                yield run
            run, gap, fillers = None, [], 0
            if token.kind is Kind.PLUS:
                run = Run(at, has_plus=True)
    if run is not None:
        yield run


def _is_decimal(tokens: Sequence[Token], at: int) -> bool:
    """Return whether figures are cents or hundredths, as in `5,57`; `06,12` is part of a number."""
    if at < 2 or not (tokens[at - 1].text == "," and tokens[at - 1].glued and tokens[at].glued):
        return False
    return len(tokens[at].value) == 2 and tokens[at - 2].kind is Kind.FIGURES and tokens[at - 2].value[0] != "0"


def extended(tokens: Sequence[Token], last: int) -> int:
    """Return the last token of the extension after a number, as in `extension four five`; without one, that given."""
    at = last + 1
    while at < len(tokens) and at < last + 3 and tokens[at].kind is Kind.PAUSE:
        at += 1
    return _extension_end(tokens, at) or last


def late_extension(tokens: Sequence[Token], last: int) -> Sequence[Token]:
    """Return an extension that is said a few words after a number: `..., that's my work line, extension four five`."""
    for at in range(last + 1, min(len(tokens), last + 2 + EXTENSION_APART)):
        if end := _extension_end(tokens, at):
            return tokens[at : end + 1] if at > last + 1 else ()
        if tokens[at].text in ".?!" or tokens[at].kind not in (Kind.WORD, Kind.FILLER, Kind.PAUSE):
            break
    return ()


def _extension_end(tokens: Sequence[Token], at: int) -> int:
    """Return the last token of an extension that begins at a token; 0 if none does."""
    if at >= len(tokens) or tokens[at].text not in EXTENSIONS:
        return 0
    end = at + 1
    while end < len(tokens) and end <= at + EXTENSION_WORDS and (is_number(tokens[end]) or _is_between(tokens[end])):
        end += 1
    while end > at + 1 and not is_number(tokens[end - 1]):
        end -= 1
    return end - 1 if end > at + 1 else 0


def is_area_code(tokens: Sequence[Token], run: Run) -> bool:
    """Return whether a short run is an area code that is said apart from its number."""
    before = [token.text for token in tokens[max(0, run.first - 4) : run.first]]
    return len(run.said) < MIN_DIGITS and ("indicatif" in before or ("area" in before and "code" in before))


def _is_between(token: Token) -> bool:
    return token.kind in (Kind.FILLER, Kind.PAUSE, Kind.HYPHEN) or token.text in ("point", "/")


def _gap(gap: list[str]) -> str:
    if not gap:
        return ""
    return gap[0] if len(gap) == 1 and gap[0] in JOINTS else ","


def trimmed(groups: list[Group], after: Token | None) -> list[Group]:
    """Return groups without a last one that counts something, as in `..., twenty dollars`."""
    groups = [group for group in groups if group.digits]
    if len(groups) > 1 and after is not None and after.text in UNITS and not groups[-1].singles:
        return groups[:-1]
    if len(groups) > 1 and after is not None and after.kind is Kind.WORD and groups[-1].gap == ",":
        count = sum(len(group.digits) for group in groups)
        return groups[:-1] if groups[-1].digits == "1" and count not in WHOLE else groups
    return groups


def kind_of(groups: Sequence[Group], run: Run, cue: Cue, library: "Library") -> str | None:
    """Return the mask of a run; None if it stays."""
    digits = "".join(group.digits for group in groups)
    count = len(digits)
    are_figures = len(groups) == 1 and not run.has_plus and cue in (Cue.NOTHING, *THING_CUES)
    if count < MIN_DIGITS or are_figures:  # figures are judged as written text
        return None
    if count in CARD_DIGITS and ISSUER.fullmatch(digits) and luhn.is_valid(digits):
        return CARD
    if (
        (run.has_plus or (digits.startswith("00") and cue is not Cue.NUMBER))
        and count <= MAX_DIGITS + 4
        and is_international(digits)
    ):
        return PHONE
    if is_french(groups):
        return PHONE
    if cue in THING_CUES:
        return PHONE if cue is Cue.THING and is_american(groups) else None
    if cue is Cue.CARD and count >= CARD_CUED_MIN_DIGITS:
        return CARD
    if not (_is_cued(groups, cue) or _is_said_digit_by_digit(groups, run) or _is_number(groups, digits, run, library)):
        return None
    return CARD if count in (15, 16) and ISSUER.fullmatch(digits) else PHONE


def _is_cued(groups: Sequence[Group], cue: Cue) -> bool:
    if cue is Cue.NOTHING or is_clock(groups):
        return False
    if len(groups) == 1:
        return not groups[0].is_large
    if is_list(groups) and sum(len(group.digits) for group in groups) < LISTED_DIGITS:
        return False
    return any(group.singles for group in groups[1:]) or not all(group.is_large for group in groups[1:])


def _is_said_digit_by_digit(groups: Sequence[Group], run: Run) -> bool:
    """Return whether most digits are said one by one, or a zero leads a group, as in no quantity."""
    digits = "".join(group.digits for group in groups)
    if is_scale(groups) or is_list(groups) or is_date(digits, groups) or (run.has_point and digits[0] != "0"):
        return False
    singles = sum(group.singles for group in groups)
    if is_enumeration(groups) or is_clock(groups) or are_years(digits, groups):
        return False
    if singles >= 4 and singles * 2 >= len(digits):
        return True
    large = any(group.is_large and (len(group.digits) > 3 or len(groups) < 4) for group in groups)
    return not large and (len(digits) > MIN_DIGITS or singles > 2 or _has_figures(groups)) and _has_leading_zero(groups)


def _is_number(groups: Sequence[Group], digits: str, run: Run, library: "Library") -> bool:
    """Return whether groups are sixteen digits in equal groups, or a number that is valid in the region."""
    has_pause = any(group.gap == "," for group in groups[1:])
    if are_years(digits, groups) or (has_pause and is_list(groups)) or is_scale(groups) or run.has_point:
        return False
    if is_clock(groups) or is_enumeration(groups):
        return False
    sizes = {len(group.digits) for group in groups}
    if len(digits) == 16 and len(groups) > 3 and (sizes in ({4}, {2}, {2, 4}) or _chunks(groups) == [4, 4, 4, 4]):
        return True
    if run.said and [len(group.digits) for group in groups] == [3, 4] and run.said[-1].token.glued:
        return True
    is_large = any(group.is_large and len(group.digits.rstrip("0")) != 1 for group in groups)
    if is_large or all(group.gap in JOINTS | {","} for group in groups[1:]):
        return False
    return 9 <= len(digits) <= MAX_DIGITS and library.is_valid(digits)


def _has_leading_zero(groups: Sequence[Group]) -> bool:
    """Return whether a zero begins the run, or a group after a pause, and digits follow it."""
    for group, after in pairwise(groups):
        if group.digits == "0" and after.gap != "," and not after.is_large:
            return True
        if group.digits == "0" and group is groups[0] and len(groups) > 3:
            return True
    return _has_figures(groups)


def _has_figures(groups: Sequence[Group]) -> bool:
    """Return whether a group is written in figures with a zero in front; `1 000` has none."""
    return any(
        len(group.digits) > 1 and group.digits[0] == "0" and not group.singles and group.digits != "000"
        for group in groups
    )


def is_french(groups: Sequence[Group]) -> bool:
    """Return whether groups are a French number: 0 and a digit, and four pairs."""
    digits = "".join(group.digits for group in groups)
    pairs = [group for group in groups if len(group.digits) == 2]
    return len(digits) == 10 and digits[0] == "0" and digits[1] != "0" and len(pairs) >= 3


def is_american(groups: Sequence[Group]) -> bool:
    """Return whether pauses divide the digits as in `212, 555, 0147`, and such a number can be called."""
    digits = "".join(group.digits for group in groups)
    return _chunks(groups) in ([3, 3, 4], [1, 3, 3, 4]) and CALLABLE.fullmatch(digits) is not None


def _chunks(groups: Sequence[Group]) -> list[int]:
    """Return the numbers of digits between pauses."""
    sizes: list[int] = []
    for group in groups:
        if sizes and group.gap != ",":
            sizes[-1] += len(group.digits)
        else:
            sizes.append(len(group.digits))
    return sizes


def is_international(digits: str) -> bool:
    """Return whether digits after `plus` or `00` are a number of some country."""
    digits = digits.removeprefix("00")
    return MIN_DIGITS < len(digits) <= MAX_DIGITS and digits[0] != "0"


@dataclass(slots=True)
class Library:
    """The phone library, which is asked a limited number of times for one transcript; then every number is valid.

    Attributes:
        region: Region of numbers without a country code.
        calls: The number of calls that are left.
    """

    region: str
    calls: int = LIBRARY_CALLS

    def is_valid(self, digits: str) -> bool:
        """Return whether digits are a valid number of the region."""
        if self.calls == 0:
            return True
        self.calls -= 1
        try:
            return is_valid_number(parse(digits, self.region))
        except NumberParseException:
            return False
