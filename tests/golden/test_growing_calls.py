"""A call in progress: its recording grows from version to version, and only what is new is recognised.

Green does not show every codec: the samples of a lossy one begin alike only if its file was continued, not written again.
"""

from base64 import b64encode
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from millrace.resources import load_recogniser
from schemas.calls import CallRouted
from schemas.outcomes import Outcome
from shared.clock import SystemClock
from shared.decoding_settings import DecodingSettings
from shared.embedding.audio.port import Recogniser, Samples
from shared.engine.resources import Resources
from shared.media.decoding.decoder import Decoder
from shared.speech.activity import load_network
from shared.speech.recordings import RecordingReader
from shared.speech.resources import Speech
from tests.golden.test_speech import samples_of
from tests.support.assembly import Assembly
from tests.support.hostile_sounds import form, wav
from tests.support.speech import Counting
from tests.unit.test_calls import Calls
from workers.calls.stages import CALLS, CallStages

RATE = 8_000


@pytest.fixture(scope="module")
def recogniser() -> Recogniser:
    return load_recogniser("whisper-tiny-en", None, "cpu")


@pytest.fixture
def growing(recogniser: Recogniser) -> Iterator[tuple[Assembly, Counting]]:
    """Yield a worker of calls with the real model, and what it recognises."""
    counting = Counting(recogniser)
    with closing(Decoder(DecodingSettings(processes=1), 10 << 20, SystemClock())) as decoder:
        speech = Speech(RecordingReader(decoder, load_network()), counting, 4)

        def stages(resources: Resources) -> CallStages:
            return CallStages.of(replace(resources, speech=speech))

        yield Assembly(stream=replace(CALLS, stages=stages)), counting


def recording(*parts: Samples) -> dict[str, Any]:
    samples = np.clip(np.concatenate(parts), -1, 1) * 127 + 128  # 8 bits, so that it fits into an event
    content = wav(samples.astype(np.uint8).tobytes(), form(rate=RATE, bits=8))
    return {"inline": b64encode(content).decode()}


def test_only_what_is_new_is_recognised(growing: tuple[Assembly, Counting], data_dir: Path) -> None:
    parts, counting = growing
    clips = data_dir / "speech" / "clips"
    first, second = (samples_of(clips / name, RATE) for name in ("arctic_a0024.wav", "spk1_snt4.wav"))
    pause = np.zeros(14 * RATE, np.float32)
    events = Calls()
    short = recording(first, pause, first, pause)
    parts.settle(events.record(reason="progress", audio=short))
    before_s = sum(counting.seconds)
    assert before_s > 6
    counting.seconds.clear()
    long = recording(first, pause, first, pause, second)
    [settled] = parts.settle(events.record(version=2, reason="progress", audio=long))
    assert settled.outcome is Outcome.ROUTED
    assert sum(counting.seconds) < before_s / 2, "the beginning is known"
    early, late = (
        CallRouted.model_validate_json(message.value or b"").transcript for message in parts.delivered("calls.routed")
    )
    assert early.text.count("report") == 2
    assert late.text.startswith(early.text)
    assert "stripe" in late.text[len(early.text) :]
    assert [each.start_s for each in late.segments] == sorted(each.start_s for each in late.segments)
    assert late.segments[-1].start_s == pytest.approx(28 + 2 * len(first) / RATE, abs=0.7)
    assert late.coverage > 0.9
    assert late.speakers[0].speech_s == pytest.approx(before_s + sum(counting.seconds), abs=1.5)


def test_another_recording_is_recognised_from_its_beginning(growing: tuple[Assembly, Counting], data_dir: Path) -> None:
    parts, counting = growing
    clips = data_dir / "speech" / "clips"
    first, second = (samples_of(clips / name, RATE) for name in ("arctic_a0024.wav", "spk1_snt4.wav"))
    pause, events = np.zeros(30 * RATE, np.float32), Calls()
    parts.settle(events.record(reason="progress", audio=recording(first, pause)))
    counting.seconds.clear()
    parts.settle(events.record(version=2, reason="progress", audio=recording(second, pause, first)))
    assert sum(counting.seconds) > 5
    [_, late] = (
        CallRouted.model_validate_json(each.value or b"").transcript for each in parts.delivered("calls.routed")
    )
    assert "stripe" in late.segments[0].text
    assert "report" in late.text
