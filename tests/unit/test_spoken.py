"""Masking of spoken data, case by case: over segments, over speakers, and what stays.

A green run does not prove that every way to say a number is found; `benchmarks/spoken_phrases.toml` holds more of them.
"""

import csv
from pathlib import Path

import pytest

from benchmarks.spoken_phrases import PARTS, is_wrong, phrases
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
        ("six one seven, let me look, five five five, oh one four two", "[phone], let me look, [phone]"),
        ("so 303 555, let me see here now, 0150", "so [phone], let me see here now, [phone]"),
        (
            "the first three are five five five and the last four are oh one two three",
            "the first three are [phone] and the last four are [phone]",
        ),
        ("It's area code 415, 555, 0 1 double 3.", "It's area code [phone]."),
        ("the old one was five five five oh one one one", "the old one was [phone]"),
        ("five five five oh one two one is my number", "[phone] is my number"),
        ("gb twenty-nine, nwbk, sixty sixteen, thirteen thirty-one, ninety-two sixty-eight, nineteen", "[iban]"),
        ("DE89 dash 3704 dash zero zero four four, okay, 0 5 3 2 dash 0130 - 00.", "[iban]."),
        ("the account is ES91, and 2100, and 0 4 1 8, 4 5 0 2, zero zero zero five, 1332", "the account is [iban]"),
        ("Jo. Dot. Smith. At. Example. Dot. Co. Dot. Uk.", "[mail]."),
        ("it's jo, that's J O, dot smith at outlook dot com", "it's [mail]"),
        ("jo full stop smith at the rate example dot c o m", "[mail]"),
        ("jsmith the number two at example dot com", "[mail]"),
        ("jo smith two thousand and four at hotmail dot com", "[mail]"),
        ("J, O, underscore, S, M, I, T, H, at, E, X, A, M, P, L, E, dot, com", "[mail]"),
        ("my first initial, j, then smith at example dot com", "my first initial, [mail]"),
        ("the number on the account is still my old, four oh four five five five oh one two six",
         "the number on the account is still my old, [phone]"),
        ("it's 702-555-0155, that's my work line, extension 42.", "it's [phone], that's my work line, [phone]."),
        ("sam period rivers at example period com", "[mail]"),
        ("please write to info at my-shop.example", "please write to [mail]"),
        ("my email is sam rivers, R-I-V-E-R-S, 82, at gmail.com", "my email is [mail]"),
        ("it's the green door at gmail dot com, all one word", "it's [mail], all one word"),
        ("phone number or order number? 2125550147", "phone number or order number? [phone]"),
        ("let me check, 2125550147", "let me check, [phone]"),
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
        (
            "zéro six, je le connais mal, trente-neuf quatre-vingt-dix-huit onze douze",
            "[phone], je le connais mal, [phone]",
        ),
        ("jean trait d'union dupont a rond example point com", "[mail]"),
        ("durand avec un D, arobase example point fr", "[mail]"),
        ("J majuscule, dupont, arobase example point com", "[mail]"),
        ("jean point dupont chez mon entreprise point com", "[mail]"),
        ("marie, M A R I E, point dupont, arobase sfr point fr", "[mail]"),
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
        "Count to ten. One. Two. Three. Four. Five. Six. Seven. Eight. Nine. Ten.",
        "error zero x eight zero zero seven zero zero zero five", "minus five, zero, two, five, nine, eleven",
        "my policy number, let me find it, eight oh oh, seven one four, two two nine six",
        "le code de confirmation c'était sept, zéro, zéro, neuf, un, cinq, deux",
        "le colis huit R zéro zéro quatre cinq un un deux neuf",
        "the order, it's one one three, five five five, oh one two three",
        "My order's eight one seven dash four four one dash nine.",
        "code produit zéro zéro sept, quatre-vingt-dix-neuf, douze",
        "either four oh five to six thirty, or eleven oh five", "in nineteen seventy-four, twenty oh seven",
        "my lucky numbers are four, eight, fifteen, sixteen, twenty three and forty two",
        "thirty-one, twenty six, fifty one, sixty and forty-two",
        "What's your order number? It's 2125550147.", "your policy number is AB 212 555 0147",
        "the member ID is W 2 1 2 5 5 5 0 1 4 7", "votre numéro de commande ? c'est le 2125550147",
        "The tracking number starts with 1Z and then 999 AA1 01 2345 6784.",
        "Which serial? Four oh four, five five five, oh one two six.", "frequent flyer number 7 7 4 0 9 1 1 2 8",
        "we looked at example dot com", "the status is at tracking dot example dot com slash parcels",
        "it is on sale at target dot com", "the bus leaves at 0745, 0815 or 0845",
        "locker 2 0 5, code 0 0 4 4", "the code on the box is 0 3 6 0 0 0 2 9 1 4 5 2",
        "entre 1 800 et 2 000 mètres carrés", "date of birth? 0 3 1 4 1 9 7 5", "le colis 8 R 0 0 4 5 1 1 2 9 8 3",
        "trois cent quarante euros trente-trois, puis dix-sept quatre-vingt-quatre et 5,57",
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
        ("A: 4242 | B: 4242? | A: 4242 | B: yes | A: 4242 | A: 4242", ["[card]", "", "", "yes", "", ""]),
        ("A: zero four | B: zero four, go | A: 65 71 12 | B: 12? | A: 46", ["[phone]", ", go", "", "", ""]),
        ("A: Order number? | B: It's 2125550147.", ["Order number?", "It's 2125550147."]),
        ("A: Order number? | B: No idea. My cell is 2125550147.", ["Order number?", "No idea. My cell is [phone]."]),
        ("A: Account number? | B: No idea, look for +1 212 555 0147.", ["Account number?", "No idea, look for [phone]."]),
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
        assert {each.part for each in said} == set(PARTS)
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
