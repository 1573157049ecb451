"""Transcripts made to keep the masker busy: the time grows with the length, and the phone library is rarely called.

A green run does not prove a limit on time; it compares a transcript with one that is four times as long.
"""

import time

import pytest
from phonenumbers import parse

from shared.text.masking import mask
from shared.text.speech import numbers
from shared.text.spoken import SpokenSegment, mask_segments, mask_spoken

LENGTH = 200_000
SHORT = 10_000
BOMBS = {
    "words": "the parcel came late and nobody answered me, so I called again. ",
    "ones": "one ",
    "zeros": "zero ",
    "doubles": "double ",
    "hundreds": "hundred thousand ",
    "joints": "one and ",
    "vingt": "quatre vingt ",
    "fois": "deux fois ",
    "at dot": "at dot ",
    "at com": "at com ",
    "mails": "jo at b dot com ",
    "labels": "at a dot b dot c dot ",
    "names": "a dot b dot ",
    "arobase": "arobase ",
    "characters": "g b ",
    "ibans": "G B eight two ",
    "almost ibans": "G B eight two W E S T one two three four five six nine eight seven six five four three one ",
    "orders": "order number is one two four three five six nine seven ",
    "calls": "call five five five oh one two three x ",
    "pluses": "plus ",
    "pairs": "douze trente-quatre x ",
    "valid": "twenty-one twenty-five fifty-five fifty-one forty-seven x ",
    "figures": "5 5 5, ",
    "three figures": "123 ",
    "digits": "9",
    "commas": ", ",
    "fillers": "uh ",
    "area codes": "area code two one two ",
    "extensions": "five five five oh one two three extension ",
    "spelled": "b as in b ",
    "asides": "all one word ",
    "points": "a.b.c ",
    "apostrophes": "c'",
    "masks": "[phone] one ",
    "parts": "six one seven, I have it, ",
    "echoes": "five five five oh one two three. five five five? ",
    "spelled names": "jo j o at ",
    "the numbers": "the number two at ",
    "stops": "Jo. Dot. At. ",
    "codes": "four K ",
    "glued codes": "AA1 ",
    "answers": "order number? It's 2125550147. ",
    "sites": "look at example dot com slash ",
    "late extensions": "212-555-0147, that's my line, extension ",
    "articles": "the door at example dot com, all one word ",
    "lower ibans": "gb 29 nwbk ",
    "longer in lower case": "\u0130 one ",
}


def call(text: str) -> list[SpokenSegment]:
    """Return a text as the segments of two speakers."""
    return [SpokenSegment(text[at : at + 60], "AB"[at // 60 % 2]) for at in range(0, len(text), 60)]


def seconds(text: str) -> float:
    started = time.process_time()
    mask_spoken(text, "US", None)
    mask_segments(call(text), "US")
    return time.process_time() - started


@pytest.mark.parametrize("name", BOMBS)
def test_four_times_the_length_takes_no_more_than_eight_times_as_long(name: str) -> None:
    unit = BOMBS[name]
    short = min(seconds(unit * (SHORT // len(unit))) for _ in range(2))
    long = unit * (4 * SHORT // len(unit))
    assert any(seconds(long) <= 8 * short + 0.5 for _ in range(3)), "once is enough: others use the machine too"


@pytest.mark.parametrize("name", BOMBS)
def test_each_bomb_keeps_its_segments_and_its_end(name: str) -> None:
    segments = [*call(BOMBS[name] * (SHORT // len(BOMBS[name]))), SpokenSegment("x"), SpokenSegment("the end")]
    masked = mask_segments(segments, "US")
    assert len(masked) == len(segments)
    assert masked[-1] == "the end"


def test_six_hours_without_numbers_take_less_than_two_seconds() -> None:
    text = BOMBS["words"] * (LENGTH // len(BOMBS["words"]))
    started = time.process_time()
    assert mask_spoken(text, "US", "en") == text
    assert time.process_time() - started < 2


def test_the_library_is_called_a_bounded_number_of_times(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def counted(digits: str, region: str) -> object:
        asked.append(digits)
        return parse(digits, region)

    monkeypatch.setattr(numbers, "parse", counted)
    text = BOMBS["valid"] * (SHORT // 10)
    assert mask_spoken(text, "US", "en") == "[phone] x " * (SHORT // 10)
    assert len(asked) <= numbers.LIBRARY_CALLS


def test_a_row_of_groups_of_three_digits_takes_linear_time_where_it_is_written() -> None:
    text = "123 " * (LENGTH // 4)
    started = time.process_time()
    mask(text, "US")
    assert time.process_time() - started < 20
