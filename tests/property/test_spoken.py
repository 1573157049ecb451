"""Transcripts of spoken numbers: no segment is lost, masking twice changes nothing, other words stay as they are.

A green run does not prove that every way to say a number is found; `tests/unit/test_spoken.py` counts those of a list.
"""

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.text.speech.words import ENGLISH, FRENCH
from shared.text.spoken import SpokenSegment, find_spoken, mask_segments, mask_spoken

MANY = settings(max_examples=300, deadline=None)


def split(text: str) -> list[str]:
    return text.split()


SCRAPS = split(
    "five oh one two zero double triple hundred thousand forty-two eleven zéro six douze trente-quatre quatre-vingt-dix"
    " mille cent deux fois soixante et onze uh euh then and , . ? - at dot com arobase point fr chez underscore tiret jo"
    " smith G B plus 5 555 0123 06 4111 @ [phone] [mail] order number is my phone card iban commande numéro call extension"
    " area code yes oui b as in bravo gmail DE 89 order_id=21255 + ( ) / 1. .5 İ ١٢"
)
words = st.lists(st.sampled_from(SCRAPS), max_size=25).map(" ".join)
digits = st.lists(st.sampled_from([*ENGLISH.digits, *FRENCH.digits, *FRENCH.tens, "5", ","]), min_size=7, max_size=20)
texts = st.one_of(words, digits.map(" ".join), st.text(max_size=20))
segments = st.lists(
    st.builds(
        SpokenSegment, texts, st.sampled_from([None, "A", "B"]), st.sampled_from([None, "en", "fr", "fr-CA", "de", ""])
    ),
    max_size=6,
)


@MANY
@given(segments, st.sampled_from(["US", "FR", "DK"]))
def test_every_segment_stays_and_masking_twice_changes_nothing(said: list[SpokenSegment], region: str) -> None:
    masked = mask_segments(said, region)
    assert len(masked) == len(said)
    again = [SpokenSegment(text, each.speaker, each.language) for text, each in zip(masked, said, strict=True)]
    assert mask_segments(again, region) == masked


@MANY
@given(texts, st.sampled_from([None, "en", "fr"]))
def test_spans_are_in_order_and_cover_what_is_masked(text: str, language: str | None) -> None:
    spans = find_spoken(text, "US", language)
    assert all(start < end <= len(text) for start, end, _ in spans)
    assert all(end <= start for (_, end, _), (start, _, _) in pairwise(spans))
    if spans:
        assert spans[0][2] in mask_spoken(text, "US", language)


PLAIN = split(
    "the parcel came late and nobody answered , . ? ! bonjour je voudrais savoir quand merci beaucoup « é » -"
)


@MANY
@given(st.lists(st.lists(st.sampled_from(PLAIN), max_size=30).map(" ".join), max_size=5))
def test_text_without_numbers_stays(said: list[str]) -> None:
    assert mask_segments([SpokenSegment(text) for text in said], "US") == said


@MANY
@given(
    st.lists(
        st.sampled_from([word for word, value in ENGLISH.digits.items() if value != "0"]), min_size=9, max_size=12
    ),
    st.sets(st.integers(1, 8), max_size=4),
    st.sampled_from(["mm-hm", "yes", "go on", "okay, got it", "uh-huh."]),
)
def test_a_number_is_masked_wherever_it_is_cut_into_segments(said: list[str], cuts: set[int], answer: str) -> None:
    edges = [0, *sorted(cuts), len(said)]
    call = [SpokenSegment("and the number is", "A", "en")]
    for first, last in pairwise(edges):
        call += [SpokenSegment(" ".join(said[first:last]), "A", "en"), SpokenSegment(answer, "B", "en")]
    masked = mask_segments(call, "US")
    assert masked[1] in ("[phone]", "[card]")
    assert not any(masked[3::2])
    assert masked[2::2] == [answer] * (len(edges) - 1)


@pytest.mark.parametrize("region", ["US", "FR", "GB"])
@MANY
@given(text=st.text(max_size=200))
def test_any_text_can_be_masked(region: str, text: str) -> None:
    mask_spoken(text, region, None)
