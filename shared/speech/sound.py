"""The vector of how a recording sounds: the mean of the recogniser's encoder states over its speech."""

from collections.abc import Callable, Sequence
from hashlib import sha256

import numpy as np
from numpy.typing import NDArray
from typing_extensions import override

from shared.embedding.audio.port import RATE_HZ, STATE_SAMPLES, Piece, Recogniser
from shared.embedding.port import Embeddings, Modality, UnscaledModel
from shared.speech.pieces import CutPiece
from shared.speech.recordings import Recording, RecordingReader

SOUND: Modality[Recording] = Modality(
    name="audio",
    unit="audio_seconds",
    field="audio",
    content=lambda recording: sha256(recording.content).digest(),
    together_bytes=0,  # one at a time: a recording that cannot be decoded costs the others nothing
)


VERSION = 1
"""To be raised when a recording gets another vector from the same recogniser."""


def sound_fingerprint(recogniser: str) -> str:
    """Return 8 hex digits over everything that changes a vector of sound, given the fingerprint of the recogniser."""
    return sha256(f"{VERSION}:{recogniser}".encode()).hexdigest()[:8]


class SoundModel(UnscaledModel[Recording]):
    """Embeds recordings by their sound: voices, line and language more than what is said.

    Args:
        reader: Decodes the recordings and cuts their speech.
        recogniser: The model whose encoder is used.
        batch_pieces: How many pieces are encoded at once.
        progress: Receives the seconds of speech that were encoded; it is also called while sound is decoded, with 0.
    """

    def __init__(
        self,
        reader: RecordingReader,
        recogniser: Recogniser,
        batch_pieces: int,
        progress: Callable[[float], None] = lambda seconds: None,
    ) -> None:
        self._reader, self._recogniser = reader, recogniser
        self._batch_pieces, self._progress = batch_pieces, progress

    @property
    @override
    def fingerprint(self) -> str:
        """8 hex digits over everything that changes a vector."""
        return sound_fingerprint(self._recogniser.fingerprint)

    @property
    @override
    def dim(self) -> int:
        """Width of the encoder, such as 512."""
        return self._recogniser.dim

    @override
    def embed(self, recordings: Sequence[Recording], /) -> Embeddings:
        """Return the mean of the states over all speech of each recording, of unit length; zeros if nobody speaks.

        Raises:
            Rejected: a recording cannot be decoded.
            DeviceLost: the device is dead.
            Exception: the encoder failed.
        """
        means = self._means(recordings)
        return self._embeddings(means, [mean.vector for mean in means])

    @override
    def embed_unscaled(self, recordings: Sequence[Recording], /) -> Embeddings:
        means = self._means(recordings)
        return self._embeddings(means, [mean.unscaled for mean in means])

    def _means(self, recordings: Sequence[Recording]) -> list["_Mean"]:
        means = [_Mean(self._recogniser, self._batch_pieces, self._progress) for _ in recordings]
        for recording, mean in zip(recordings, means, strict=True):
            self._reader.cut(recording, mean.add, lambda: self._progress(0.0))
            mean.finish()
        return means

    def _embeddings(self, means: Sequence["_Mean"], rows: Sequence[NDArray[np.float32]]) -> Embeddings:
        vectors = np.stack(rows) if rows else np.zeros((0, self.dim), np.float32)
        pieces = tuple(max(1, mean.pieces) for mean in means)
        return Embeddings(vectors, pieces, sum(mean.states for mean in means) * STATE_SAMPLES / RATE_HZ)

    @override
    def probe(self) -> None:
        """Recognise a harmless piece.

        Raises:
            DeviceLost: even that fails.
        """
        self._recogniser.probe()


class _Mean:
    """The mean of the encoder's states of one recording, whose pieces arrive one after the other.

    Attributes:
        pieces: Number of encoded pieces.
        states: Number of states that are in the mean.
    """

    def __init__(self, recogniser: Recogniser, batch_pieces: int, progress: Callable[[float], None]) -> None:
        self._recogniser, self._batch_pieces, self._progress = recogniser, batch_pieces, progress
        self._waiting: list[CutPiece] = []
        self._sum = np.zeros(recogniser.dim, np.float64)
        self.pieces = self.states = 0

    @property
    def vector(self) -> NDArray[np.float32]:
        """The mean, of unit length, shape (dim,)."""
        length = float(np.linalg.norm(self._sum))
        return (self._sum / length if length else self._sum).astype(np.float32)

    @property
    def unscaled(self) -> NDArray[np.float32]:
        """The mean, of any length, shape (dim,)."""
        return (self._sum / max(1, self.states)).astype(np.float32)

    def add(self, _voice: int, piece: CutPiece) -> None:
        """Add a piece, whoever speaks."""
        self._waiting.append(piece)
        if len(self._waiting) == self._batch_pieces:
            self.finish()

    def finish(self) -> None:
        """Encode what waits."""
        encoded = self._recogniser.encode([Piece(piece.samples) for piece in self._waiting]) if self._waiting else []
        for piece, states in zip(self._waiting, encoded, strict=True):
            spoken = states[_is_speech(piece, len(states))]
            self._sum += spoken.sum(axis=0, dtype=np.float64)
            self.states += len(spoken)
        self.pieces += len(self._waiting)
        self._progress(sum(piece.speech_s for piece in self._waiting))
        self._waiting = []


def _is_speech(piece: CutPiece, states: int) -> NDArray[np.bool_]:
    """Return which states of a piece are not those of a pause between two parts of its speech."""
    kept = np.ones(states, np.bool_)
    at = 0
    for part in piece.parts:
        if part.is_pause:
            kept[at // STATE_SAMPLES : (at + part.count) // STATE_SAMPLES] = False
        at += part.count
    return kept
