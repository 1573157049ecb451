"""Sounds in which nobody speaks, as calls have them: silence, noise, music on hold, ringing, busy and dialling tones."""

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from tests.support.hostile_sounds import form, wav

RATE = 8_000
Sound = NDArray[np.float64]
BLOCK_S = 30
SCALE = (0, 2, 4, 5, 7, 9, 11, 12)


def times(seconds: float) -> Sound:
    """Return the times of the samples."""
    return np.arange(round(seconds * RATE)) / RATE


def silence(seconds: float, seed: int) -> Sound:
    """Return digital silence with the noise of an idle line."""
    return np.random.default_rng(seed).normal(0, 0.0003, round(seconds * RATE))


def white_noise(seconds: float, seed: int) -> Sound:
    """Return white noise."""
    return np.random.default_rng(seed).normal(0, 0.1, round(seconds * RATE))


def street_noise(seconds: float, seed: int) -> Sound:
    """Return noise with more energy in low frequencies, which swells and fades as traffic does."""
    spectrum = np.fft.rfft(white_noise(seconds, seed))
    spectrum /= np.sqrt(np.arange(len(spectrum)) + 1)
    noise = np.fft.irfft(spectrum, round(seconds * RATE))
    swell = 0.5 + 0.5 * np.sin(2 * np.pi * times(seconds) / 7)
    return np.asarray(0.2 * noise / np.abs(noise).max() * swell[: len(noise)], np.float64)


def music(seconds: float, seed: int) -> Sound:
    """Return a melody with harmonics over chords and a beat, as music on hold."""
    rng, note_s = np.random.default_rng(seed), 0.4
    at = times(note_s)
    envelope = np.exp(-3 * at) * np.minimum(1, at * 50)
    notes = []
    for number in range(int(seconds / note_s) + 1):
        tones = [220 * 2 ** (rng.choice(SCALE) / 12), 110 * 2 ** (SCALE[number // 8 % 5] / 12)]
        sound = sum(np.sin(2 * np.pi * tone * k * at) / k**1.5 for tone in tones for k in (1, 2, 3, 4))
        beat = rng.normal(0, 1, len(at)) * np.exp(-40 * at) * (number % 2)
        notes.append(envelope * sound + 0.5 * beat)
    joined = np.concatenate(notes)[: round(seconds * RATE)]
    return np.asarray(0.3 * joined / np.abs(joined).max(), np.float64)


def cadence(tones: tuple[float, ...], on_s: float, off_s: float) -> Callable[[float, int], Sound]:
    """Return a maker of tones that are switched on and off."""

    def made(seconds: float, seed: int) -> Sound:
        at = times(seconds)
        sound = sum(np.sin(2 * np.pi * tone * at) for tone in tones)
        noise = silence(seconds, seed)
        return 0.2 * np.asarray(sound) / len(tones) * (at % (on_s + off_s) < on_s) + noise[: len(at)]

    return made


def keys(seconds: float, seed: int) -> Sound:
    """Return the tones of keys that are pressed at random."""
    rng, rows, columns = np.random.default_rng(seed), (697, 770, 852, 941), (1209, 1336, 1477)
    at, pressed = times(0.5), []
    for _ in range(int(seconds / 0.5) + 1):
        pair = np.sin(2 * np.pi * rng.choice(rows) * at) + np.sin(2 * np.pi * rng.choice(columns) * at)
        pressed.append(0.1 * pair * (at < 0.15) * (rng.random() < 0.6))
    return np.concatenate(pressed)[: round(seconds * RATE)] + silence(seconds, seed)


MAKERS: Mapping[str, Callable[[float, int], Sound]] = {
    "silence": silence,
    "white noise": white_noise,
    "street noise": street_noise,
    "music": music,
    "ringing, US": cadence((440, 480), 2, 4),
    "ringing, Europe": cadence((425,), 1, 4),
    "busy tone": cadence((480, 620), 0.5, 0.5),
    "dialling tone": cadence((350, 440), 60, 0),
    "keys": keys,
}
"""Each makes a sound of a length in seconds; another seed gives another sound."""


def no_speech_wav(kind: str, seconds: int) -> bytes:
    """Return a WAV file at 8 kHz in which nobody speaks; every half minute differs."""
    blocks = [MAKERS[kind](min(BLOCK_S, seconds - begin), begin) for begin in range(0, seconds, BLOCK_S)]
    samples = np.clip(np.concatenate(blocks) * 32_767, -32_768, 32_767).astype("<i2")
    return wav(samples.tobytes(), form(rate=RATE))
