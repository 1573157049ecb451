"""The level of a channel, so that a quiet speaker is recognised like a loud one, and whether two channels are one."""

import numpy as np
from numpy.typing import NDArray

from shared.speech.port import RATE_HZ, Samples

FRAME = RATE_HZ * 30 // 1_000
TARGET = 0.1
"""Level of speech after levelling, as a root mean square: -20 dBFS."""

LEAST = 0.001
"""Below this level (-60 dBFS), a window counts as silent, and its noise is not amplified."""

GAIN_MAX = 30.0
SPEECH_SHARE = 0.95
"""The level of a window is that of its loud frames: the mean would depend on how much of the window is silent."""

SAME_AT = 0.98
"""Two channels with a higher correlation hold the same sound, perhaps with another level or another sign."""

INT16_MAX = 32_768.0


def as_floats(samples: NDArray[np.int16]) -> Samples:
    """Return samples between -1 and 1."""
    return samples.astype(np.float32) / np.float32(INT16_MAX)


def levelled(samples: Samples) -> Samples:
    """Return samples whose loud frames have the level `TARGET`, unless they are silent."""
    whole = len(samples) // FRAME * FRAME
    if not whole:
        return samples
    levels = np.sqrt((samples[:whole].reshape(-1, FRAME) ** 2).mean(axis=1))
    level = float(np.quantile(levels, SPEECH_SHARE))
    if level < LEAST:
        return samples
    louder: Samples = np.clip(samples * np.float32(min(GAIN_MAX, TARGET / level)), -1, 1)
    return louder


class Likeness:
    """Measures over a whole recording whether its two channels hold the same sound."""

    def __init__(self) -> None:
        self._sums = np.zeros((2, 2))

    def add(self, window: Samples) -> None:
        """Add the next samples of both channels, shape (n, 2)."""
        self._sums += window.T.astype(np.float64) @ window.astype(np.float64)

    @property
    def is_same(self) -> bool:
        """Whether both channels hold the same sound."""
        first, second = self._sums[0, 0], self._sums[1, 1]
        return bool(first > 0 and second > 0 and abs(self._sums[0, 1]) >= SAME_AT * np.sqrt(first * second))
