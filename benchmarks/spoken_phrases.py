"""Reads `spoken_phrases.toml` and `spoken_phrases_blind.toml` and counts what is missed and what is masked needlessly.

A phrase is missed if one word of what is in braces is left. The echo of another speaker may be masked too.
"""

import re
import tomllib
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from shared.text.spoken import SpokenSegment, mask_segments

LISTS = Path(__file__).with_suffix(".toml"), Path(__file__).with_name("spoken_phrases_blind.toml")
REGIONS = {"en": "US", "fr": "FR"}
WORD = re.compile(r"\w+")
MASK = re.compile(r"\[(?:mail|phone|iban|card)\]")
PERSONAL = re.compile(r"\{[^}]*\}")
PARTS = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth")
"""The parts of the lists: the first was written before the code, the third by somebody who had not read it yet."""


@dataclass(frozen=True, slots=True)
class Phrase:
    """A phrase of a call.

    Attributes:
        language: Its language.
        part: When it was written; one of `PARTS`.
        kind: Its list, such as `phones`.
        text: The phrase, with braces around what must be masked, ` | ` between segments, and speakers.
        is_personal: Whether something in it must be masked.
    """

    language: str
    part: str
    kind: str
    text: str
    is_personal: bool

    def segments(self, language: str | None) -> list[SpokenSegment]:
        """Return the segments of the phrase, marked with a language."""
        segments = []
        for part in re.sub(r"[{}]", "", self.text).split(" | "):
            speaker, colon, text = part.partition(": ")
            is_said = colon and speaker in ("A", "B")
            segments.append(SpokenSegment(text if is_said else part, speaker if is_said else None, language))
        return segments


def phrases() -> list[Phrase]:
    """Return every phrase of the lists."""
    return [
        Phrase(language, part, kind, text, outcome == "masked")
        for lists in LISTS
        for language, outcomes in tomllib.loads(lists.read_text(encoding="utf-8")).items()
        for outcome, parts in outcomes.items()
        for part, kinds in parts.items()
        for kind, texts in kinds.items()
        for text in texts
    ]


def is_wrong(phrase: Phrase, language: str | None) -> bool:
    """Return whether a phrase is missed or masked needlessly, recognised in a language or in an unknown one."""
    segments = phrase.segments(language)
    masked = mask_segments(segments, REGIONS[phrase.language])
    if not phrase.is_personal:
        return masked != [segment.text for segment in segments]
    joined = " ".join(masked)
    spared = Counter(WORD.findall(PERSONAL.sub("", phrase.text)))
    left = Counter(WORD.findall(MASK.sub(" ", joined)))
    return bool(left - spared) or MASK.search(joined) is None


def wrong() -> list[Phrase]:
    """Return the phrases that are missed or masked needlessly in their own language."""
    return [phrase for phrase in phrases() if is_wrong(phrase, phrase.language)]


def report() -> None:
    """Count and print, by language and part."""
    counts = Counter((phrase.language, phrase.is_personal, phrase.part) for phrase in phrases())
    bad = Counter((phrase.language, phrase.is_personal, phrase.part) for phrase in wrong())
    for key, count in sorted(counts.items()):
        language, is_personal, part = key
        name = f"spoken, {language}, {'missed' if is_personal else 'needlessly'}, {part} list"
        print(f"{name:<34}{bad[key]:>6} of {count}")
