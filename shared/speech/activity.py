"""Voice activity: which spans of a sound are speech, by Silero VAD's network, window after window.

The network and the meaning of its output are those of https://github.com/snakers4/silero-vad (MIT), version 6, which
comes in the wheel of faster-whisper.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from shared.embedding.audio.port import RATE_HZ, Samples
from shared.embedding.files import digest_of
from shared.errors import Fatal

PACKAGE, FILE = "faster_whisper", "silero_vad_v6.onnx"
SHA_256 = "4cbf549b8326f60f80f2536d9eefeb450a9abe83365a098031c89719f1be17d2"

FRAME = 512
"""Samples per decision: 32 ms."""

CONTEXT = 64
STATE_SHAPE = (1, 1, 128)
FRAMES_AT_ONCE = 1_024

SPEECH_AT, SILENCE_AT = 0.5, 0.35
"""Speech begins at the first of these probabilities, and ends below the second one."""

PAUSE_S = 0.5
"""A pause of this length ends a span."""

PADDING_S = 0.2
"""What is added to both ends of a span, because soft consonants are not recognised as speech."""

LEAST_S = 0.1
"""A shorter span is a click."""


@dataclass(frozen=True, slots=True)
class Span:
    """A span of speech, in samples from the start of the sound."""

    start: int
    end: int

    @property
    def duration_s(self) -> float:
        """Its length in seconds."""
        return (self.end - self.start) / RATE_HZ


class Activity:
    """Finds speech in one channel, of which it gets the samples in any portions.

    Args:
        network: The loaded network; see `load_network`.
    """

    def __init__(self, network: Any) -> None:
        self._network = network
        self._h, self._c = np.zeros(STATE_SHAPE, np.float32), np.zeros(STATE_SHAPE, np.float32)
        self._context = np.zeros(CONTEXT, np.float32)
        self._left = np.zeros(0, np.float32)
        self._frames = 0
        self._begin: int | None = None
        self._silent_since: int | None = None
        self._found: list[tuple[int, int]] = []

    def add(self, samples: Samples) -> None:
        """Add the next samples."""
        held = np.concatenate([self._left, samples])
        whole = len(held) // FRAME * FRAME
        self._left = held[whole:]
        for share in self._shares(held[:whole].reshape(-1, FRAME)):
            self._judge(share)
            self._frames += 1

    def spans(self) -> list[Span]:
        """Return the spans of all that was added, with padding, in order and without overlaps. It is called once."""
        total = self._frames * FRAME + len(self._left)
        if len(self._left):
            self.add(np.zeros(FRAME - len(self._left), np.float32))
        if self._begin is not None:
            self._close(total if self._silent_since is None else self._silent_since * FRAME)
        return _padded(self._found, total)

    def _shares(self, frames: Samples) -> Iterator[float]:
        """Yield the probability of speech of each frame; the network remembers the frames before."""
        for begin in range(0, len(frames), FRAMES_AT_ONCE):
            some = frames[begin : begin + FRAMES_AT_ONCE]
            before = np.concatenate([self._context[np.newaxis], some[:-1, -CONTEXT:]])
            given = {"input": np.concatenate([before, some], axis=1), "h": self._h, "c": self._c}
            shares, self._h, self._c = self._network.run(None, given)
            self._context = some[-1, -CONTEXT:]
            yield from np.ravel(shares).tolist()

    def _judge(self, share: float) -> None:
        if share >= SPEECH_AT:
            self._silent_since = None
            if self._begin is None:
                self._begin = self._frames * FRAME
        elif share < SILENCE_AT and self._begin is not None:
            if self._silent_since is None:
                self._silent_since = self._frames
            if (self._frames - self._silent_since) * FRAME >= PAUSE_S * RATE_HZ:
                self._close(self._silent_since * FRAME)

    def _close(self, end: int) -> None:
        if self._begin is not None and end - self._begin >= LEAST_S * RATE_HZ:
            self._found.append((self._begin, end))
        self._begin = self._silent_since = None


def load_network() -> Any:
    """Load the network.

    Raises:
        Fatal: the package that holds it is missing, or its file differs.
    """
    spec = find_spec(PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise Fatal("voice activity detection needs faster-whisper: install millrace[speech]")
    file = Path(next(iter(spec.submodule_search_locations))) / "assets" / FILE
    if digest_of(file) != SHA_256:
        raise Fatal(f"voice activity detection: {file} is another file; install the versions of requirements.lock")
    import onnxruntime  # an extra

    options = onnxruntime.SessionOptions()
    options.inter_op_num_threads = options.intra_op_num_threads = 1
    options.log_severity_level = 4
    return onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])


def _padded(found: list[tuple[int, int]], total: int) -> list[Span]:
    """Return spans with padding; two whose paddings would overlap share the pause between them."""
    padding = int(PADDING_S * RATE_HZ)
    spans = []
    for number, (start, end) in enumerate(found):
        before = found[number - 1][1] if number else -2 * padding
        after = found[number + 1][0] if number + 1 < len(found) else total + 2 * padding
        earlier, later = min(padding, (start - before) // 2), min(padding, (after - end) // 2)
        spans.append(Span(max(0, start - earlier), min(total, end + later)))
    return spans
