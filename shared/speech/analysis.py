"""The first pass over a recording: how many voices its channels have, and which spans of each are speech."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared.speech.activity import Activity, Span
from shared.speech.levels import Likeness, as_floats, levelled


@dataclass(frozen=True, slots=True)
class Voice:
    """What one channel says.

    Attributes:
        channel: The number of the channel, from 0.
        spans: Its speech.
    """

    channel: int
    spans: tuple[Span, ...]

    @property
    def speech_s(self) -> float:
        """How long it speaks, in seconds."""
        return sum(span.duration_s for span in self.spans)


@dataclass(frozen=True, slots=True)
class Analysed:
    """The result of the first pass.

    Attributes:
        voices: One for each channel; one alone if both channels hold the same sound.
        samples: Length of the recording, in samples.
        is_dual_mono: Whether there are two channels with the same sound.
    """

    voices: tuple[Voice, ...]
    samples: int
    is_dual_mono: bool


class Analysis:
    """Analyses a recording that arrives window by window.

    Args:
        network: The network for voice activity; see `shared.speech.activity.load_network`.
    """

    def __init__(self, network: Any) -> None:
        self._network = network
        self._activities: list[Activity] = []
        self._likeness = Likeness()
        self._samples = 0

    def add(self, window: NDArray[np.int16]) -> None:
        """Add the next window, shape (samples, channels)."""
        floats = as_floats(window)
        if not self._activities:
            self._activities = [Activity(self._network) for _ in range(window.shape[1])]
        if len(self._activities) == 2:
            self._likeness.add(floats)
        for channel, activity in enumerate(self._activities):
            activity.add(levelled(floats[:, channel]))
        self._samples += len(window)

    def result(self) -> Analysed:
        """Return the result. It is called once."""
        voices = tuple(Voice(number, tuple(each.spans())) for number, each in enumerate(self._activities))
        is_dual_mono = len(voices) == 2 and self._likeness.is_same
        return Analysed(voices[:1] if is_dual_mono else voices, self._samples, is_dual_mono)
