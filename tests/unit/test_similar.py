"""Similar solved tickets over a store in memory: which are offered, what a hit shows, when a reply is suggested.

A green run does not prove that the hits are good (`millrace similar evaluate`), nor that the real store finds them
(`tests/contract/test_vectorstore_hybrid.py`).
"""

import math
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import numpy as np
import pytest

from schemas.search import SimilarLeftOut
from shared.errors import Unavailable
from shared.records import Embedded
from shared.search.ranking import LEAST_TERMS
from shared.search.shown import SOLVED_TICKETS
from shared.search.similar import SHOWN_TERMS, Question, SimilarSearch
from tests.support.assembly import prepared_item
from tests.support.fakes import DIM, FakeCollection
from tests.support.solved import ASKED, ITSELF, SETTINGS, TERMS, collection, found, names, solved, unit
from tests.support.tickets import event, record
from workers.tickets.decide import find_similar
from workers.tickets.prepare import TicketItem
from workers.tickets.stages import TICKETS

# --- points of other programs ---


def test_scores_that_are_not_numbers_are_left_out() -> None:
    store = collection(solved("a", 0.5))
    spoilt = replace(solved("b", 0.9), vectors={"text": np.full(DIM, np.nan, np.float32)})
    store.points[spoilt.id] = spoilt
    [answer] = SimilarSearch(store, SOLVED_TICKETS, SETTINGS, TICKETS.points.is_ours).find(
        [Question("acme", ASKED, unit(1.0), datetime.now(UTC))]
    )
    assert names(answer) == ["a"]


def test_only_a_query_whose_best_hits_include_foreign_ones_is_repeated() -> None:
    ours = [solved(f"s{number}", 0.5 - number / 100) for number in range(6)]
    far = [solved(f"o{number}", 0.5 - number / 100, tenant_id="other") for number in range(6)]
    foreign = [
        solved(f"f{number}", 0.9, text_digest=f"f{number}", point_id=UUID(int=100 + number)) for number in range(90)
    ]
    store = collection(*ours, *far, *foreign)
    questions = [Question(tenant, ASKED, unit(1.0), datetime(2026, 1, 1, tzinfo=UTC)) for tenant in ("other", "acme")]
    answers = SimilarSearch(store, SOLVED_TICKETS, SETTINGS, TICKETS.points.is_ours).find(questions)
    assert [names(answer) for answer in answers] == [[f"o{n}" for n in range(5)], [f"s{n}" for n in range(5)]]
    assert store.effects[:3] == ["candidates 2", "payloads", "candidates 1"]
    store.effects.clear()
    SimilarSearch(store, SOLVED_TICKETS, SETTINGS, TICKETS.points.is_ours).find(questions[:1])
    assert store.effects == ["candidates 1", "payloads"], "without foreign hits there is no second query"


# --- which are offered ---


def test_hits_come_best_first_up_to_the_requested_number() -> None:
    points = [solved(f"s{n}", 0.9 - n / 10) for n in range(7)]
    assert names(found(*points)) == ["s0", "s1", "s2", "s3", "s4"]
    assert names(found(*points, limit=2)) == ["s0", "s1"]
    assert names(found(*points, limit=0)) == []


def test_duplicates_are_folded_and_others_take_their_places() -> None:
    points = [solved(f"s{n}", 0.95 - n / 20, text_digest="same" if n < 5 else str(n)) for n in range(9)]
    assert names(found(*points)) == ["s0", "s5", "s6", "s7", "s8"]


@pytest.mark.parametrize(
    "changes", [{"flags": ["labelled"]}, {"satisfaction": 3}, {"satisfaction": None}, {"tenant_id": "other"}]
)
def test_a_ticket_that_is_no_answer_is_left_out_however_it_was_found(changes: dict[str, Any]) -> None:
    assert names(found(solved("a", 0.9, ASKED, **changes))) == []


def test_the_lowest_rating_is_a_setting() -> None:
    assert names(found(solved("a", 0.9, satisfaction=2), min_satisfaction=2)) == ["a"]


def test_unrated_tickets_are_offered_only_if_configured() -> None:
    unrated, bad = solved("unrated", 0.8, satisfaction=None), solved("bad", 0.9, satisfaction=1)
    answer = found(unrated, bad, include_unrated=True)
    assert names(answer) == ["unrated"]
    assert answer.similar[0].satisfaction is None
    assert names(found(unrated, bad)) == []


def test_a_ticket_does_not_resemble_itself() -> None:
    assert names(found(solved("itself", 1.0, ASKED, ITSELF), solved("a", 0.5), limit=1)) == ["a"]


def test_the_ticket_itself_does_not_take_a_candidate_s_place() -> None:
    others = [solved(f"s{n}", 0.5 - n / 100) for n in range(5)]
    assert len(found(solved("itself", 1.0, "", ITSELF), *others, candidates=5).similar) == 5


def test_shared_rare_terms_win_over_a_slightly_nearer_vector() -> None:
    noise = [solved(f"n{n}", 0.1, f"word{n} thing{n}") for n in range(30)]
    near, reporting = solved("near", 0.80, "something else"), solved("reporting", 0.79, "zyxw code")
    assert names(found(*noise, near, reporting, text="what about zyxw"))[:2] == ["reporting", "near"]
    assert names(found(*noise, near, reporting, text="what about zyxw", bm25_weight=0))[:2] == ["near", "reporting"]


def test_a_ticket_found_by_its_terms_alone_is_offered() -> None:
    points = [solved(f"s{n}", 0.5) for n in range(30)]
    answer = found(*points, solved("worded", 0.1, ASKED), candidates=5, bm25_weight=1.0)
    assert names(answer)[0] == "worded"


def test_of_equal_hits_the_fresher_comes_first_and_age_is_measured_from_the_event() -> None:
    old, fresh = solved("old", 0.8, occurred_at="2024-01-01T00:00:00Z"), solved("fresh", 0.8)
    assert names(found(old, fresh)) == ["fresh", "old"]
    asked_then = found(old, fresh, at="2024-01-01T00:00:00Z")
    assert [ticket.parts.decay for ticket in asked_then.similar] == [1.0, 1.0]


# --- what a hit shows ---


def test_a_score_is_the_sum_of_its_parts() -> None:
    [hit] = found(solved("a", 0.75, "the parcel of Monday"), at="2027-01-01T00:00:00Z").similar
    assert hit.parts.dense == pytest.approx(0.75)
    assert hit.parts.bm25 > 0
    assert TERMS.of_query(ASKED).indices.size < LEAST_TERMS
    assert hit.parts.lexical == pytest.approx(SETTINGS.bm25_weight * hit.parts.bm25 / math.sqrt(LEAST_TERMS))
    assert hit.parts.decay == pytest.approx(0.95)
    assert hit.score == pytest.approx((hit.parts.dense + hit.parts.lexical) * hit.parts.decay)


def test_a_hit_shows_the_ticket() -> None:
    [hit] = found(solved("a", 0.75, "body", label=None)).similar
    assert (hit.ticket_id, hit.label, hit.subject, hit.resolution, hit.satisfaction) == (
        "a",
        None,
        "a",
        "Sent again.",
        5,
    )
    assert hit.occurred_at == datetime(2026, 1, 1, tzinfo=UTC)


def test_shared_terms_are_the_words_of_the_query_apart_from_their_endings() -> None:
    [hit] = found(solved("a", 0.75, "Parcels arriving never", subject="MONDAY")).similar
    assert hit.shared_terms == ("parcel", "arrived", "monday")


def test_text_that_was_cut_from_a_hit_shares_no_terms_and_is_not_quoted() -> None:
    kept: dict[str, Any] = {
        "body_embedded": "Parcels arriving",
        "resolution": "Sent again.\nBest regards\nAl",
        "resolution_embedded": "Sent again.",
    }
    answer = found(solved("a", 0.75, "Parcels arriving\n> on Monday", **kept))
    assert answer.similar[0].shared_terms == ("parcel", "arrived")
    assert answer.similar[0].resolution == kept["resolution"]
    assert answer.reply is not None
    assert answer.reply.text == "Sent again."


def test_the_number_of_shared_terms_is_limited() -> None:
    words = " ".join(f"word{n}" for n in range(50))
    [hit] = found(solved("a", 0.75, words), text=words).similar
    assert hit.shared_terms == tuple(f"word{n}" for n in range(SHOWN_TERMS))


def test_a_cosine_just_above_one_by_a_rounding_error_becomes_one() -> None:
    vector = unit(1.0) * np.float32(1.0001)
    [hit] = found(replace(solved("a", 1.0), vectors={"text": vector})).similar
    assert hit.parts.dense == 1.0


# --- the reply ---


def test_a_reply_quotes_the_resolutions_of_hits_that_are_similar_enough() -> None:
    answer = found(
        solved("a", 0.9, resolution="We sent it again."), solved("b", 0.4, resolution="We closed the account.")
    )
    assert answer.reply is not None
    assert answer.reply.text == "We sent it again."
    assert [sentence.ticket_id for sentence in answer.reply.sentences] == ["a"]


def test_no_reply_is_suggested_if_the_best_hit_is_too_weak_or_has_no_resolution() -> None:
    assert found(solved("a", 0.49)).reply is None
    assert found(solved("a", 0.9, resolution=None)).reply is None
    assert found().reply is None
    assert found(solved("a", 0.49), reply_at=0.4).reply is not None


# --- the store, and the worker's part ---


def test_a_batch_needs_one_query_and_one_read() -> None:
    points = collection(solved("a", 0.9), solved("b", 0.8))
    search = SimilarSearch(points, SOLVED_TICKETS, SETTINGS, TICKETS.points.is_ours)
    asked = [Question("acme", ASKED, unit(1.0), datetime(2026, 1, 1, tzinfo=UTC)) for _ in range(3)]
    assert [names(answer) for answer in search.find(asked)] == [["a", "b"]] * 3
    assert points.effects == ["candidates 3", "payloads"]
    assert search.find([]) == []


def test_a_hit_that_was_deleted_before_it_is_read_is_left_out() -> None:
    class Vanishing(FakeCollection):
        def payloads(self, ids: Any, fields: tuple[str, ...]) -> Any:
            return {which: {"ticket_id": "b"} for which in ids if self.points[which].payload["ticket_id"] == "b"}

    points = Vanishing()
    points.upsert([solved("a", 0.9), solved("b", 0.8)])
    [answer] = SimilarSearch(points, SOLVED_TICKETS, SETTINGS, TICKETS.points.is_ours).find(
        [Question("acme", ASKED, unit(1.0), datetime(2026, 1, 1, tzinfo=UTC))]
    )
    assert (answer.similar, answer.reply) == ((), None)


def test_a_store_that_cannot_be_read_is_unavailable() -> None:
    points = collection(solved("a", 0.9))
    points.failures.append(Unavailable("store", "down"))
    with pytest.raises(Unavailable):
        SimilarSearch(points, SOLVED_TICKETS, SETTINGS, TICKETS.points.is_ours).find(
            [Question("acme", "", unit(1.0), datetime.now(UTC))]
        )


def test_an_item_gets_its_hits_and_its_reply_and_does_not_find_itself() -> None:
    item: TicketItem = prepared_item(record(event(customer_id="C-7")))
    item.embedded["text"] = Embedded(unit(1.0), 1)
    points = collection(solved("T-1", 1.0, "", item.point_id), solved("a", 0.9, "my parcel", customer_id="C-7"))
    find_similar([item], SimilarSearch(points, SOLVED_TICKETS, SETTINGS, TICKETS.points.is_ours))
    assert [ticket.ticket_id for ticket in item.similar] == ["a"]
    assert item.similar[0].shared_terms == ("parcel",)
    assert item.similar[0].same_customer is True
    assert item.suggested_reply is not None
    assert item.similar_left_out is None
    unrated = {"satisfaction": None, "event_version": 2}
    points.upsert([replace(p, version=2, payload={**p.payload, **unrated}) for p in list(points.points.values())])
    find_similar([item], SimilarSearch(points, SOLVED_TICKETS, SETTINGS, TICKETS.points.is_ours))
    assert not item.similar
    assert item.similar_left_out == SimilarLeftOut(unrated=2, rated_too_low=0)
