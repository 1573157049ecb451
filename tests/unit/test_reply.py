"""The suggested reply: which sentences are quoted, from which ticket, in which order, and how many.

A green run does not prove that a reply helps an agent: nobody has rated one.
"""

import pytest

from shared.search.reply import REPLY_LIMIT_CHARS, SENTENCE_LIMIT_CHARS, SENTENCES, Resolution, suggest


def quoted(*resolutions: tuple[str, str, float]) -> list[tuple[str, str]]:
    reply = suggest([Resolution(*each) for each in resolutions])
    return [] if reply is None else [(sentence.ticket_id, sentence.text) for sentence in reply.sentences]


def test_without_hits_to_quote_no_reply_is_suggested() -> None:
    assert suggest([]) is None
    assert suggest([Resolution("a", " \n ", 0.9), Resolution("b", "... !", 0.9)]) is None


def test_a_sentence_is_quoted_word_for_word_with_its_ticket() -> None:
    reply = suggest([Resolution("a", "Parcel   found,\tsent again.", 0.9)])
    assert reply is not None
    assert reply.text == "Parcel found, sent again."
    assert [(each.ticket_id, each.text) for each in reply.sentences] == [("a", "Parcel found, sent again.")]


def test_a_sentence_that_several_resolutions_share_comes_before_a_detail_of_the_best() -> None:
    sentences = quoted(
        ("a", "Greeted the customer warmly today. Refund issued to the card.", 0.80),
        ("b", "Refund issued to the card within days.", 0.79),
        ("c", "Card refund issued. Phoned the warehouse twice.", 0.78),
    )
    assert sentences == [("a", "Refund issued to the card.")]


def test_the_better_hit_comes_first_if_nothing_is_shared() -> None:
    sentences = quoted(("a", "Alpha bravo charlie.", 0.9), ("b", "Delta echo foxtrot.", 0.8))
    assert sentences == [("a", "Alpha bravo charlie."), ("b", "Delta echo foxtrot.")]


def test_the_same_statement_is_quoted_once() -> None:
    sentences = quoted(("a", "New card sent by post.", 0.9), ("b", "New card sent by post!", 0.8))
    assert sentences == [("a", "New card sent by post.")]


def test_at_most_three_sentences_are_quoted_in_reading_order() -> None:
    text = "First step here. Second step there. Third thing done. Fourth matter closed."
    assert len(quoted(("a", text, 0.9))) == SENTENCES
    assert quoted(("a", text, 0.9))[0] == ("a", "First step here.")


def test_sentences_far_below_the_best_one_do_not_pad_the_reply() -> None:
    assert quoted(("a", "Alpha bravo charlie.", 0.9), ("b", "Delta echo foxtrot.", 0.6)) == [
        ("a", "Alpha bravo charlie.")
    ]


def test_the_length_is_limited_and_no_sentence_is_cut() -> None:
    texts = [" ".join(f"{letter}word{n}" for n in range(32)) + "." for letter in "abc"]
    reply = suggest([Resolution(str(place), text, 0.9) for place, text in enumerate(texts)])
    assert reply is not None
    assert len(reply.text) <= REPLY_LIMIT_CHARS
    assert all(sentence.text in texts for sentence in reply.sentences)
    assert quoted(("a", "x" * (SENTENCE_LIMIT_CHARS + 1), 0.9)) == []


def test_only_the_beginning_of_a_very_long_resolution_is_read_in_whole_sentences() -> None:
    text = "Opening words here. " + "Some filler words follow now. " * 500
    assert {sentence for _, sentence in quoted(("a", text, 0.9))} <= {
        "Opening words here.",
        "Some filler words follow now.",
    }


@pytest.mark.parametrize(
    "hostile", ["." * 20_000, "! " * 10_000, "\n" * 20_000, "a" * 20_000, "\x00" * 100, "🎉" * 5_000]
)
def test_unusual_resolutions_do_not_cause_errors(hostile: str) -> None:
    assert quoted(("odd", hostile, 0.9), ("a", "Sent again.", 0.8)) == [("a", "Sent again.")]


def test_the_same_input_gives_the_same_reply() -> None:
    given = [Resolution(str(n), f"Same words here. Different thing number{n} done.", 0.5) for n in range(5)]
    assert suggest(given) == suggest(list(given))
