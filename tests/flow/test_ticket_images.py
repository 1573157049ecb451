"""Tickets with pictures through a whole worker and the redrive, on the embedded broker and Qdrant Edge.

Green shows what is stored, published and left after each order of events, and that no result waits for a picture. It does
not show how well text is read, nor a real broker.
"""

import threading
from base64 import b64encode
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from schemas.attachments import IMAGES_LIMIT, SEPARATOR
from schemas.failures import FailureReason
from schemas.outcomes import Outcome
from shared.media_settings import MediaSettings
from shared.stream_settings import RetrySettings
from tests.support.hostile_pictures import picture_cases
from tests.support.media_server import MediaServer, body, silent
from tests.support.pictured import OWN, TIMEOUT_S, Studio, at, images, inline, screenshot, studio_in, ticket
from tests.support.waiting import wait_until

SIZE_LIMIT_BYTES = 2_000  # the embedded broker keeps 5 MiB of a partition, and each record comes back some times
EACH = 3
PATIENT = RetrySettings(tiers_s=(2.0, 2.0, 2.0))


def media_of(server: MediaServer, first_byte_timeout_s: float = 0.2) -> MediaSettings:
    """Return settings that allow a server."""
    return MediaSettings(
        hosts=(f"127.0.0.1:{server.port}",),
        private_addresses=("127.0.0.1",),
        plain_http=True,
        first_byte_timeout_s=first_byte_timeout_s,
        breaker_failures=100,
    )


@pytest.fixture
def studio(tmp_path: Path) -> Iterator[Studio]:
    """Return a fresh broker and store."""
    with studio_in(tmp_path) as made:
        yield made


def test_a_picture_follows_its_ticket(studio: Studio) -> None:
    with studio.working():
        studio.produce(ticket(images=images(a=inline("error 4711, write to jo@example.com"), b=inline())))
        studio.settle()
    assert len(studio.results()) == 1
    point, other = studio.point("a"), studio.point("b")
    assert point is not None
    assert other is not None
    assert point.payload["read_text"] == "error 4711, write to [mail]"
    assert set(point.vectors) == {"image", "text"}
    assert set(other.vectors) == {"image"}
    findings = studio.audit()
    assert findings.clean, findings
    assert (findings.foreign, findings.points) == (0, 3)


def test_pictures_come_and_go_with_the_versions_of_their_ticket(studio: Studio) -> None:
    first, second, third = inline("one"), inline("two"), inline("three")
    with studio.working():
        for version, expected in [
            (ticket(images=images(a=first, b=second)), {"a": 1, "b": 1}),
            (ticket(2, "updated", images=images(a=first)), {"a": 1}),
            (ticket(3, "solved", images=images(a=first, b=third)), {"a": 1, "b": 3}),
            (ticket(4, "deleted", subject=..., body=...), {}),
            (ticket(5, "updated", images=images(b=second)), {"b": 5}),
        ]:
            studio.produce(version)
            studio.settle()
            assert studio.alive("a", "b") == expected
    findings = studio.audit()
    assert findings.clean, findings
    assert findings.repeated == 0
    assert studio.seen.conflicts == 0


def test_no_result_waits_for_a_picture(tmp_path: Path) -> None:
    """Results are published while the fetch of a picture has not ended; the picture is stored once it has."""
    gate, asked = threading.Event(), threading.Event()

    def held(sock: object, stopping: threading.Event) -> None:
        asked.set()
        assert gate.wait(TIMEOUT_S)
        body(screenshot("late"))(sock, stopping)  # type: ignore[arg-type]  # the socket of the server

    with (
        MediaServer({"/held": held}) as server,
        studio_in(tmp_path, media_of(server, TIMEOUT_S)) as studio,
        studio.working(),
    ):
        studio.produce(ticket(images=images(a=at(server.url("/held")))))
        assert asked.wait(TIMEOUT_S)
        assert len(studio.results()) == 1, "it was published before the picture was asked for"
        studio.produce(*[ticket(ticket_id=f"N-{number}") for number in range(5)])
        wait_until(lambda: len(studio.results()) == 6, TIMEOUT_S, "the others are published")
        assert studio.point("a") is None
        gate.set()
        studio.settle()
        assert studio.alive("a") == {"a": 1}
        assert len(server.requests) == 1
        assert studio.audit().clean


def test_what_cannot_be_fetched_is_a_dead_letter_after_its_attempts(tmp_path: Path) -> None:
    with (
        MediaServer({"/hangs": silent}) as server,
        studio_in(tmp_path, media_of(server)) as studio,
        studio.working(),
    ):
        studio.produce(ticket(images=images(gone=at(server.url("/404")), hangs=at(server.url("/hangs")))))
        studio.settle()
        letters = {(each.record.key or b"").decode(): each for each in studio.dead_letters()}
        findings, results = studio.audit(), studio.results()
        paths = Counter(server.paths)
    assert findings.clean, findings
    assert len(results) == 1
    assert {key.partition(SEPARATOR)[2]: each.reason for key, each in letters.items()} == {
        "gone": FailureReason.MEDIA_NOT_FOUND,
        "hangs": FailureReason.MEDIA_FETCH_FAILED,
    }
    assert paths == {"/404": 4, "/hangs": 4}
    assert all(b'"reason":"pictured"' in (each.record.value or b"") for each in letters.values())


def test_hostile_pictures_are_dead_letters_and_harm_no_ticket(studio: Studio) -> None:
    cases = [each for each in picture_cases() if 0 < len(each.content) <= SIZE_LIMIT_BYTES][::EACH]
    studio.own = OWN.model_copy(update={"retry": PATIENT})
    refused = [case for case in cases if case.reason is not None]
    events = []
    for start in range(0, len(cases), IMAGES_LIMIT):
        media = {
            f"i-{number}": {"inline": b64encode(case.content).decode()}
            for number, case in enumerate(cases[start : start + IMAGES_LIMIT], start)
        }
        events.append(ticket(ticket_id=f"T-{start}", images=images(**media)))
    with studio.working():  # raises if the worker has ended
        studio.produce(*events)
        studio.settle()
    findings = studio.audit()
    assert findings.clean, findings
    assert len(studio.results()) == len(events)
    assert Counter(each.reason for each in studio.dead_letters()) == Counter(case.reason for case in refused)
    assert Counter(studio.seen.outcomes)[Outcome.INDEXED] == len(cases) - len(refused)
    assert findings.points == len(events) + len(cases) - len(refused)
