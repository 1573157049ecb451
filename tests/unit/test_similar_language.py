"""Similar tickets in the question's language come first, those in another are marked, and are not quoted.

A green run does not prove that the default penalty is a good one: `docs/languages.md` has the measurement.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest
from rich.console import Console

from millrace.search_answers import TextAsked, print_found
from schemas.search import SimilarTicket
from shared.records import Point
from shared.search.shown import SOLVED_TICKETS
from shared.search.similar import Found, Question, SimilarSearch
from shared.stream_settings import SearchSettings
from tests.support.assembly import Assembly
from tests.support.solved import ASKED, collection, names, solved, unit
from tests.support.tickets import event
from tests.unit.test_stages import send
from workers.tickets.stages import TICKETS

FRENCH: dict[str, Any] = {"detected_language": "fr", "language": None}
ENGLISH: dict[str, Any] = {"detected_language": "en", "language": None}


def found(*points: Point, language: str | None, **settings: Any) -> Found[SimilarTicket]:
    """Return the hits of a question in some language."""
    search = SimilarSearch(collection(*points), SOLVED_TICKETS, SearchSettings(**settings), TICKETS.points.is_ours)
    [answer] = search.find([Question("acme", ASKED, unit(1.0), datetime(2026, 1, 1, tzinfo=UTC), language=language)])
    return answer


def test_a_hit_in_another_language_loses_a_share_of_its_score_and_is_marked() -> None:
    [hit] = found(solved("a", 0.8, **ENGLISH), language="fr", other_language_penalty=0.25).similar
    assert (hit.language, hit.other_language, hit.parts.language) == ("en", True, 0.75)
    assert hit.score == pytest.approx((hit.parts.dense + hit.parts.lexical) * hit.parts.decay * 0.75)


def test_the_same_language_wins_unless_the_other_is_much_better() -> None:
    other, same = solved("other", 0.85, **ENGLISH), solved("same", 0.8, **FRENCH)
    assert names(found(other, same, language="fr")) == ["same", "other"]
    assert names(found(other, same, language="fr", other_language_penalty=0)) == ["other", "same"]
    assert names(found(other, solved("same", 0.7, **FRENCH), language="fr")) == ["other", "same"]


def test_without_a_hit_in_the_same_language_the_others_appear_in_their_order() -> None:
    points = [solved(f"s{n}", 0.9 - n / 10, **ENGLISH) for n in range(3)]
    for penalty in (0.1, 1.0):
        answer = found(*points, language="fr", other_language_penalty=penalty)
        assert sorted(names(answer)) == ["s0", "s1", "s2"]
        assert all(hit.other_language for hit in answer.similar)
    assert names(found(*points, language="fr")) == ["s0", "s1", "s2"]


@pytest.mark.parametrize(
    ("stored", "asked"),
    [
        ({}, "fr"),
        ({"language": None}, "fr"),
        (ENGLISH, None),
        ({}, None),
        (FRENCH, "fr"),
        ({"language": "fr-CA"}, "fr"),
    ],
)
def test_an_unknown_or_equal_language_is_neither_marked_nor_penalised(
    stored: Mapping[str, Any], asked: str | None
) -> None:
    [hit] = found(solved("a", 0.8, **stored), language=asked).similar
    assert (hit.other_language, hit.parts.language) == (False, 1.0)


def test_the_hint_of_a_point_of_an_earlier_version_counts() -> None:
    [hit] = found(solved("a", 0.8, language="EN-gb"), language="fr").similar
    assert (hit.language, hit.other_language) == ("en", True)


def test_a_language_of_another_type_is_that_of_another_program() -> None:
    assert names(found(solved("a", 0.8, detected_language=7), solved("b", 0.7, **FRENCH), language="fr")) == ["b"]


# --- the suggested reply ---


@pytest.mark.parametrize(
    ("stored", "asked", "quoted"),
    [
        (FRENCH, "fr", True),
        (ENGLISH, "fr", False),
        (FRENCH | {"resolution_language": "en"}, "fr", False),
        (ENGLISH | {"resolution_language": "fr"}, "fr", True),
        ({"language": "en"}, "fr", False),
        ({}, "fr", True),
        (ENGLISH, None, True),
    ],
)
def test_a_reply_quotes_only_resolutions_in_the_question_s_language_if_both_are_known(
    stored: Mapping[str, Any], asked: str | None, quoted: bool
) -> None:
    answer = found(solved("a", 0.9, **stored), language=asked)
    assert names(answer) == ["a"]
    assert (answer.reply is not None) == quoted


def test_a_reply_leaves_out_the_sentences_of_another_language() -> None:
    english = solved("en", 0.9, resolution="The parcel was found.", **ENGLISH)
    french = solved("fr", 0.6, resolution="Le colis a été retrouvé.", **FRENCH)
    reply = found(english, french, language="fr").reply
    assert reply is not None
    assert [sentence.ticket_id for sentence in reply.sentences] == ["fr"]


# --- through a worker, and as commands show it ---


def test_a_result_marks_a_hit_in_another_language_and_quotes_nothing_from_it() -> None:
    parts = Assembly()
    answer = {"reason": "rated", "satisfaction": 5, "resolution": "The parcel was found and delivered the next day."}
    send(parts, event(ticket_id="S-1", body="It should have been here last week.", **answer))
    send(parts, event(subject="Colis perdu", body="Mon colis n'est toujours pas arrivé, que faire ?", language="en"))
    send(parts, event(ticket_id="T-2"))
    french, english = parts.results()
    assert [(hit.language, hit.other_language) for hit in french.similar] == [("en", True)]
    assert [(hit.language, hit.other_language) for hit in english.similar] == [("en", False)]
    assert french.suggested_reply is None


def shown(ticket: SimilarTicket) -> str:
    console = Console(width=200, highlight=False)
    with console.capture() as capture:
        print_found(console, Found((ticket,)), SearchSettings(), TextAsked("acme", ASKED), TICKETS)
    return capture.get()


def test_a_command_names_the_other_language() -> None:
    [hit] = found(solved("a", 0.8, **ENGLISH), language="fr").similar
    assert "(0.800 + 0.000) * 1.00 * 0.90; 2026-01-01, rated 5, in another language (en)" in shown(hit)
    [hit] = found(solved("a", 0.8, **ENGLISH), language="en").similar
    assert "(0.800 + 0.000) * 1.00; 2026-01-01, rated 5\n" in shown(hit)
