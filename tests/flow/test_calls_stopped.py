"""A worker of calls that is asked to stop during a long recording: real decoder, embedded broker, Edge, and its wiring.

The recogniser is a stand-in that takes its time. Green does not show how long one call of a real model takes.
"""

import threading
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from shared.broker.embedded import EmbeddedBroker
from shared.clock import SystemClock
from shared.embedding.audio.port import RATE_HZ, Piece, Recognised
from shared.media.port import MediaContent
from shared.media_settings import MediaSettings
from shared.settings import OperationSettings, Settings, StoreSettings
from shared.speech.recordings import Recording, RecordingReader
from shared.stream_settings import StreamSettings
from shared.vectorstore.edge.store import EdgeStore
from tests.flow.test_calls import call
from tests.golden.test_speech import samples_of
from tests.support.fakes import FakeModel
from tests.support.hostile_sounds import form, wav
from tests.support.in_process import Seen, process_of, produce, running_worker
from tests.support.speech import FakeRecogniser, said
from workers.calls.stages import CALLS

DRAIN_S, ENDS_WITHIN_S, ANSWER_S = 4.0, 6.0, 0.5
LONG_S, SPOKEN_S = 3 * 3_600, 1_800


@dataclass
class Stopped:
    """What was seen of a worker that was asked to stop while it worked on one recording."""

    took_s: float = 0.0
    mapped: list[str] = field(default_factory=list)
    seen: Seen = field(default_factory=Seen)


def stopped(folder: Path, content: bytes, recogniser: FakeRecogniser, begun: threading.Event) -> Stopped:
    """Run a worker on a recording, stop it as soon as something has begun, and return what was seen."""
    (folder / "media").mkdir()
    (folder / "media" / "long.wav").write_bytes(content)
    settings = Settings(
        store=StoreSettings(path=folder / "store"),
        media=MediaSettings(file_root=folder / "media", max_mib=400),
        operation=OperationSettings(drain_timeout_s=DRAIN_S, state_dir=folder / "state"),
    )
    event = call("long", b"") | {"audio": {"uri": (folder / "media" / "long.wav").as_uri()}}
    found, clock = Stopped(), SystemClock()
    with EmbeddedBroker() as broker, closing(EdgeStore(folder / "store")) as store:
        broker.create([topic.name for topic in CALLS.topics()])
        produce(broker.bootstrap, event, stream=CALLS)
        process = process_of(settings, broker.bootstrap, store)
        with running_worker(process, FakeModel(), [found.seen], StreamSettings(), CALLS, recogniser):
            assert begun.wait(60), "the worker has not begun"
            found.mapped = [line for line in Path("/proc/self/maps").read_text().splitlines() if str(folder) in line]
            began_s = clock.monotonic_s()
        found.took_s = clock.monotonic_s() - began_s
    return found


def test_decoding_is_abandoned_at_once_and_the_content_waits_in_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = threading.Event()
    analyse = RecordingReader.analyse

    def noted(
        self: RecordingReader, content: MediaContent, name: str, progress: Callable[[], None] = lambda: None
    ) -> Recording:
        def beat() -> None:
            begun.set()
            progress()

        return analyse(self, content, name, beat)

    monkeypatch.setattr(RecordingReader, "analyse", noted)
    noise = np.random.default_rng(7).integers(-3_000, 3_000, LONG_S * 8_000, np.int16)
    found = stopped(tmp_path, wav(noise.tobytes(), form(rate=8_000)), FakeRecogniser(), begun)
    assert found.took_s < ENDS_WITHIN_S
    assert found.seen.outcomes == []
    assert any("(deleted)" in line for line in found.mapped)


def test_recognition_is_abandoned_after_half_of_the_drain_timeout(tmp_path: Path, data_dir: Path) -> None:
    begun, clock = threading.Event(), SystemClock()

    def slowly(piece: Piece) -> Recognised:
        begun.set()
        clock.wait(threading.Event(), ANSWER_S)
        return said("hello", len(piece.samples) / RATE_HZ, "en")

    clip = samples_of(data_dir / "speech" / "clips" / "jfk.flac")
    spoken = (np.resize(clip, SPOKEN_S * RATE_HZ) * 32_767).astype("<i2")
    recogniser = FakeRecogniser(slowly)
    found = stopped(tmp_path, wav(spoken.tobytes(), form(rate=RATE_HZ)), recogniser, begun)
    assert DRAIN_S / 4 < found.took_s < ENDS_WITHIN_S
    assert found.seen.outcomes == []
    assert 0 < len(recogniser.pieces) < SPOKEN_S // 30
    assert recogniser.probes == 0, "no piece is blamed"
