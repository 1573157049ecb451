"""Joins the runs of a number that is said in parts, with other words between: `six one seven, let me look, five ...`.

Any words may be between, so only the digits show that the parts belong together: they have the form of a phone or card
number, and the parts end where people pause in one.
"""

import re
from collections.abc import Sequence
from itertools import accumulate

from stdnum import luhn

from shared.text.accounts import ISSUER
from shared.text.shadow import CARD, PHONE
from shared.text.speech.groups import Group, groups_of
from shared.text.speech.lists import is_clock
from shared.text.speech.numbers import CALLABLE, Run
from shared.text.speech.tokens import NUMBERS, Kind, Token
from shared.text.speech.words import UNITS

PARTS = 5
"""Maximum number of parts of one number."""

WORDS_BETWEEN = 8
"""Maximum number of words between two parts."""

BRITISH = re.compile(r"0[1-37]\d{8,9}")
ABROAD = range(10, 16)
"""The digits of a number behind `plus`."""

FRENCH = re.compile(r"0[1-9]\d{8}")
CARD_DIGITS = 16


def joined(tokens: Sequence[Token], runs: Sequence[Run]) -> tuple[int, str]:
    """Return how many of some runs are one number, and its mask; 0 and an empty mask if the first is not said in parts.

    Args:
        tokens: The tokens of the channel.
        runs: The next runs of the channel, in order; `PARTS` of them are read.
    """
    best = (0, "")
    groups = [[group for group in groups_of(run.said) if group.digits] for run in runs[:PARTS]]
    sizes = [sum(len(group.digits) for group in each) for each in groups]
    for count in range(2, len(groups) + 1):
        if not sizes[0] or not sizes[count - 1] or not _is_near(tokens, runs[count - 2], runs[count - 1]):
            break
        kind = _kind(groups[:count], list(accumulate(sizes[:count])), runs[:count])
        if kind:
            best = (count, kind)
    return best


def _is_near(tokens: Sequence[Token], run: Run, after: Run) -> bool:
    """Return whether only a few words are between two runs, and neither counts something."""
    between = tokens[run.said[-1].at + 1 : after.first]
    words = [token for token in between if token.kind not in (Kind.PAUSE, Kind.HYPHEN)]
    if len(words) > WORDS_BETWEEN or any(token.kind in (Kind.MASK, Kind.BREAK, Kind.SIGN) for token in words):
        return False
    return not any(token.text in UNITS for token in words[:1]) and not any(token.kind in NUMBERS for token in words)


def _kind(parts: Sequence[Sequence[Group]], ends: Sequence[int], runs: Sequence[Run]) -> str:
    """Return the mask of parts that have the form of a number; empty if they have not.

    Args:
        parts: The groups of each part.
        ends: How many digits are said by the end of each part.
        runs: The runs of the parts.
    """
    groups = [group for part in parts for group in part]
    digits = "".join(group.digits for group in groups)
    singles = sum(group.singles for group in groups)
    figures = sum(len(each.token.value) for run in runs for each in run.said if each.token.kind is Kind.FIGURES)
    if any(group.is_large for group in groups) or all(is_clock(part) for part in parts):
        return ""
    if len(digits) == CARD_DIGITS and all(end % 4 == 0 for end in ends):
        return CARD if ISSUER.fullmatch(digits) and luhn.is_valid(digits) else ""
    if FRENCH.fullmatch(digits) and all(end % 2 == 0 for end in ends):
        return PHONE
    is_dictated = max(singles, figures) * 2 >= len(digits)
    if is_dictated and (BRITISH.fullmatch(digits) or (runs[0].has_plus and len(digits) in ABROAD)):
        return PHONE
    lead = len(digits) - 10
    if CALLABLE.fullmatch(digits) and is_dictated and {*ends} <= {lead, lead + 3, lead + 6, lead + 10}:
        return PHONE
    is_local = len(digits) == 7 and singles == 7 and list(ends) == [3, 7]
    return PHONE if is_local and digits[3] == "0" else ""
