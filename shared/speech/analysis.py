"""The first pass over a recording: how many voices its channels have, and which spans of each are speech."""

from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared.media.decoding.wire import RATE_HZ, WINDOW_S
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
class Mark:
    """The end of a whole window of a recording.

    Attributes:
        samples: The number of samples before it.
        digest: SHA-256 of these samples, in hex.
    """

    samples: int
    digest: str


@dataclass(frozen=True, slots=True)
class Analysed:
    """The result of the first pass.

    Attributes:
        voices: One for each channel; one alone if both channels hold the same sound.
        samples: Length of the recording, in samples.
        is_dual_mono: Whether there are two channels with the same sound.
        marks: The ends of its whole windows: a longer recording that begins alike has the same ones.
    """

    voices: tuple[Voice, ...]
    samples: int
    is_dual_mono: bool
    marks: tuple[Mark, ...] = ()

    @property
    def speech_s(self) -> float:
        """How long its voices speak, in seconds, added up."""
        return sum(voice.speech_s for voice in self.voices)


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
        self._hash = sha256()
        self._marks: list[Mark] = []

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
        self._hash.update(window.tobytes())
        if len(window) == WINDOW_S * RATE_HZ:
            self._marks.append(Mark(self._samples, self._hash.hexdigest()))

    def result(self) -> Analysed:
        """Return the result. It is called once."""
        voices = tuple(Voice(number, tuple(each.spans())) for number, each in enumerate(self._activities))
        is_dual_mono = len(voices) == 2 and self._likeness.is_same
        return Analysed(voices[:1] if is_dual_mono else voices, self._samples, is_dual_mono, tuple(self._marks))
