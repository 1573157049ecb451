"""A worker of calls that is asked to stop in the middle of a long recording. Decoder and recogniser are stand-ins.

A green run does not show how long one call of a real model takes, which cannot be interrupted.
"""

from collections.abc import Callable
from dataclasses import replace

import pytest

from shared.embedding.audio.port import Piece, Recognised
from shared.engine.resources import Resources
from shared.media.port import MediaContent
from shared.operation.lifecycle import Lifecycle
from shared.speech.recordings import Recording
from shared.speech.resources import Speech
from tests.support.calls import FakeReader, audio
from tests.support.speech import said
from tests.unit.test_calls import Calls
from workers.calls.stages import CallStages

WINDOWS = 120
FINISH_WITHIN_S = 10.0


class LongReader(FakeReader):
    """Reads each recording in some windows, of which each one asks the worker to stop."""

    def __init__(self, windows: int, stop: Callable[[], None]) -> None:
        super().__init__()
        self.count, self.stop, self.windows = windows, stop, 0

    def analyse(self, content: MediaContent, field: str, progress: Callable[[], None] = lambda: None) -> Recording:
        """Read what the voices say, window by window."""
        for _ in range(self.count):
            self.windows += 1
            self.stop()
            progress()
        return super().analyse(content, field)


class StoppedCalls(Calls):
    """A worker of calls that is asked to stop while it works, by each window of a recording if they have windows."""

    def __init__(self, windows: int) -> None:
        self.long = LongReader(windows, self.stop)
        super().__init__()
        self.parts.lifecycle = Lifecycle(self.parts.clock, 120, FINISH_WITHIN_S)

    def _stages(self, resources: Resources) -> CallStages:
        speech = Speech(self.long, self.recogniser, 1, self.beat)
        return CallStages.of(replace(resources, speech=speech))

    def stop(self) -> None:
        """Ask the worker to stop."""
        self.parts.lifecycle.stop()

    def beat(self, thread: str) -> None:
        """Record a heartbeat, or abandon the work."""
        self.parts.lifecycle.beat_or_abandon(thread)

    def run(self, calls: int) -> None:
        """Run the worker until it has stopped."""
        self.parts.source.waiting = [self.record(f"C-{number}", audio=audio((1, 10))) for number in range(calls)]
        self.parts.worker().run()


def test_decoding_ends_at_once_and_nothing_is_committed_or_deferred() -> None:
    calls = StoppedCalls(WINDOWS)
    calls.run(1)
    assert calls.long.windows == 1
    assert (calls.parts.source.committed, calls.parts.sink.delivered) == ([], [])


@pytest.mark.parametrize(("took_s", "committed"), [(0.0, 5), (FINISH_WITHIN_S, 0)])
def test_recognition_goes_on_only_as_long_as_the_batch_in_hand_may_take(took_s: float, committed: int) -> None:
    calls = StoppedCalls(windows=0)

    def answer(piece: Piece) -> Recognised:
        calls.stop()
        calls.parts.clock.seconds += took_s
        return said("hello", 10)

    calls.recogniser.answer = answer
    calls.run(5)
    assert len(calls.recogniser.batches) == (committed or 1)
    assert calls.recogniser.probes == 0, "no piece is blamed"
    assert len(calls.parts.source.committed) == len(calls.results()) == committed
