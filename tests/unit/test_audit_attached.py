"""The audit of pictures that follow tickets, over topics held in memory: clean after a clean run, not after each loss.

A green run does not prove that the real reader returns every record: the tests on brokers check that.
"""

from dataclasses import replace
from typing import Any

import pytest

from schemas.failures import FailureReason
from shared.audit.comparison import AuditReport
from shared.errors import Rejected
from shared.records import Record, TopicPartition, Watermarks
from shared.retry.lane import read_waiting, redo_message
from tests.support.assembly import Assembly
from tests.support.audited import World, counts
from tests.support.drawn_tickets import DRAWN_TICKETS, REDO, NowPool
from tests.support.pictured import at, images, ticket
from tests.support.products import drawn
from tests.support.streams import Kind
from tests.support.tickets import record

RETRY = "tickets.retry.1"
ITEM = DRAWN_TICKETS.point_id("acme", "T-1")


class PicturedWorld(World):
    """A stream of tickets with pictures, whose redo topic and retry lane are processed on request."""

    def __init__(self) -> None:
        super().__init__(Kind(DRAWN_TICKETS, ("decision", "action_reason")))
        self.parts = Assembly(stream=DRAWN_TICKETS, pool=NowPool())
        self._done = 0

    def tickets(self, *events: dict[str, Any]) -> None:
        """Settle events of tickets, each as a batch."""
        for each in events:
            self.settle(record(each, len(self.reader.topics["tickets"])))

    def redo(self) -> None:
        """Settle everything in the redo topic, until nothing comes back."""
        while self._done < len(self.reader.topics[REDO]):
            self.settle(self.reader.topics[REDO][self._done])
            self._done += 1
            for waiting in self.reader.topics[RETRY][len(self._redriven()) :]:
                self.reader.write(redo_message(waiting, "tickets"))

    def _redriven(self) -> list[Record]:
        return [each for each in self.reader.topics[REDO] if read_waiting(each) is not None]


@pytest.fixture
def world() -> PicturedWorld:
    made = PicturedWorld()
    made.tickets(
        ticket(images=images(a=drawn("x"), b=drawn("y"))),
        ticket(2, "updated", images=images(a=drawn("x"))),
    )
    return made


def test_a_clean_run_is_clean(world: PicturedWorld) -> None:
    world.redo()
    findings = world.audit()
    assert findings.clean, findings
    assert (counts(findings), findings.points, findings.foreign) == ({}, 3, 0)


def test_what_waits_in_the_redo_topic_is_pending(world: PicturedWorld) -> None:
    findings = world.audit()
    assert findings.clean, findings
    assert counts(findings) == {"pending": 3}


def without(world: PicturedWorld, image_id: bytes) -> AuditReport:
    """Return what the audit finds if everything that was sent of an image is lost."""
    held = world.reader.topics[REDO]
    world.reader.topics[REDO] = [each for each in held if not (each.key or b"").endswith(b"\x1f" + image_id)]
    world.reader.marks.setdefault(TopicPartition(REDO, 0), Watermarks(0, len(held)))
    return world.audit()


@pytest.mark.parametrize(("image_id", "lost"), [(b"a", 1), (b"b", 1)])
def test_a_picture_or_a_removal_that_was_not_sent_is_missing(world: PicturedWorld, image_id: bytes, lost: int) -> None:
    findings = without(world, image_id)
    assert counts(findings)["missing"] == lost
    assert "it was not sent" in findings.examples["missing"][0]
    assert not findings.clean


def test_what_the_redo_topic_no_longer_holds_is_purged(world: PicturedWorld) -> None:
    world.reader.marks[TopicPartition(REDO, 0)] = Watermarks(9, 12)
    assert counts(without(world, b"a"))["purged"] == 1


def test_what_a_worker_has_not_committed_is_not_missed(world: PicturedWorld) -> None:
    world.reader.offsets[TopicPartition("tickets", 0)] = 0
    assert counts(without(world, b"a")) == {"pending": 4}


def test_a_picture_whose_ticket_does_not_list_it_is_stale(world: PicturedWorld) -> None:
    world.redo()
    points = world.parts.collection.points
    points[ITEM] = replace(points[ITEM], payload={**points[ITEM].payload, "images": []})
    findings = world.audit()
    assert counts(findings) == {"stale": 1}
    assert "does not list it" in findings.examples["stale"][0]


def test_a_removed_picture_that_its_ticket_lists_is_stale(world: PicturedWorld) -> None:
    world.redo()
    points = world.parts.collection.points
    listed = points[ITEM].payload["images"]
    assert isinstance(listed, list)
    other = {**listed[0], "image_id": "b"}
    points[ITEM] = replace(points[ITEM], payload={**points[ITEM].payload, "images": [*listed, other]})
    findings = world.audit()
    assert counts(findings) == {"stale": 1}
    assert "is a tombstone" in findings.examples["stale"][0]


def test_a_picture_that_ended_as_a_dead_letter_is_not_missing() -> None:
    world = PicturedWorld()
    uri = "https://shop.example/a"
    world.parts.fetcher.failures[uri] = Rejected(FailureReason.MEDIA_FORBIDDEN, "image", "no")
    world.tickets(ticket(images=images(a=at(uri))))
    world.redo()
    findings = world.audit()
    assert findings.clean, findings
    assert findings.outcomes["dead_lettered"] == 1


def test_of_a_deleted_ticket_every_picture_has_a_tombstone(world: PicturedWorld) -> None:
    world.tickets(ticket(3, "deleted", subject=..., body=...))
    world.redo()
    findings = world.audit()
    assert findings.clean, findings
    assert findings.outcomes["deleted"] == 4
