"""Media that no batch waits for: when they are read, what comes back, and how much is kept.

Green does not show real threads, hosts or pictures; `tests/flow/test_ticket_images.py` does.
"""

import gc
import weakref
from base64 import b64encode
from collections.abc import Callable
from concurrent.futures import CancelledError, Future
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
from tests.support.notes import NOTES, Note, NoteItem
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
                found = task()
            except Exception as error:  # noqa: BLE001  (whoever waits for the future gets it)
                future.set_exception(error)
            else:
                future.set_result(found)

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
    is_stopped: bool = False

    def read_apart(self, content: MediaContent, name: str) -> bytes:
        """Return the content."""
        if self.is_stopped:
            raise CancelledError
        if self.failure is not None:
            raise self.failure
        return bytes(content)

    def stop_reading(self) -> None:
        """Read no further medium."""
        self.is_stopped = True

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
        return self.load_media(*({"uri": uri} for uri in uris))

    def load_media(self, *media: dict[str, str]) -> list[Rejected | Deferred | None]:
        """Load one note for each medium, and return the failures."""
        items = notes(*media)
        self.loader.load(items)
        return [item.media_failure for item in items]


def notes(*media: dict[str, str]) -> list[NoteItem]:
    events = [NOTE_KIND.event(f"N-{number}", attachment=each) for number, each in enumerate(media)]
    return [NOTES.decode(NOTE_KIND.record(each)) for each in events]


def inline(content: bytes) -> dict[str, str]:
    return {"inline": b64encode(content).decode()}


def is_not_yet(failure: Rejected | Deferred | None) -> bool:
    return (
        isinstance(failure, Deferred)
        and failure.reason is FailureReason.MEDIA_SLOW
        and not (failure.attempted or failure.expires)
    )


def test_nothing_is_waited_for_and_what_was_read_is_found_by_the_record_that_comes_back() -> None:
    loading = Loading()
    assert all(map(is_not_yet, loading.load(ONE, TWO)))
    assert all(map(is_not_yet, loading.load(ONE))), "it has not been read yet"
    loading.pool.run()
    assert loading.load(ONE) == [None]
    assert loading.stages.used == [("N-0", b"one")]
    assert loading.fetcher.asked == [ONE, TWO]


def test_what_was_read_is_given_to_every_record_of_a_batch_and_read_again_for_the_next_one() -> None:
    loading = Loading()
    loading.load(ONE)
    loading.pool.run()
    assert loading.load(ONE, ONE, ONE) == [None, None, None]
    assert [each for each, _ in loading.stages.used] == ["N-0", "N-1", "N-2"]
    assert is_not_yet(loading.load(ONE)[0])
    assert loading.fetcher.asked == [ONE]


def test_a_failure_is_that_of_every_record_of_a_batch_and_then_tried_again() -> None:
    loading = Loading(Reads(Rejected(FailureReason.MEDIA_UNREADABLE, "attachment", "damaged")))
    loading.load(ONE)
    loading.pool.run()
    assert loading.load(ONE, ONE) == [loading.stages.failure] * 2
    loading.stages.failure = None
    assert is_not_yet(loading.load(ONE)[0])
    loading.pool.run()
    assert loading.load(ONE) == [None]


def test_an_unexpected_error_refuses_the_record_without_its_words() -> None:
    loading = Loading(Reads(ValueError("secret")))
    loading.load(ONE)
    loading.pool.run()
    [failure] = loading.load(ONE)
    assert isinstance(failure, Rejected)
    assert (failure.reason, failure.field, failure.stage) == (FailureReason.MODEL_FAILED, "attachment", "read")
    assert "ValueError" in failure.detail
    assert "secret" not in failure.detail


@pytest.mark.parametrize("error", [MemoryError(), RuntimeError("Failed to allocate memory for requested buffer")])
def test_a_medium_for_which_memory_is_too_short_is_tried_again(error: Exception) -> None:
    loading = Loading(Reads(error))
    loading.load(ONE)
    loading.pool.run()
    [failure] = loading.load(ONE)
    assert isinstance(failure, Deferred)
    assert failure.attempted
    assert failure.expires


def test_a_reading_that_waits_for_its_record_holds_no_content() -> None:
    loading = Loading()
    [item] = notes(inline(b"drawing"))
    assert isinstance(item.event, Note)
    media = weakref.ref(item.event.attachment)
    loading.loader.load([item])
    assert media() is not None
    loading.pool.run()
    del item
    gc.collect()
    assert media() is None
    assert loading.load_media(inline(b"drawing")) == [None]


def test_inline_contents_wait_within_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    one, two = inline(b"drawing 1"), inline(b"drawing 2")
    monkeypatch.setattr(apart, "INLINE_CHARS", len(one["inline"]))
    loading = Loading()
    assert [each.least_tier for each in loading.load_media(one, two) if isinstance(each, Deferred)] == [1, 2]
    assert is_not_yet(loading.load(ONE)[0])
    loading.pool.run()
    assert [each.least_tier for each in loading.load_media(two) if isinstance(each, Deferred)] == [1]


def test_a_failure_that_waits_for_its_record_holds_no_content() -> None:
    failure = Rejected(FailureReason.MEDIA_UNREADABLE, "attachment", "damaged")
    loading = Loading(Reads(failure))
    loading.load(ONE)
    loading.pool.run()
    assert failure.__traceback__ is None, "its frames have the content"


def test_failures_take_no_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(apart, "MOST_MEDIA", 1)
    loading = Loading(Reads(ValueError()))
    loading.load(ONE)
    loading.pool.run()
    loading.load(TWO)
    assert len(loading.pool.tasks) == 1


def test_what_no_record_needs_any_more_is_dropped() -> None:
    loading = Loading()
    first, second = notes({"uri": ONE}, {"uri": ONE})
    loading.loader.load([first, second])
    loading.loader.forget([first])
    loading.pool.run()
    assert loading.load(ONE) == [None], "the other record waits for it"
    loading.loader.load([first])
    loading.pool.run()
    loading.loader.forget([first, second])
    assert is_not_yet(loading.load(ONE)[0])


def test_one_thread_at_a_time_changes_what_is_kept() -> None:
    loading, held = Loading(), list[bool]()

    def media_of(note: Any) -> dict[str, Any]:
        held.append(loading.loader._lock.locked())
        return {"attachment": note.attachment}

    loading.loader._media_of = media_of
    items = notes({"uri": ONE})
    loading.loader.load(items)
    loading.loader.forget(items)
    assert held == [True, True]


def test_what_waits_for_its_turn_when_the_loader_is_closed_is_deferred() -> None:
    loading = Loading()
    loading.load(ONE)
    loading.loader.close()
    loading.pool.run()
    assert is_not_yet(loading.load(ONE)[0])


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
