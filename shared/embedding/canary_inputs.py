"""The canary inputs of each modality: fixed, the same on every machine, and different from each other.

They are made here and not read from files, so that they cannot change apart from the code.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from shared.embedding.audio.port import RATE_HZ, Piece
from shared.embedding.port import Pixels

VERSION = 1
"""Part of the name of a stored answer; to be raised when an input changes."""

COUNTS: Mapping[str, int] = {"text": 8, "image": 5, "audio": 3}
"""The number of inputs of each modality."""

LONG_TEXT_SENTENCES = 20

TEXTS: Sequence[str] = (
    "Where is my order?",
    "My card was charged twice for the same order, and nobody answers the phone.",
    "Bonjour, je voudrais retourner les chaussures que j'ai reçues hier : elles sont trop petites.",
    "Die Rechnung 4711 enthält eine Position, die ich nicht bestellt habe.",
    "El paquete llegó abierto y faltan dos piezas de la lámpara.",
    "アプリにログインできません。パスワードを忘れました。",
    "SKU 0042-B; 3 x 19.99 EUR = 59.97 EUR; tracking 1Z999AA10123456784",
    " ".join(
        f"On day {number} the device stopped after {number * 7 % 60} minutes, and error {number * 37 % 100} was shown."
        for number in range(1, LONG_TEXT_SENTENCES + 1)
    ),
)
"""The first one is the shortest, because it is embedded more often than the others."""

SOUND_S = 3.0


def pictures(side_px: int) -> list[Pixels]:
    """Return square pictures of a gradient, rings, a chess board, noise, and bars. They are computed in whole numbers."""
    down, across = np.indices((side_px, side_px), dtype=np.int64)
    ramp = across * 255 // max(1, side_px - 1)
    rings = ((2 * down - side_px) ** 2 + (2 * across - side_px) ** 2) * 40 // side_px**2 * 64 % 256
    board = (down * 8 // side_px + across * 8 // side_px) % 2 * 255
    noise = ((down * side_px + across) * 2_654_435_761 % 2**32) >> 24
    bars = down * 6 // side_px % 2 * 200
    channels = (
        (ramp, 255 - ramp, ramp * 0 + 96),
        (rings, rings // 2, 255 - rings),
        (board, board, board),
        (noise, noise[::-1], noise.T),
        (bars + 40, ramp // 3, bars * 0 + 20),
    )
    return [np.stack(each, axis=2).astype(np.uint8) for each in channels]


def sounds() -> list[Piece]:
    """Return pieces of a rising tone, of noise in bursts, and of a voice-like tone with a melody."""
    at_s = np.arange(round(SOUND_S * RATE_HZ)) / RATE_HZ
    whole = np.arange(len(at_s), dtype=np.int64)
    noise = ((whole * 2_654_435_761 % 2**32) >> 16) / 2**15 - 1
    rising = 0.3 * np.sin(2 * np.pi * (120 * at_s + 300 * at_s**2))
    bursts = 0.25 * noise * (at_s * 5 % 1 < 0.4)
    melody = 140 + 30 * np.floor(at_s * 4) % 90
    phase = 2 * np.pi * np.cumsum(melody) / RATE_HZ
    voice = sum(0.3 / number * np.sin(number * phase) for number in range(1, 9)) * (0.5 + 0.5 * np.sin(18 * at_s))
    return [Piece(_samples(each), "en") for each in (rising, bursts, np.asarray(voice))]


def _samples(sound: NDArray[np.float64]) -> NDArray[np.float32]:
    return np.ascontiguousarray(sound, np.float32)
