"""The spoken samples of the demo with the words that are spoken in them, and how many words a transcript gets wrong."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jiwer

from millrace.learning.speech_rates import normalised
from schemas.speech import Transcript

CUSTOMER, AGENT = "customer", "agent"
OTHER_CHANNEL = {"left": "right", "right": "left"}
SPELLED = re.compile(r"\d(?:[\s().-]*\d){5,}")
OH = re.compile(r"\boh\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class SpokenSample:
    """One call of the samples.

    Attributes:
        call_id: Its identifier.
        file: The recording.
        language: What is spoken.
        agent_channel: `left` or `right`; None if the recording has one channel.
        spoken: What each speaker says, by turn.
    """

    call_id: str
    file: Path
    language: str
    agent_channel: str | None
    spoken: Sequence[Mapping[str, Any]]

    @property
    def channels(self) -> dict[str | None, str]:
        """The name of who speaks on each channel; an only channel has no name."""
        if self.agent_channel is None:
            return {None: CUSTOMER}
        return {self.agent_channel: AGENT, OTHER_CHANNEL[self.agent_channel]: CUSTOMER}

    def words_of(self, speaker: str) -> str:
        """Return all that one speaker says."""
        return " ".join(turn["text"] for turn in self.spoken if turn["speaker"] == speaker)


def read_samples(folder: Path) -> list[SpokenSample]:
    """Read the calls of a folder that holds `calls.jsonl`."""
    rows = [json.loads(line) for line in (folder / "calls.jsonl").read_text(encoding="utf-8").splitlines()]
    return [
        SpokenSample(row["call_id"], folder / row["file"], row["language"], row["agent_channel"], row["spoken"])
        for row in rows
    ]


def word_error_rate(sample: SpokenSample, transcript: Transcript) -> float:
    """Return the share of the spoken words that are wrong, each channel compared with its own speaker.

    Words on a channel whose speaker says nothing count as errors, one each if nothing is spoken at all.
    """
    words = errors = 0
    for channel, speaker in sample.channels.items():
        wanted = _comparable(sample.words_of(speaker), sample.language)
        found = _comparable(said_on(channel, transcript), sample.language)
        words += len(wanted.split())
        errors += _errors(wanted, found)
    return errors / max(1, words)


def said_on(channel: str | None, transcript: Transcript) -> str:
    """Return what was recognised on one channel."""
    return " ".join(segment.text for segment in transcript.segments if segment.speaker == channel)


def _comparable(text: str, language: str) -> str:
    """Return a text as word error rates are compared; digits that are spelled one by one stay so."""
    text = SPELLED.sub(lambda found: " ".join(re.findall(r"\d", found[0])), text)
    return normalised(OH.sub("zero", text) if language == "en" else text, language)


def _errors(wanted: str, found: str) -> int:
    if not wanted:
        return len(found.split())
    compared = jiwer.process_words(wanted, found)
    return int(compared.substitutions + compared.insertions + compared.deletions)
