"""Recognises what is said as a list, a date, times of day or years, and so is no phone or card number."""

import re
from collections.abc import Sequence
from itertools import pairwise

from shared.text.ordinary import STEPS
from shared.text.speech.groups import Group
from shared.text.speech.words import JOINTS

YEARS = re.compile(r"(?:(?:19|20)\d\d)+")
BIRTHDAY = re.compile(
    r"(?:0?[1-9]|[12]\d|3[01])(?:0?[1-9]|1[0-2])(?:19|20)?\d\d|(?:0?[1-9]|1[0-2])(?:0?[1-9]|[12]\d|3[01])(?:19|20)?\d\d"
)
DATE_DIGITS = range(7, 9)


def _values(groups: Sequence[Group]) -> list[int]:
    return [int(group.digits[:9]) for group in groups]


def is_scale(groups: Sequence[Group]) -> bool:
    """Return whether groups are counted up or down, as in `one two three four five six seven`.

    The first or the last may be another number, as in `count to ten, one two three ...`.
    """
    values = _values(groups)
    return _is_even(values, 5) or _is_even(values[1:], 6) or _is_even(values[:-1], 6)


def _is_even(values: Sequence[int], least: int) -> bool:
    steps = {after - before for before, after in pairwise(values)}
    return len(values) >= least and len(steps) == 1 and abs(steps.pop()) in STEPS


def is_list(groups: Sequence[Group]) -> bool:
    """Return whether groups are a rising list of sizes or amounts, as in `thirty-six, thirty-eight, forty`."""
    values = _values(groups)
    rising = all(before < after for before, after in pairwise(values))
    return rising and groups[0].digits[0] != "0" and values[-1] > 9 and len(values) > 2


def is_date(digits: str, groups: Sequence[Group]) -> bool:
    """Return whether groups are a date, as in `twelve oh four nineteen eighty-five`."""
    parts = groups if len(digits) == len(groups) else groups[-2:]
    year = "".join(group.digits for group in parts)[-4:]
    return len(digits) in DATE_DIGITS and year[:2] in ("19", "20") and BIRTHDAY.fullmatch(digits) is not None


def is_clock(groups: Sequence[Group]) -> bool:
    """Return whether groups are times of day, as in `nine thirty ten forty-five`, `five oh five` or `0745, 0815`."""
    digits = [part for group in groups for part in _hours_and_minutes(group)]
    at = 0
    while at + 1 < len(digits):
        is_single = digits[at + 1] == "0" and at + 2 < len(digits)
        minutes = "0" + digits[at + 2] if is_single else digits[at + 1]
        if len(digits[at]) > 2 or int(digits[at]) > 24 or len(minutes) != 2 or int(minutes) > 55 or int(minutes) % 5:
            return False
        at += 3 if is_single else 2
    return at == len(digits)


def _hours_and_minutes(group: Group) -> tuple[str, ...]:
    """Return the digits of a group, apart if it is written as `0745`."""
    is_written = len(group.digits) == 4 and group.digits[0] == "0" and not group.singles and not group.is_large
    return (group.digits[:2], group.digits[2:]) if is_written else (group.digits,)


def is_enumeration(groups: Sequence[Group]) -> bool:
    """Return whether groups are a list of numbers with `and` before the last, as in `nineteen, three, two and eight`."""
    gaps = [group.gap for group in groups[1:]]
    is_single = all(group.singles for group in groups)
    has_zero = any(group.digits[0] == "0" for group in groups)
    return len(gaps) > 2 and gaps[-1] in JOINTS and set(gaps[:-1]) == {","} and not is_single and not has_zero


def are_years(digits: str, groups: Sequence[Group]) -> bool:
    """Return whether groups are years, as in `nineteen eighty-four, twenty oh seven`."""
    return YEARS.fullmatch(digits) is not None and not groups[0].singles
