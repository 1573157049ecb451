"""Loading the media of a batch: what a batch waits for, what it leaves behind, and what comes back.

Green does not show how long real hosts take: `python -m benchmarks.media_outage` measures that.
"""

import threading
from dataclasses import dataclass, field

import pytest

from schemas.failures import FailureReason
from schemas.media import Media
from shared.clock import SystemClock
from shared.decoding_settings import DecodingSettings
from shared.engine import media as module
from shared.engine.media import MediaLoader
from shared.errors import Deferred
from shared.media.decoding.decoder import Decoder
from shared.media.fetching.pool import HostPool
from shared.media.patience import LEAST_S, TIMES_USUAL, UNKNOWN_S, Patience
from tests.support.notes import NOTES, NoteItem, NoteStages
from tests.support.streams import NOTE_KIND
from tests.support.waiting import wait_until

TIMEOUT_S = 10.0
HUNG, WELL = "https://hung.example/1", "https://well.example/1"


@dataclass
class Gated:
    """A fetcher whose host `hung.example` answers only while its gate is open."""

    gate: threading.Event = field(default_factory=threading.Event)
    failure: Deferred | None = None
    asked: list[str] = field(default_factory=list)
    ended: int = 0

    def fetch(self, media: Media, field: str) -> bytes:
        self.asked.append(str(media.uri))
        if self.host_of(media) == "hung.example":
            assert self.gate.wait(TIMEOUT_S)
        self.ended += 1
        if self.failure is not None:
            raise self.failure
        return str(media.uri).encode()

    def host_of(self, media: Media) -> str:
        return str(media.uri).split("/")[2]

    def close(self) -> None:
        pass


@dataclass
class Loading:
    fetcher: Gated = field(default_factory=Gated)

    def __post_init__(self) -> None:
        """Build the loader."""
        assert NOTES.media is not None
        pool = HostPool(parallel=4, per_host=2)
        decoder = Decoder(DecodingSettings(), content_limit_bytes=0, clock=SystemClock())
        self.loader: MediaLoader[NoteItem] = MediaLoader(
            NOTES.media, NoteStages(decoder), self.fetcher, pool, SystemClock()
        )

    def load(self, *uris: str) -> list[NoteItem]:
        records = [NOTE_KIND.record(NOTE_KIND.event(uri, attachment={"uri": uri})) for uri in uris]
        items = [NOTES.decode(record) for record in records]
        self.loader.load(items)
        return items


@pytest.fixture(autouse=True)
def _hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shared.media.patience.UNKNOWN_S", 0.05)


def reasons(items: list[NoteItem]) -> list[FailureReason | None]:
    return [None if item.media_failure is None else item.media_failure.reason for item in items]


def test_what_is_late_is_deferred_without_an_attempt_and_found_when_it_comes_back() -> None:
    loading = Loading()
    items = loading.load(HUNG, WELL)
    assert reasons(items) == [FailureReason.MEDIA_SLOW, None]
    failure = items[0].media_failure
    assert isinstance(failure, Deferred)
    assert not failure.attempted
    loading.fetcher.gate.set()
    wait_until(lambda: loading.fetcher.ended == 2, TIMEOUT_S, "the late fetch ended")
    again = loading.load(HUNG)
    assert reasons(again) == [None]
    assert again[0].attachment_digest is not None
    assert loading.fetcher.asked.count(HUNG) == 1, "it was fetched once"


def test_a_late_failure_is_an_attempt_of_the_record_that_comes_back() -> None:
    loading = Loading(Gated(failure=Deferred(FailureReason.MEDIA_FETCH_FAILED, "attachment", "it broke")))
    loading.load(HUNG)
    loading.fetcher.gate.set()
    wait_until(lambda: loading.fetcher.ended == 1, TIMEOUT_S, "the late fetch ended")
    [item] = loading.load(HUNG)
    assert isinstance(item.media_failure, Deferred)
    assert (item.media_failure.reason, item.media_failure.attempted) == (FailureReason.MEDIA_FETCH_FAILED, True)


def test_a_host_that_was_late_is_asked_for_one_medium_at_a_time_until_one_succeeds() -> None:
    loading = Loading()
    loading.load(f"{HUNG}-a")
    assert reasons(loading.load(f"{HUNG}-b", f"{HUNG}-c", WELL)) == [FailureReason.MEDIA_SLOW] * 2 + [None]
    assert loading.fetcher.asked == [f"{HUNG}-a", WELL], "nothing more is asked while a fetch is late"
    loading.fetcher.gate.set()
    wait_until(lambda: loading.fetcher.ended == 2, TIMEOUT_S, "the late fetch ended")
    assert reasons(loading.load(f"{HUNG}-b", f"{HUNG}-c")) == [None, None], "it has succeeded, so it is awaited again"


def test_a_batch_does_not_wait_again_for_a_host_whose_late_fetch_failed() -> None:
    loading = Loading(Gated(failure=Deferred(FailureReason.MEDIA_FETCH_FAILED, "attachment", "it broke")))
    loading.load(f"{HUNG}-a")
    loading.fetcher.gate.set()
    wait_until(lambda: loading.fetcher.ended == 1, TIMEOUT_S, "the late fetch ended")
    loading.fetcher.gate.clear()
    assert reasons(loading.load(f"{HUNG}-b", f"{HUNG}-c")) == [FailureReason.MEDIA_SLOW] * 2
    loading.fetcher.gate.set()
    wait_until(lambda: loading.fetcher.ended == 2, TIMEOUT_S, "the second one ended")
    assert loading.fetcher.asked == [f"{HUNG}-a", f"{HUNG}-b"]


def test_late_contents_are_dropped_beyond_their_limit_and_fetched_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LATE_BYTES", 10)
    loading = Loading()
    loading.load(HUNG)
    loading.fetcher.gate.set()
    wait_until(lambda: loading.fetcher.ended == 1, TIMEOUT_S, "the late fetch ended")
    loading.load(WELL)
    assert reasons(loading.load(HUNG)) == [None]
    assert loading.fetcher.asked.count(HUNG) == 2


def test_patience_follows_what_a_host_usually_takes() -> None:
    patience = Patience()
    assert patience.of("a") == 0.05 < UNKNOWN_S
    patience.note("a", 0.01)
    assert patience.of("a") == LEAST_S
    for _ in range(30):
        patience.note("a", 3.0)
    assert patience.of("a") == pytest.approx(3.0 * TIMES_USUAL, rel=0.01)
    assert patience.of("b") == 0.05, "of another host nothing is known"
