"""The level of a channel, so that a quiet speaker is recognised like a loud one, and whether two channels are one."""

import numpy as np
from numpy.typing import NDArray

from shared.embedding.audio.port import RATE_HZ, Samples

FRAME = RATE_HZ * 30 // 1_000
TARGET = 0.1
"""Level of speech after levelling, as a root mean square: -20 dBFS."""

LEAST = 0.001
"""Below this level (-60 dBFS), a window counts as silent, and its noise is not amplified."""

GAIN_MAX = 30.0
SPEECH_SHARE = 0.95
"""The level of a window is that of its loud frames: the mean would depend on how much of the window is silent."""

SAME_AT = 0.98
"""In a second with a higher correlation, both channels hold the same sound, perhaps with another level or sign."""

SAME_SHARE = 0.98
"""The share of the seconds in which this must be so: a click may disturb one."""

QUIETER_SHARE = 0.01
"""A second counts if it has at least this share of the energy of the loudest one (-20 dB)."""

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
    """Measures second by second whether the two channels of a recording hold the same sound.

    Every second counts that is not much quieter than the loudest one: the same loud music on both channels does not
    make two speakers one.
    """

    def __init__(self) -> None:
        self._left = np.zeros((0, 2), np.float32)
        self._sums: list[NDArray[np.float64]] = []

    def add(self, window: Samples) -> None:
        """Add the next samples of both channels, shape (n, 2)."""
        held = np.concatenate([self._left, window])
        whole = len(held) // RATE_HZ * RATE_HZ
        self._left = held[whole:]
        if whole:
            left, right = held[:whole].astype(np.float64).reshape(-1, RATE_HZ, 2).transpose(2, 0, 1)
            sums = ((left * left).sum(axis=1), (right * right).sum(axis=1), (left * right).sum(axis=1))
            self._sums.append(np.stack(sums, axis=1))

    @property
    def is_same(self) -> bool:
        """Whether both channels hold the same sound; not if the recording is shorter than a second."""
        if not self._sums:
            return False
        left, right, both = np.concatenate(self._sums).T
        louder = np.maximum(left, right)
        loud = louder >= max(QUIETER_SHARE * louder.max(), RATE_HZ * LEAST**2)
        alike = np.abs(both) >= SAME_AT * np.sqrt(left * right)
        return bool(loud.any() and (alike & (left > 0) & (right > 0))[loud].mean() >= SAME_SHARE)
