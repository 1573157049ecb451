"""What it costs to decode media in a child process: `python -m benchmarks.decoding [--quick]`.

Each medium is decoded in this process and by one child in turn, so that both meet the same noise, then many at once by as
many children as there are cores. Photos are drawn with smooth noise and saved as JPEG at quality 85, sounds are noise: a
decoder does as much work for them as for real ones of their size.
"""

import argparse
import os
import statistics
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from io import BytesIO

import numpy as np
from PIL import Image

from shared.clock import SystemClock
from shared.decoding_settings import DecodingSettings
from shared.media.decoding.decoder import Decoder
from shared.media.decoding.kinds import SOUNDS, kind_of
from shared.media.decoding.pictures import decode_picture, prepare_pictures
from shared.media.decoding.sounds import SoundReader, prepare_sounds
from shared.media.decoding.wire import Request
from tests.support.hostile_sounds import long_mulaw_wav

CONTENT_LIMIT_BYTES = 256 << 20


@dataclass(frozen=True)
class Medium:
    """A medium to decode.

    Attributes:
        name: What it is.
        content: The file.
        repeats: How often it is decoded each way.
    """

    name: str
    content: bytes
    repeats: int

    @property
    def is_sound(self) -> bool:
        """Whether it is a sound."""
        return kind_of(self.content) in SOUNDS


def media(is_quick: bool) -> Iterator[Medium]:
    """Yield the media, small ones first."""
    share = 0.2 if is_quick else 1.0
    for name, side, repeats in (
        ("photo, 0.1 MP", 360, 200),
        ("photo, 1 MP", 1_000, 60),
        ("photo, 12 MP", 3_460, 12),
    ):
        yield Medium(name, photo(side), max(3, int(repeats * share)))
    for name, seconds, repeats in (
        ("call, 10 s", 10, 200),
        ("call, 5 min", 300, 20),
        ("call, 1 h", 3_600, 4),
    ):
        yield Medium(name, long_mulaw_wav(seconds), max(2, int(repeats * share)))


def photo(side_px: int) -> bytes:
    """Return a JPEG of coloured patches with some noise."""
    rng = np.random.default_rng(side_px)
    patches = Image.fromarray(rng.integers(0, 256, (side_px // 16, side_px // 16, 3), np.uint8))
    smooth = np.asarray(patches.resize((side_px, side_px), Image.Resampling.BICUBIC), np.int16)
    noisy = np.clip(smooth + rng.integers(-8, 9, smooth.shape), 0, 255).astype(np.uint8)
    written = BytesIO()
    Image.fromarray(noisy).save(written, "JPEG", quality=85)
    return written.getvalue()


def in_process(medium: Medium, settings: DecodingSettings) -> None:
    """Decode a medium in this process, with the same code and limits."""
    kind = kind_of(medium.content)
    assert kind is not None
    request = Request(
        kind,
        settings.cpu_s,
        settings.max_pixels,
        settings.max_frames,
        settings.side_px,
        settings.max_sound_s,
    )
    if medium.is_sound:
        for window in SoundReader(medium.content, request).windows():
            np.frombuffer(window, np.int16)
    else:
        _, pixels = decode_picture(medium.content, request)
        np.frombuffer(pixels, np.uint8)


def in_child(medium: Medium, decoder: Decoder) -> None:
    """Let a child decode a medium."""
    if medium.is_sound:
        decoder.sound(medium.content, "medium", lambda window: None)
    else:
        decoder.picture(medium.content, "medium")


def took_ms(decode: Callable[[], None]) -> float:
    began_s = time.perf_counter()
    decode()
    return (time.perf_counter() - began_s) * 1_000


def per_second(medium: Medium, decoder: Decoder, threads: ThreadPoolExecutor) -> float:
    """Return how many of a medium all children decode in a second."""
    count = medium.repeats * 2
    began_s = time.perf_counter()
    list(threads.map(lambda _: in_child(medium, decoder), range(count)))
    return count / (time.perf_counter() - began_s)


def report(is_quick: bool) -> None:
    """Measure and print."""
    cores = len(os.sched_getaffinity(0))
    prepare_pictures()
    prepare_sounds()
    settings = DecodingSettings(processes=cores)
    with (
        closing(Decoder(settings, CONTENT_LIMIT_BYTES, SystemClock())) as decoder,
        ThreadPoolExecutor(cores * 2) as threads,
    ):
        began_s = time.perf_counter()
        decoder.start()
        print(
            f"\nDecoding media: {cores} children started one after the other in {time.perf_counter() - began_s:.2f} s"
        )
        print(
            f"\n{'medium':<15}{'KiB':>7}{'in process':>13}{'in a child':>13}{'ratio':>8}{'(spread)':>14}{'per second':>13}"
        )
        for medium in media(is_quick):
            pairs = []
            for _ in range(medium.repeats):
                inside_ms = took_ms(lambda: in_process(medium, settings))  # noqa: B023  (called at once)
                pairs.append((inside_ms, took_ms(lambda: in_child(medium, decoder))))  # noqa: B023
            ratios = sorted(child_ms / inside_ms for inside_ms, child_ms in pairs)
            low, high = ratios[len(ratios) // 10], ratios[-1 - len(ratios) // 10]
            inside_ms, child_ms = (statistics.median(pair[at] for pair in pairs) for at in (0, 1))
            rate = per_second(medium, decoder, threads)
            print(
                f"{medium.name:<15}{len(medium.content) >> 10:>7}{inside_ms:>10.2f} ms{child_ms:>10.2f} ms"
                f"{statistics.median(ratios):>8.2f}{f'{low:.2f}-{high:.2f}':>14}{rate:>13.1f}"
            )


def main() -> None:
    """Parse the arguments and measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="decode each medium fewer times")
    report(parser.parse_args().quick)


if __name__ == "__main__":
    main()
