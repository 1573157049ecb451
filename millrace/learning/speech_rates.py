"""Measures a model of speech on recordings with known transcripts."""

import csv
import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import jiwer
from num2words import num2words

from millrace.transcribing import FileTranscriber
from shared.clock import Clock
from shared.embedding.audio.port import RATE_HZ
from shared.errors import Fatal

FILE, TRANSCRIPT, LANGUAGE = "file", "transcript", "language"
NUMBER = re.compile(r"\d+(?:[.,]\d+)?")
THOUSANDS = re.compile(r"(?<=\d),(?=\d{3}(?!\d))")
NO_WORD = re.compile(r"[^\w\s']|_")
DEFAULT_LANGUAGE = "en"


@dataclass(frozen=True, slots=True)
class Spoken:
    """A recording and what is said in it."""

    file: Path
    transcript: str
    language: str | None


@dataclass(slots=True)
class Rates:
    """How well and how fast some recordings were recognised.

    Attributes:
        recordings: Their number.
        words: Words of their transcripts.
        errors: Words to replace, insert or delete.
        audio_s: Their length.
        took_s: The time that it took.
        speech_s: Seconds of speech.
        covered_s: Seconds of speech that text accounts for.
    """

    recordings: int = 0
    words: int = 0
    errors: int = 0
    audio_s: float = 0.0
    took_s: float = 0.0
    speech_s: float = 0.0
    covered_s: float = 0.0

    def as_dict(self) -> dict[str, float | int]:
        """Return the rates by name; `real_time_factor` is computing time per second of sound."""
        return {
            "recordings": self.recordings,
            "words": self.words,
            "wer": round(self.errors / self.words, 4) if self.words else 0.0,
            "real_time_factor": round(self.took_s / self.audio_s, 4) if self.audio_s else 0.0,
            "coverage": round(min(1.0, self.covered_s / self.speech_s), 4) if self.speech_s else 1.0,
        }


def read_spoken(table: Path) -> list[Spoken]:
    """Read a CSV file with the columns `file`, `transcript` and perhaps `language`; others are ignored.

    Raises:
        Fatal: the file cannot be read, a column or a value is missing, or a recording does not exist.
    """
    try:
        with table.open(encoding="utf-8-sig", newline="") as opened:
            reader = csv.DictReader(opened)
            missing = [name for name in (FILE, TRANSCRIPT) if name not in (reader.fieldnames or ())]
            if missing:
                raise Fatal(f"{table} has no column {missing[0]}; its columns are {', '.join(reader.fieldnames or ())}")
            found = [_spoken(table, reader.line_num, row) for row in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise Fatal(f"{table} cannot be read: {error}") from error
    if not found:
        raise Fatal(f"{table} has no rows")
    return found


def _spoken(table: Path, line: int, row: dict[str, str | None]) -> Spoken:
    name, transcript = row.get(FILE), row.get(TRANSCRIPT)
    if not name or transcript is None:
        raise Fatal(f"{table}, line {line}: the file or the transcript is missing")
    file = table.parent / name
    if not file.is_file():
        raise Fatal(f"{table}, line {line}: there is no file {file}")
    return Spoken(file, transcript, row.get(LANGUAGE) or None)


def normalised(text: str, language: str | None) -> str:
    """Return a text in lower case, without punctuation, with numbers as words, as word error rates are compared."""
    text = THOUSANDS.sub("", text)
    text = NUMBER.sub(lambda found: f" {_in_words(found[0], language)} ", text.lower())
    return " ".join(NO_WORD.sub(" ", text).split())


def _in_words(number: str, language: str | None) -> str:
    value = number.replace(",", ".")
    try:
        words: str = num2words(float(value) if "." in value else int(value), lang=language or DEFAULT_LANGUAGE)
    except (NotImplementedError, OverflowError, ValueError):
        return number
    return words


def evaluate(
    transcriber: FileTranscriber, spoken: Sequence[Spoken], clock: Clock, progress: Callable[[int], None]
) -> tuple[Rates, dict[str, Rates]]:
    """Transcribe recordings and return the rates of all, and of each language that is named.

    Raises:
        Fatal: a recording cannot be decoded.
    """
    rates, by_language = Rates(), defaultdict[str, Rates](Rates)
    for each in spoken:
        one = _measured(transcriber, each, clock)
        for total in _totals(rates, by_language, each.language):
            total.recordings += 1
            for name in ("words", "errors", "audio_s", "took_s", "speech_s", "covered_s"):
                setattr(total, name, getattr(total, name) + getattr(one, name))
        progress(1)
    return rates, dict(by_language)


def _totals(rates: Rates, by_language: dict[str, Rates], language: str | None) -> Iterator[Rates]:
    yield rates
    if language is not None:
        yield by_language[language]


def _measured(transcriber: FileTranscriber, spoken: Spoken, clock: Clock) -> Rates:
    began_s = clock.monotonic_s()
    recording = transcriber.read(spoken.file)
    transcript = transcriber.transcribe(recording)
    took_s = clock.monotonic_s() - began_s
    wanted = normalised(spoken.transcript, spoken.language)
    found = normalised(transcript.text, spoken.language)
    words = len(wanted.split())
    compared = jiwer.process_words(wanted, found) if wanted else None
    errors = (
        len(found.split()) if compared is None else compared.substitutions + compared.insertions + compared.deletions
    )
    return Rates(
        words=words,
        errors=errors,
        audio_s=recording.analysed.samples / RATE_HZ,
        took_s=took_s,
        speech_s=sum(each.speech_s - each.no_speech_s for each in transcript.speakers),
        covered_s=sum(each.covered_s for each in transcript.speakers),
    )
