"""Masking of spoken data, case by case: over segments, over speakers, and what stays.

A green run does not prove that every way to say a number is found; `benchmarks/spoken_phrases.toml` holds more of them.
"""

import csv
from pathlib import Path

import pytest

from benchmarks.spoken_phrases import HALVES, is_wrong, phrases
from shared.text.masking import mask
from shared.text.spoken import SpokenSegment, find_spoken, mask_segments, mask_spoken


def segments(call: str, language: str | None = "en") -> list[SpokenSegment]:
    parts = [part.split(": ", 1) for part in call.split(" | ")]
    return [SpokenSegment(text, speaker, language) for speaker, text in parts]


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("five five five, oh one two three", "[phone]"),
        ("my number is two one two five five five zero one four seven.", "my number is [phone]."),
        ("it's 555 oh one two three", "it's [phone]"),
        ("oh seven seven double oh nine hundred one two three", "[phone]"),
        ("call me on 5 5 5, uh, 0 1 2 3 after six", "call me on [phone] after six"),
        ("plus four four twenty, seven nine four six, oh nine five eight", "[phone]"),
        ("nine one seven five five five oh one oh two, extension four five", "[phone]"),
        ("area code two one two, the number is five five five oh one oh two", "area code [phone], the number is [phone]"),
        ("five five five, one moment, oh one two three. One moment.", "[phone]. One moment."),
        ("four thousand one hundred eleven eleven eleven eleven eleven eleven eleven", "[card]"),
        ("my card is four one one one, one one one one, one one one one, one one one two", "my card is [card]"),
        ("G B eight two W E S T one two three four five six nine eight seven six five four three two", "[iban]"),
        ("golf bravo two nine november whiskey bravo kilo 6 0 1 6 1 3 3 1 9 2 6 8 1 9", "[iban]"),
        ("jo dot smith at example dot com", "[mail]"),
        ("it's j-o-e dot smith at gmail dot com, okay", "it's [mail], okay"),
        ("it's b as in bravo, o, b, at mail dot co dot uk", "it's [mail]"),
        ("my email is jo smith forty-two at example dot org", "my email is [mail]"),
        ("my email is david lee, all one word, at gmail dot com", "my email is [mail]"),
        ("my email is sam at gmail", "my email is [mail]"),
        ("jo.smith at gmail.com", "[mail]"),
    ],
)  # fmt: skip
def test_what_is_said_in_english_is_masked(text: str, masked: str) -> None:
    assert mask_spoken(text, "US", "en") == masked
    assert mask_spoken(text, "US", None) == masked


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("c'est le zéro six douze trente-quatre cinquante-six soixante-dix-huit", "c'est le [phone]"),
        ("zero six douze trente quatre cinquante six soixante dix huit", "[phone]"),
        ("0, 6, 12, 34, 56, 78", "[phone]"),
        ("plus trente-trois six douze trente-quatre cinquante-six soixante-dix-huit", "[phone]"),
        ("zéro quatre, soixante et onze, euh, quatre-vingt-douze, dix-sept, vingt et un", "[phone]"),
        ("deux fois zéro trente-deux quatre soixante-quinze douze trente-quatre cinquante-six", "[phone]"),
        ("ma carte quatre mille cent onze mille cent onze mille cent onze mille cent onze", "ma carte [card]"),
        ("F R 7 6, 3 0 0 0, 6 0 0 0, 0 1 1 2, 3 4 5 6, 7 8 9 0, 1 8 9", "[iban]"),
        ("jean point dupont arobase exemple point fr", "[mail]"),
        ("c'est jean tiret dupont chez orange point fr", "c'est [mail]"),
        ("luc tiret du bas petit arobase laposte point net", "[mail]"),
    ],
)
def test_what_is_said_in_french_is_masked(text: str, masked: str) -> None:
    assert mask_spoken(text, "FR", "fr") == masked
    assert mask_spoken(text, "FR", "de") == masked


@pytest.mark.parametrize(
    "text",
    [
        "one moment", "two or three", "nineteen ninety-nine", "three hundred and twenty dollars", "at ten to five",
        "version two point five", "point taken", "look at the dot", "chez moi", "un instant", "plus de cent euros",
        "my order number is four four one one five five two nine", "commande quatre quatre un un cinq cinq deux neuf",
        "one two three four five six seven eight", "un deux trois quatre cinq six sept huit",
        "twelve oh four nineteen eighty-five",
        "call me between nine thirty and ten forty-five", "au point de vente chez orange", "zéro virgule cinq",
        "thirty-six, thirty-eight, forty, forty-two", "2019, 2020, 2021, 2022",
        "order: 4 4 1 1 5 5 2 9", "$1,249.50 and then 20 more",
    ],
)  # fmt: skip
@pytest.mark.parametrize("language", ["en", "fr", None])
def test_ordinary_speech_stays(text: str, language: str | None) -> None:
    assert mask_spoken(text, "US", language) == text
    assert find_spoken(text, "US", language) == []


@pytest.mark.parametrize(
    ("call", "masked"),
    [
        ("A: it's five five oh | B: uh-huh | A: one two | B: yes | A: six nine", ["it's [phone]", "uh-huh", "", "yes", ""]),
        ("A: zero six | B: zero six | A: five five five oh one | B: five five five oh one", ["[phone]", "[phone]", "", ""]),
        ("A: jo dot smith | B: yes | A: at example dot com, thanks", ["[mail]", "yes", ", thanks"]),
        ("A: 4111 1111 | A: 1111 1111", ["[card]", ""]),
        ("A: four one five | B: five five five | A: oh one three two", ["[phone]", "", ""]),
        ("A: My order number? | B: four oh one one five five two", ["My order number?", "four oh one one five five two"]),
        ("A: two of them | B: five of those | A: three", ["two of them", "five of those", "three"]),
    ],
)  # fmt: skip
def test_a_number_is_masked_over_segments_and_speakers(call: str, masked: list[str]) -> None:
    assert mask_segments(segments(call), "US") == masked


def test_without_speakers_short_answers_do_not_end_a_number() -> None:
    said = ["zéro six", "oui", "douze trente-quatre", "d'accord", "cinquante-six soixante-dix-huit"]
    masked = mask_segments([SpokenSegment(text, None, "fr") for text in said], "FR")
    assert masked == ["[phone]", "oui", "", "d'accord", ""]


def test_a_long_conversation_ends_a_number() -> None:
    between = "well let me explain what happened with that parcel of yours last week before we go on with it"
    call = f"A: five five | B: {between} | A: five oh one two three"
    assert mask_segments(segments(call), "US") == [each.text for each in segments(call)]


def test_spans_are_positions_in_the_text() -> None:
    text = "É: five five five oh one two three and jo dot smith at example dot com"
    assert [(text[start:end], mask) for start, end, mask in find_spoken(text, "US", "en")] == [
        ("five five five oh one two three", "[phone]"),
        ("jo dot smith at example dot com", "[mail]"),
    ]


def test_what_is_written_is_masked_too() -> None:
    text = "Jo, jo@example.com, +33 6 12 34 56 78, DE89370400440532013000, order 41155, five five five oh one two three"
    masked = mask_spoken(text, "US", "en")
    assert masked == "Jo, [mail], [phone], [iban], order 41155, [phone]"
    assert mask(masked, "US") == masked


def test_a_transcript_without_segments_has_no_texts() -> None:
    assert mask_segments([], "US") == []
    assert mask_segments([SpokenSegment("")], "US") == [""]


@pytest.mark.parametrize("language", ["en", "fr"])
@pytest.mark.parametrize("is_known", [True, False])
def test_the_error_rates_on_the_phrases(language: str, is_known: bool) -> None:
    """At most 5 % of the phrases with personal data are missed, and at most 2 % of the others are masked."""
    for is_personal, most in ((True, 0.05), (False, 0.02)):
        said = [each for each in phrases() if each.language == language and each.is_personal is is_personal]
        assert len(said) >= 70
        assert {each.half for each in said} == set(HALVES)
        bad = [each.text for each in said if is_wrong(each, language if is_known else None)]
        assert len(bad) <= most * len(said), bad


@pytest.mark.parametrize("name", ["banking77", "bitext_support"])
def test_nothing_is_masked_in_texts_without_personal_data(name: str, data_dir: Path) -> None:
    for file in sorted((data_dir / "text" / name).glob("*.csv")):
        with file.open(encoding="utf-8", newline="") as opened:
            rows = list(csv.DictReader(opened))
        texts = [next(row[column] for column in ("text", "utterance") if column in row) for row in rows]
        assert len(texts) > 500
        assert [text for text in texts[::5] if find_spoken(text, "US", None)] == []
