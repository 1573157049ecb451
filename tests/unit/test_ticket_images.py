"""Pictures of tickets over stand-ins: what each version of a ticket sends, whatever was lost, repeated or overtaken.

Green does not show real fetching, decoding or reading, nor two workers at the same moment: the flow tests show the former.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest

from schemas.failures import FailureReason
from schemas.outcomes import Outcome
from schemas.tickets import TICKET_EVENT, TICKET_POINTS
from shared.errors import Deferred, Rejected
from shared.observers import SettleStep
from shared.records import Point
from tests.support.drawn_tickets import DRAWN_TICKETS, NowPool, Tickets
from tests.support.pictured import at, images, ticket
from tests.support.products import drawn

PICTURED, REMOVED = "pictured", "image_removed"


@pytest.fixture
def tickets() -> Tickets:
    return Tickets()


def with_images(version: int = 1, reason: str = "updated", **media: Mapping[str, Any]) -> dict[str, Any]:
    """Return a version of the ticket with these images, and a text of its own."""
    return ticket(version, "created" if version == 1 else reason, images=images(**media), body=f"text {version}")


def deleted(version: int) -> dict[str, Any]:
    return ticket(version, "deleted", subject=..., body=...)


def outcomes(settled: list[Any]) -> list[Outcome]:
    return [each.outcome for each in settled]


def test_a_new_ticket_sends_each_of_its_images_after_its_result(tickets: Tickets) -> None:
    tickets.settle(with_images(a=drawn("an error"), b=drawn("a mug")))
    assert tickets.sent() == [(PICTURED, "a", 1), (PICTURED, "b", 1)]
    assert [each.topic for each in tickets.parts.sink.delivered][:3] == [
        "tickets.routed",
        "tickets.redo",
        "tickets.redo",
    ]
    assert outcomes(tickets.finish()) == [Outcome.DEFERRED, Outcome.DEFERRED, Outcome.INDEXED, Outcome.INDEXED]
    assert tickets.alive() == {"a": 1, "b": 1}
    assert tickets.payload("a")["read_text"] == "an error"


def test_every_point_is_of_its_schema(tickets: Tickets) -> None:
    tickets.settle(with_images(a=drawn("an error"), b=drawn("")))
    tickets.finish()
    tickets.settle(with_images(2, a=drawn("an error")))
    tickets.finish()
    tickets.settle(deleted(3))
    points = list(tickets.collection.points.values())
    assert [TICKET_POINTS.foreign_reason(each.id, each.payload) for each in points] == [None] * 3


def test_the_vectors_and_the_result_of_a_ticket_do_not_depend_on_its_images(tickets: Tickets) -> None:
    without = Tickets()
    without.settle(with_images())
    tickets.settle(with_images(a=drawn("an error")))
    tickets.finish()
    which = DRAWN_TICKETS.point_id("acme", "T-1")
    assert {name: list(each) for name, each in tickets.collection.points[which].vectors.items()} == {
        name: list(each) for name, each in without.collection.points[which].vectors.items()
    }
    [result], [other] = tickets.parts.results(), without.parts.results()
    assert result == other


def test_an_unchanged_image_is_not_sent_again(tickets: Tickets) -> None:
    tickets.settle(with_images(a=drawn("an error")))
    tickets.settle(with_images(2, a=drawn("an error"), b=drawn("a mug")))
    tickets.settle(with_images(3, "solved", a=drawn("an error"), b=drawn("another mug")))
    assert tickets.sent() == [(PICTURED, "a", 1), (PICTURED, "b", 2), (PICTURED, "b", 3)]
    tickets.finish()
    assert tickets.alive() == {"a": 1, "b": 3}
    assert tickets.payload("b")["read_text"] == "another mug"


def test_an_image_that_a_version_lacks_is_removed_and_can_come_back(tickets: Tickets) -> None:
    tickets.settle(with_images(a=drawn("an error"), b=drawn("a mug")))
    tickets.settle(with_images(2, b=drawn("a mug")))
    tickets.finish()
    assert tickets.alive() == {"b": 1}
    assert "read_text" not in tickets.payload("a")
    tickets.settle(with_images(3, a=drawn("an error"), b=drawn("a mug")))
    tickets.finish()
    assert tickets.alive() == {"a": 3, "b": 1}
    assert "removed_images" not in tickets.payload()


def test_a_deleted_ticket_removes_all_images_that_it_ever_had(tickets: Tickets) -> None:
    tickets.settle(with_images(a=drawn("an error"), b=drawn("a mug")))
    tickets.settle(with_images(2, b=drawn("a mug")))
    tickets.settle(deleted(3))
    assert tickets.sent()[2:] == [(REMOVED, "a", 2), (REMOVED, "a", 3), (REMOVED, "b", 3)]
    tickets.finish()
    assert tickets.alive() == {}
    assert [each["image_id"] for each in tickets.payload()["removed_images"]] == ["a", "b"]


def test_what_is_stored_of_a_ticket_without_images_is_what_it_was(tickets: Tickets) -> None:
    tickets.settle(ticket())
    assert tickets.payload().keys().isdisjoint({"images", "removed_images"})
    tickets.settle(deleted(2))
    assert "removed_images" not in tickets.payload()


def test_an_image_whose_ticket_is_deleted_while_it_waits_is_not_stored(tickets: Tickets) -> None:
    tickets.settle(with_images(a=at("https://shop.example/a")))
    tickets.settle(deleted(2))
    assert outcomes(tickets.finish()) == [Outcome.DEFERRED, Outcome.DELETED, Outcome.SUPERSEDED]
    assert tickets.alive() == {}


STEPS = [step for step in SettleStep if step < SettleStep.PRODUCE]


def crashed(tickets: Tickets, step: SettleStep, *events: dict[str, Any]) -> None:
    """Let a worker die after a step of settling these events."""

    class Killed(Exception):
        pass

    def die(called: str) -> None:
        done = tickets.parts.reported.named("settle_step_done")
        if called == "settle_step_done" and done[-1] == (step,):
            raise Killed

    tickets.parts.reported.watch = die
    with pytest.raises(Killed):
        tickets.settle(*events)
    tickets.parts.reported.watch = None


BEGINNINGS: dict[str, tuple[list[dict[str, Any]], list[tuple[str, str, int]]]] = {
    "brought": ([with_images(a=drawn("x"))], [(PICTURED, "a", 1)]),
    "changed": ([with_images(a=drawn("x")), with_images(2, a=drawn("y"))], [(PICTURED, "a", 2)]),
    "removed": ([with_images(a=drawn("x")), with_images(2)], [(REMOVED, "a", 2)]),
    "solved": (
        [with_images(a=drawn("x")), with_images(2, "solved", b=drawn("y"))],
        [(PICTURED, "b", 2), (REMOVED, "a", 2)],
    ),
    "deleted": ([with_images(a=drawn("x")), deleted(2)], [(REMOVED, "a", 2)]),
}


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("case", BEGINNINGS)
def test_what_a_worker_did_not_send_before_it_died_is_sent_when_its_record_is_read_again(
    tickets: Tickets, case: str, step: SettleStep
) -> None:
    (*before, last), wanted = BEGINNINGS[case]
    for each in before:
        tickets.settle(each)
    sent = len(tickets.sent())
    crashed(tickets, step, last)
    assert len(tickets.sent()) == sent
    tickets.settle(last)
    assert tickets.sent()[sent:] == wanted


@pytest.mark.parametrize("reason", ["updated", "solved"])
def test_a_version_that_lost_sends_what_the_newer_one_took_for_sent(tickets: Tickets, reason: str) -> None:
    first = with_images(a=drawn("x"), b=drawn("y"), c=drawn("z"))
    crashed(tickets, SettleStep.LOOK_AGAIN, first)
    tickets.settle(with_images(2, reason, a=drawn("x"), b=drawn("another")))
    assert tickets.sent() == [(PICTURED, "b", 2), (REMOVED, "c", 2)]
    tickets.settle(first)
    assert tickets.sent()[2:] == [(PICTURED, "a", 1)]
    tickets.finish()
    assert tickets.alive() == {"a": 1, "b": 2}


def test_a_version_that_lost_sends_the_removals_that_the_newer_one_took_for_sent(tickets: Tickets) -> None:
    tickets.settle(with_images(a=drawn("x")))
    crashed(tickets, SettleStep.LOOK_AGAIN, with_images(2))
    tickets.settle(with_images(3))
    tickets.settle(with_images(2))
    assert tickets.sent() == [(PICTURED, "a", 1), (REMOVED, "a", 2)]


def test_a_version_that_lost_to_a_deletion_sends_nothing(tickets: Tickets) -> None:
    first = with_images(a=drawn("x"))
    crashed(tickets, SettleStep.LOOK_AGAIN, first)
    tickets.settle(deleted(2))
    tickets.settle(first)
    assert tickets.sent() == [(REMOVED, "a", 2)]


def overtaking(tickets: Tickets, other: Callable[[], object]) -> None:
    """Let another worker act between the write of this one and its second look."""

    def act(called: str) -> None:
        done = tickets.parts.reported.named("settle_step_done")
        if called == "settle_step_done" and done[-1] == (SettleStep.UPSERT,):
            tickets.parts.reported.watch = None
            other()

    tickets.parts.reported.watch = act


def test_a_version_overtaken_after_its_write_sends_what_the_newer_one_lists_as_its_own(tickets: Tickets) -> None:
    other = Tickets(tickets.collection)
    overtaking(tickets, lambda: other.settle(with_images(2, a=drawn("x"))))
    [settled] = tickets.settle(with_images(a=drawn("x"), b=drawn("y")))
    assert settled.outcome is Outcome.SUPERSEDED
    assert other.sent() == [(REMOVED, "b", 2)]
    assert tickets.sent() == [(PICTURED, "a", 1)]


def test_a_version_overtaken_by_one_that_did_not_know_it_sends_nothing(tickets: Tickets) -> None:
    """The newer version was looked up before this one was written, so that it lists nothing of it."""
    other = Tickets(tickets.collection)
    batch = other.parts.processed(other.record(with_images(2, b=drawn("y"))))
    overtaking(tickets, lambda: other.parts.settler.settle(batch))
    [settled] = tickets.settle(with_images(a=drawn("x"), b=drawn("y")))
    assert settled.outcome is Outcome.SUPERSEDED
    assert (tickets.sent(), other.sent()) == ([], [(PICTURED, "b", 2)])


def test_of_two_contents_of_one_version_the_images_of_the_first_are_sent(tickets: Tickets) -> None:
    tickets.settle(with_images(a=drawn("x"), b=drawn("y")))
    tickets.settle(with_images(a=drawn("x"), b=drawn("another"), c=drawn("z")))
    assert tickets.sent() == [(PICTURED, "a", 1), (PICTURED, "b", 1), (PICTURED, "a", 1)]


def test_what_is_sent_twice_changes_nothing(tickets: Tickets) -> None:
    for _ in range(2):
        tickets.settle(with_images(a=drawn("x")))
    assert len({each.value for each in tickets.parts.delivered("tickets.redo")}) == 1
    tickets.finish()
    assert tickets.parts.reported.named("version_conflict") == []
    assert tickets.alive() == {"a": 1}


def test_of_two_versions_in_one_batch_only_the_newer_sends(tickets: Tickets) -> None:
    tickets.settle(with_images(a=drawn("x")), with_images(2, b=drawn("y")))
    assert tickets.sent() == [(PICTURED, "b", 2)]


def test_a_picture_in_a_batch_with_its_ticket_does_not_delay_it(tickets: Tickets) -> None:
    hung = Tickets(pool=NowPool("hung.example"))
    hung.settle(with_images(a=at("https://hung.example/a")))
    [message] = hung.parts.delivered("tickets.redo")
    next_one = hung.record(ticket(ticket_id="T-2"))
    settled = hung.parts.settle(hung.given(message), next_one, hung.given(message))
    assert outcomes(settled) == [Outcome.DEFERRED, Outcome.ROUTED, Outcome.DEFERRED]


@pytest.mark.parametrize(
    ("failure", "reason", "attempts"),
    [
        (Deferred(FailureReason.MEDIA_NOT_FOUND, "image", "404"), FailureReason.MEDIA_NOT_FOUND, 6),
        (Rejected(FailureReason.MEDIA_FORBIDDEN, "image", "no"), FailureReason.MEDIA_FORBIDDEN, 0),
    ],
)
def test_an_image_that_cannot_be_fetched_ends_as_a_dead_letter(
    tickets: Tickets, failure: Deferred | Rejected, reason: FailureReason, attempts: int
) -> None:
    tickets.parts.fetcher.failures["https://shop.example/a"] = failure
    tickets.settle(with_images(a=at("https://shop.example/a")))
    settled = tickets.finish()
    assert settled[-1].outcome is Outcome.DEAD_LETTERED
    assert settled[-1].failure is not None
    assert settled[-1].failure.reason is reason
    counted = [each.deferral.attempts for each in settled if each.deferral is not None]
    assert max(counted) == attempts
    assert len(tickets.parts.fetcher.asked) == max(1, attempts + 1)
    [letter] = tickets.parts.delivered("tickets.dlq")
    assert letter.value == tickets.parts.delivered("tickets.redo")[0].value
    assert [each.outcome for each in settled[:-1]] == [Outcome.DEFERRED] * (len(settled) - 1)
    assert len(tickets.parts.results()) == 1


def test_a_replayed_dead_letter_is_read(tickets: Tickets) -> None:
    uri = "https://shop.example/a"
    tickets.parts.fetcher.failures[uri] = Rejected(FailureReason.MEDIA_FORBIDDEN, "image", "no")
    tickets.settle(with_images(a=at(uri)))
    tickets.finish()
    assert tickets.alive() == {}
    del tickets.parts.fetcher.failures[uri]
    [letter] = tickets.parts.delivered("tickets.dlq")
    tickets.parts.fetcher.contents[uri] = b"a drawing of an error"
    again = Tickets(tickets.collection)
    again.parts.fetcher.contents = tickets.parts.fetcher.contents
    again.parts.settle(again.given(replace(letter, topic="tickets.redo")))
    again.finish()
    assert again.alive() == {"a": 1}


def test_without_the_setting_images_are_listed_and_nothing_is_sent() -> None:
    from tests.support.assembly import Assembly
    from tests.support.tickets import record
    from workers.tickets.stages import TICKETS

    parts = Assembly(stream=TICKETS)
    [settled] = parts.settle(record(with_images(a=drawn("x"))))
    assert settled.outcome is Outcome.ROUTED
    assert parts.delivered("tickets.redo") == []
    [point] = parts.collection.points.values()
    assert [each["image_id"] for each in _images(point)] == ["a"]
    event = TICKET_EVENT.validate_python(
        {
            **{
                name: value
                for name, value in ticket(1, "pictured").items()
                if name not in ("ticket_id", "subject", "body")
            },
            "occurred_at": "2026-05-01T10:00:00Z",
            "attached_to": "T-1",
            "image_id": "a",
            "image": drawn("x"),
        }
    )
    own = Tickets()
    given = own.record(event.model_dump(mode="json", exclude_none=True), "tickets.redo")
    [refused] = parts.settle(given)
    assert refused.outcome is Outcome.DEAD_LETTERED
    assert refused.failure is not None
    assert "ATTACHMENTS__READ" in refused.failure.detail


def _images(point: Point) -> list[dict[str, Any]]:
    found: Any = point.payload["images"]
    return list(found)


def test_a_damaged_listing_sends_all_images_again(tickets: Tickets) -> None:
    tickets.settle(with_images(a=drawn("x")))
    which = DRAWN_TICKETS.point_id("acme", "T-1")
    point = tickets.collection.points[which]
    tickets.collection.points[which] = replace(point, payload={**point.payload, "images": "mine"})
    tickets.settle(with_images(2, a=drawn("x")))
    assert tickets.sent()[1:] == [(PICTURED, "a", 2)]
