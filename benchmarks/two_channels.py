"""Calls with two channels through a whole worker: `python -m benchmarks.two_channels [--model whisper-base]`.

Two voices say the same clips in another order, so that both speak nearly all the time. They are recorded on one channel
each, exchanged, one of them silent, the same on both, and each faintly heard on the other's channel. The errors are words
to replace, insert or delete; pieces are those that the model recognised.
"""

import argparse
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import jiwer
import numpy as np

from benchmarks.call_worker import call_worker
from benchmarks.clips import Clip, english_clips
from millrace.learning.speech_rates import normalised
from millrace.resources import load_recogniser
from millrace.transcribing import DEFAULT_MODEL
from schemas.speech import Transcript
from shared.embedding.audio.port import RATE_HZ, Samples
from shared.logs import configure
from tests.support.fakes import FakeModel
from tests.support.hostile_sounds import form, wav
from tests.support.in_process import Seen
from tests.support.speech import Counting

PAUSE_S = 0.5
FAINT = 10 ** (-40 / 20)
"""A voice at -40 dB: the echo of a line."""

AGENT, CUSTOMER, ALONE = "agent", "customer", None
BOTH, EXCHANGED = "both at once", "both at once, channels exchanged"


@dataclass(frozen=True, slots=True)
class Case:
    """A recording, and what each speaker says in it.

    Attributes:
        name: What is special about it.
        channels: Its left and its right channel.
        agent_channel: The channel on which the source says that the agent is.
        said: The words of each speaker.
    """

    name: str
    channels: tuple[Samples, Samples]
    agent_channel: str
    said: dict[str | None, str]

    @property
    def content(self) -> bytes:
        """The recording as a WAV file."""
        left, right = self.channels
        both = np.zeros((max(len(left), len(right)), 2), np.float32)
        both[: len(left), 0], both[: len(right), 1] = left, right
        pcm = (np.clip(both, -1, 1) * 32_767).astype("<i2")
        return wav(pcm.tobytes(), form(rate=RATE_HZ, channels=2))


def voice(clips: Sequence[Clip]) -> Clip:
    """Return clips one after the other, with pauses."""
    pause = np.zeros(round(PAUSE_S * RATE_HZ), np.float32)
    samples = [part for clip in clips for part in (clip.samples, pause)]
    return Clip(np.concatenate(samples), " ".join(clip.text for clip in clips))


def cases(clips: Sequence[Clip]) -> Iterator[Case]:
    """Yield the recordings."""
    half = len(clips) // 2
    agent, customer = voice(clips), voice([*clips[half:], *clips[:half]])
    both: dict[str | None, str] = {AGENT: agent.text, CUSTOMER: customer.text}
    silent = np.zeros(len(agent.samples), np.float32)
    length = min(len(agent.samples), len(customer.samples))
    left, right = agent.samples[:length], customer.samples[:length]
    yield Case(
        "the agent alone, the other channel is silent", (left, silent), "left", {AGENT: agent.text, CUSTOMER: ""}
    )
    yield Case("the customer alone", (silent, right), "left", {AGENT: "", CUSTOMER: customer.text})
    yield Case(BOTH, (left, right), "left", both)
    yield Case(EXCHANGED, (right, left), "right", both)
    yield Case("the same, each heard faintly by the other", (left + FAINT * right, right + FAINT * left), "left", both)
    yield Case("the agent on both channels", (left, left), "left", {ALONE: agent.text})
    yield Case("the same, one of them at half the level", (left, 0.5 * left), "left", {ALONE: agent.text})


def errors(said: str, found: str) -> tuple[int, int]:
    """Return how many words are wrong, and how many were said."""
    wanted, given = normalised(said, "en"), normalised(found, "en")
    if not wanted:
        return len(given.split()), 0
    compared = jiwer.process_words(wanted, given)
    return compared.substitutions + compared.insertions + compared.deletions, len(wanted.split())


def texts_of(transcript: Transcript) -> dict[str | None, str]:
    """Return what each speaker says."""
    return {
        each.speaker: " ".join(part.text for part in transcript.segments if part.speaker == each.speaker)
        for each in transcript.speakers
    }


def report(model: str) -> None:
    """Measure and print."""
    where, clips = english_clips(RATE_HZ)
    recogniser, seen = Counting(load_recogniser(model, None, "auto")), Seen()
    print(f"\nTwo channels, {model}, {len(clips)} clips, speech from {where}")
    print(f"{'':<44}{'pieces':>7}  wrong words of each speaker")
    texts: dict[str, dict[str | None, str]] = {}
    with (
        tempfile.TemporaryDirectory() as folder,
        call_worker(Path(folder), FakeModel(), recogniser, seen) as worker,
    ):
        for number, case in enumerate(cases(clips), 1):
            file, before = Path(folder) / f"{number}.wav", len(recogniser.seconds)
            file.write_bytes(case.content)
            worker.send(file, agent_channel=case.agent_channel)
            seen.wait_settled(number)
            transcript = Transcript.model_validate(worker.stored(file.name)["transcript"], strict=False)
            found = texts[case.name] = texts_of(transcript)
            counted = {speaker: errors(case.said.get(speaker, ""), text) for speaker, text in found.items()}
            shown = [f"{speaker or 'one voice'} {wrong} of {words}" for speaker, (wrong, words) in counted.items()]
            print(f"{case.name:<44}{len(recogniser.seconds) - before:>7}  {', '.join(shown)}")
    print(f"exchanged channels give the same texts: {texts[BOTH] == texts[EXCHANGED]}")


def main() -> None:
    """Parse the arguments and measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default=DEFAULT_MODEL, help="name of the model in models.toml")
    configure("error", json_lines=False)
    report(parser.parse_args().model)


if __name__ == "__main__":
    main()
