"""Bare encoders, each in a process of its own: `python -m benchmarks.peers.bare KIND TEXTS` prints its texts per second.

`millrace` is the encoder that the variables of the environment choose, by poll batches as the worker would hand them
over; `whole` and `batches` are sentence-transformers' `encode` of all texts at once, and of 256 at a time.
"""

import json
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from benchmarks.peers.desk import BATCH_RECORDS
from benchmarks.peers.life import plain_environment
from benchmarks.texts import load_mix
from shared.clock import SystemClock

Encode = Callable[[Sequence[str]], object]


def rate_of(kind: str, texts: int, model: Path, settings: Mapping[str, str]) -> float:
    """Return the texts per second of a bare encoder in a new process."""
    command = [sys.executable, "-m", "benchmarks.peers.bare", kind, str(texts), str(model)]
    environment = plain_environment() | dict(settings)
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)  # noqa: S603  (ourselves)
    return float(json.loads(ended.stdout.splitlines()[-1]))


def _encoder(kind: str, model: Path) -> Encode:
    if kind == "millrace":
        from millrace.cli.options import load_stream_settings
        from millrace.resources import load_text_model
        from millrace.streams import DEFAULT

        return load_text_model(load_stream_settings(DEFAULT)).embed
    from sentence_transformers import SentenceTransformer

    library = SentenceTransformer(str(model), device="cpu")
    return lambda texts: library.encode(list(texts), show_progress_bar=False)


def main() -> None:
    """Load the encoder, use it once, and measure."""
    kind, count, model = sys.argv[1:]
    texts, clock = load_mix(int(count)), SystemClock()
    encode = _encoder(kind, Path(model))
    encode(texts[:BATCH_RECORDS])
    size = len(texts) if kind == "whole" else BATCH_RECORDS
    began_s = clock.monotonic_s()
    for start in range(0, len(texts), size):
        encode(texts[start : start + size])
    print(json.dumps(len(texts) / (clock.monotonic_s() - began_s)))


if __name__ == "__main__":
    main()
