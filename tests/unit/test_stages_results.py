"""What a ticket's result contains: its decision, the previous queue and similar tickets.

A green run proves nothing about real models.
"""

from schemas.failures import FailureReason
from schemas.search import SimilarLeftOut
from shared.stream_settings import SearchSettings
from tests.support.assembly import Assembly
from tests.support.tickets import deleted, event
from tests.unit.test_stages import CHANGED, UNCHANGED, payload, send, teach
from workers.tickets.stages import TICKETS


def test_a_new_decision_names_the_queue_of_the_previous_one() -> None:
    parts = Assembly()
    teach(parts)
    send(parts, event())
    send(parts, event(**UNCHANGED), event(event_version=3, reason="updated", body="It has arrived broken."))
    first, second = parts.results()
    assert (first.decision.queue, first.decision.previous_queue) == ("delivery", None)
    assert second.decision.previous_queue == "delivery"


def test_the_first_routing_names_no_previous_queue() -> None:
    parts = Assembly()
    send(parts, event())
    assert parts.results()[0].decision.previous_queue is None


def test_a_ticket_that_an_agent_has_labelled_always_goes_to_review() -> None:
    parts = Assembly()
    teach(parts)
    send(parts, event(ticket_id="T-2"), event(ticket_id="T-3", agent_label="billing"))
    unlabelled, labelled = (result.decision for result in parts.results())
    assert (unlabelled.action, unlabelled.action_reason) == ("auto", "vote_clear")
    assert (labelled.action, labelled.action_reason) == ("review", "agent_decided")


def test_a_changed_ticket_that_an_agent_has_labelled_is_not_moved_automatically() -> None:
    parts = Assembly()
    teach(parts)
    send(parts, event(), event(**CHANGED, agent_label="billing"))
    assert parts.results()[-1].decision.action == "review"


def test_a_label_gives_a_ticket_a_vote_and_a_resolution_makes_it_an_answer() -> None:
    parts = Assembly()
    send(parts, event(reason="rated", agent_label="delivery", resolution="Sent.", satisfaction=5))
    assert set(payload(parts).flags) == {"solved", "labelled"}


def test_similar_tickets_are_solved_well_rated_and_of_the_same_tenant() -> None:
    parts = Assembly()
    answer = {"reason": "rated", "resolution": "Sent again.", "satisfaction": 5}
    send(
        parts,
        event(ticket_id="good", **answer | {"body": "1"}) | answer,
        event(ticket_id="open", body="2"),
        event(ticket_id="badly-rated", **answer | {"satisfaction": 1, "body": "3"}),
        event(ticket_id="unrated", **answer | {"satisfaction": ..., "body": "4"}),
        event(ticket_id="foreign", tenant_id="other", **answer | {"body": "5"}),
        event(ticket_id="gone", **answer | {"body": "6"}),
        deleted(ticket_id="gone", event_version=2),
        event(),
    )
    assert [similar.ticket_id for similar in parts.results()[-1].similar] == ["good"]


def test_a_result_without_a_similar_ticket_shows_how_many_were_left_out() -> None:
    parts = Assembly()
    for number, rating in enumerate((None, None, 2)):
        send(parts, event(ticket_id=f"S-{number}", body=str(number), reason="solved", satisfaction=rating))
    send(parts, event())
    [result] = parts.results()
    assert result.similar == ()
    assert result.similar_left_out == SimilarLeftOut(unrated=2, rated_too_low=1)


def test_an_empty_ticket_abstains() -> None:
    parts = Assembly()
    teach(parts)
    send(parts, event(subject="", body="  "))
    assert parts.results()[-1].decision.action_reason == "no_text"


def test_a_vector_that_is_not_finite_dead_letters_the_record() -> None:
    parts = Assembly()
    [settled] = send(parts, event(subject="NANVECTOR"))
    assert settled.failure is not None
    assert settled.failure.reason is FailureReason.VECTOR_NOT_FINITE


def test_if_no_similar_tickets_are_requested_the_store_is_not_searched() -> None:
    parts = Assembly(similar=SearchSettings(limit=0))
    send(parts, event())
    assert parts.effects.count("search 1") == 1
    assert not any(effect.startswith(("candidates", "payloads")) for effect in parts.effects)
    assert parts.results()[0].similar == ()


def test_the_collection_has_both_vectors_and_the_fields_that_filters_use() -> None:
    spec = TICKETS.spec("tickets__m__f", {"text": 8})
    assert (spec.alias, spec.vectors) == ("tickets", {"text": 8, "resolution": 8})
    assert set(spec.indexes) >= {"tenant_id", "flags", "satisfaction", "occurred_at"}
