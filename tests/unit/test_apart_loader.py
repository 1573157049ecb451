"""Media that no batch waits for: when they are read, what comes back, and how much is kept.

Green does not show real threads, hosts or pictures; `tests/flow/test_ticket_images.py` does.
"""

from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

import pytest

from schemas.failures import FailureReason
from shared.engine import apart
from shared.engine.apart import ApartLoader
from shared.errors import Deferred, Fatal, Rejected
from shared.media.fetching.pool import HostPool, Result
from shared.media.port import MediaContent
from tests.support.fakes import ManualClock
from tests.support.media import FakeFetcher
from tests.support.notes import NOTES, NoteItem
from tests.support.streams import NOTE_KIND

ONE, TWO = "https://one.example/1", "https://two.example/2"


class HeldPool(HostPool):
    """Runs tasks when the test says so."""

    def __init__(self) -> None:
        super().__init__(1, 1)
        self.tasks: list[Callable[[], None]] = []

    def submit(self, host: str, task: Callable[[], Result]) -> "Future[Result]":
        """Keep the task."""
        future: Future[Result] = Future()

        def run() -> None:
            try:
                future.set_result(task())
            except Exception as error:  # noqa: BLE001  (whoever waits for the future gets it)
                future.set_exception(error)

        self.tasks.append(run)
        return future

    def run(self) -> None:
        """Run all tasks that are kept."""
        tasks, self.tasks = self.tasks, []
        for task in tasks:
            task()


@dataclass
class Reads:
    """Reads contents; `failure` is raised instead."""

    failure: Exception | None = None
    used: list[tuple[str, Any]] = field(default_factory=list)

    def read_apart(self, content: MediaContent, name: str) -> bytes:
        """Return the content."""
        if self.failure is not None:
            raise self.failure
        return bytes(content)

    def use_reading(self, item: NoteItem, name: str, reading: bytes) -> None:
        """Keep the reading."""
        self.used.append((item.source_id, reading))


@dataclass
class Loading:
    """A loader of the attachments of notes, with a pool that runs on request."""

    stages: Reads = field(default_factory=Reads)
    pool: HeldPool = field(default_factory=HeldPool)
    clock: ManualClock = field(default_factory=ManualClock)
    fetcher: FakeFetcher = field(default_factory=lambda: FakeFetcher({ONE: b"one", TWO: b"two"}))

    def __post_init__(self) -> None:
        """Build the loader."""
        assert NOTES.media is not None
        self.loader: ApartLoader[NoteItem] = ApartLoader(NOTES.media, self.stages, self.fetcher, self.pool, self.clock)

    def load(self, *uris: str) -> list[Rejected | Deferred | None]:
        """Load one note for each reference, and return the failures."""
        events = [NOTE_KIND.event(f"N-{number}", attachment={"uri": uri}) for number, uri in enumerate(uris)]
        items = [NOTES.decode(NOTE_KIND.record(each)) for each in events]
        self.loader.load(items)
        return [item.media_failure for item in items]


def is_not_yet(failure: Rejected | Deferred | None) -> bool:
    return isinstance(failure, Deferred) and failure.reason is FailureReason.MEDIA_SLOW and not failure.attempted


def test_nothing_is_waited_for_and_what_was_read_is_found_by_the_record_that_comes_back() -> None:
    loading = Loading()
    assert all(map(is_not_yet, loading.load(ONE, TWO)))
    assert all(map(is_not_yet, loading.load(ONE))), "it has not been read yet"
    loading.pool.run()
    assert loading.load(ONE) == [None]
    assert loading.stages.used == [("N-0", b"one")]
    assert loading.fetcher.asked == [ONE, TWO]


def test_what_was_used_is_read_again_for_another_record() -> None:
    loading = Loading()
    loading.load(ONE)
    loading.pool.run()
    first, second = loading.load(ONE, ONE)
    assert first is None
    assert is_not_yet(second)


@pytest.mark.parametrize(
    "failure",
    [
        Deferred(FailureReason.MEDIA_NOT_FOUND, "attachment", "gone"),
        Deferred(FailureReason.MEDIA_HOST_DOWN, "attachment", "down", attempted=False),
        Rejected(FailureReason.MEDIA_UNREADABLE, "attachment", "damaged"),
    ],
)
def test_a_failure_is_reported_once_and_then_tried_again(failure: Rejected | Deferred) -> None:
    loading = Loading(Reads(failure))
    loading.load(ONE)
    loading.pool.run()
    assert loading.load(ONE) == [failure]
    assert failure.__traceback__ is None
    assert is_not_yet(loading.load(ONE)[0])
    assert len(loading.pool.tasks) == 1


def test_an_error_that_is_no_outcome_ends_the_worker() -> None:
    loading = Loading(Reads(Fatal("no child can be started")))
    loading.load(ONE)
    loading.pool.run()
    with pytest.raises(Fatal):
        loading.load(ONE)


def test_a_closed_loader_defers() -> None:
    loading = Loading()
    loading.load(ONE)
    [reading] = loading.loader._readings.values()
    reading.outcome.cancel()
    assert is_not_yet(loading.load(ONE)[0])


def test_no_more_media_are_begun_than_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(apart, "MOST_MEDIA", 2)
    loading = Loading()
    uris = [f"https://one.example/{number}" for number in range(4)]
    loading.fetcher.contents = {uri: uri.encode() for uri in uris}
    failures = loading.load(*uris)
    assert all(map(is_not_yet, failures))
    assert [each.least_tier for each in failures if isinstance(each, Deferred)] == [1, 1, 2, 2]
    assert len(loading.pool.tasks) == 2
    loading.pool.run()
    assert all(map(is_not_yet, loading.load(*uris[2:]))), "the first two have not come back, but soon will"
    assert loading.pool.tasks == []
    assert loading.load(*uris[:2]) == [None, None]
    loading.load(*uris[2:])
    assert len(loading.pool.tasks) == 2


def test_what_nobody_asks_for_makes_room_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(apart, "MOST_MEDIA", 1)
    loading = Loading()
    loading.load(ONE)
    loading.pool.run()
    loading.load(TWO)
    assert loading.pool.tasks == []
    loading.clock.seconds += apart.FORGOTTEN_S
    loading.load(TWO)
    loading.pool.run()
    assert loading.load(TWO) == [None]
    assert is_not_yet(loading.load(ONE)[0])
