"""Transcribes the voices of several recordings together: pieces share batches, and what is missing is tried again."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from shared.embedding.audio.port import Phrase, Piece, Recognised, Recogniser
from shared.errors import Fatal
from shared.speech.loops import is_looping
from shared.speech.pieces import CutPiece
from shared.speech.splitting import split

GAP_S = 2.0
"""Speech of this length without text is recognised once more, alone."""

HALVED_S = 4.0
"""A piece of at least this length whose text was cut off is recognised again in two halves."""

NO_SPEECH_AT, UNLIKELY_AT = 0.6, -1.0
"""A piece is not speech if the recogniser says so with this probability, and doubts its own text: the mean log probability
of the text is below the second number (Radford et al. 2022, section 4.5)."""

UNSURE_BELOW = 0.5
"""A detected language with a lower probability gives way to the hint."""


@dataclass(frozen=True, slots=True)
class Segment:
    """Something that was said.

    Attributes:
        start_s: Where it begins, in seconds from the start of the recording.
        end_s: Where it ends.
        text: The words.
        is_repetition: Whether the recogniser repeated itself here, also when it was not allowed to.
    """

    start_s: float
    end_s: float
    text: str
    is_repetition: bool = False


@dataclass(slots=True)
class VoiceTranscript:
    """What one voice says; it grows while its pieces are recognised.

    Attributes:
        hint: The language that the source names; None if it names none.
        language: The language of the voice; None until its first piece is recognised.
        language_share: The probability of this language.
        speech_s: Seconds of speech that were given to the recogniser.
        covered_s: Seconds of them that text accounts for.
        no_speech_s: Seconds of them that the recogniser found to be no speech.
        segments: What is said, in the order in which it was recognised.
        failure: The model's error on one of its pieces, so that the transcript is not complete; else None.
    """

    hint: str | None = None
    language: str | None = None
    language_share: float = 0.0
    speech_s: float = 0.0
    covered_s: float = 0.0
    no_speech_s: float = 0.0
    segments: list[Segment] = field(default_factory=list)
    failure: Exception | None = None

    @property
    def coverage(self) -> float:
        """Share of the speech that text accounts for; 1 if there is no speech."""
        speech_s = self.speech_s - self.no_speech_s
        return min(1.0, self.covered_s / speech_s) if speech_s > 0 else 1.0


@dataclass(slots=True)
class _Job:
    """A piece that waits.

    Attributes:
        voice: Whose speech it is.
        piece: The piece.
        is_counted: Whether its speech was reported to `progress` before.
        is_gap: Whether it is a gap of another piece; its own gaps are not searched.
        avoids_repetition: Whether it is recognised again because the recogniser repeated itself.
    """

    voice: VoiceTranscript
    piece: CutPiece
    is_counted: bool = False
    is_gap: bool = False
    avoids_repetition: bool = False


class Transcriber:
    """Collects pieces and recognises them in batches.

    A voice's language is that of its first piece; its other pieces wait until that one is recognised.

    Args:
        recogniser: The model.
        batch_pieces: How many pieces are recognised at once.
        progress: Receives the seconds of speech of each piece that is recognised for the first time; it is also called
            after each call of the model, with 0. It may raise an error to abandon the recognition.
    """

    def __init__(
        self, recogniser: Recogniser, batch_pieces: int, progress: Callable[[float], None] = lambda seconds: None
    ) -> None:
        self._recogniser, self._batch_pieces, self._progress = recogniser, batch_pieces, progress
        self.waiting: list[_Job] = []

    def add(self, voice: VoiceTranscript, piece: CutPiece) -> None:
        """Add the next piece of a voice; it is recognised now or later."""
        voice.speech_s += piece.speech_s
        self.waiting.append(_Job(voice, piece))
        while self._is_full():
            self._run()

    def finish(self) -> None:
        """Recognise what is left; after that, all transcripts are complete."""
        while self.waiting:
            self._run()

    def _is_full(self) -> bool:
        """Return whether a batch is ready, or as many pieces wait for the languages of their voices."""
        ready = len(self._ready())
        return ready >= self._batch_pieces or len(self.waiting) - ready >= self._batch_pieces

    def _ready(self) -> list[_Job]:
        """Return the jobs whose language is known, and of each other voice the first one."""
        first: set[int] = set()
        found = []
        for job in self.waiting:
            if job.voice.language is not None or id(job.voice) not in first:
                found.append(job)
            if job.voice.language is None:
                first.add(id(job.voice))
        return found

    def _run(self) -> None:
        jobs = self._ready()[: self._batch_pieces]
        self.waiting = [job for job in self.waiting if not any(job is other for other in jobs)]
        pieces = [Piece(job.piece.samples, job.voice.language, job.avoids_repetition) for job in jobs]
        for job, found in zip(jobs, self._recognised(pieces), strict=True):
            if isinstance(found, Exception):
                job.voice.failure = found
            else:
                self._settle(job, found)

    def _recognised(self, pieces: list[Piece]) -> list[Recognised | Exception]:
        """Recognise pieces; if the model fails, halve them until each bad piece is alone, with its error."""
        try:
            found = list(self._recogniser.recognise(pieces))
        except Fatal:
            raise
        except Exception as error:  # noqa: BLE001  (a model may raise anything)
            if len(pieces) == 1:
                self._recogniser.probe()
                return [error]
            half = len(pieces) // 2
            return self._recognised(pieces[:half]) + self._recognised(pieces[half:])
        self._progress(0.0)  # what it raises is no failure of the model
        return [*found]

    def _settle(self, job: _Job, found: Recognised) -> None:
        voice = job.voice
        if not job.is_counted:
            self._progress(job.piece.speech_s)
        if found.no_speech > NO_SPEECH_AT and found.log_probability < UNLIKELY_AT:
            voice.no_speech_s += job.piece.speech_s
            return
        is_looping_now = is_looping(" ".join(phrase.text for phrase in found.phrases))
        again = self._again(job, found, is_looping_now)
        if again:
            self.waiting[:0] = again
            return
        for phrase in found.phrases:
            places = job.piece.places(phrase.start_s, phrase.end_s)
            for place, words in zip(places, split(phrase.text, [each.speech for each in places]), strict=True):
                if words:
                    voice.segments.append(Segment(place.start_s, place.end_s, words, is_looping_now))
        gaps = _gaps(found.phrases, job.piece.duration_s)
        # The last phrase of a text that was cut off is stretched over all that is missing.
        uncovered = _gaps(found.phrases[:-1], job.piece.duration_s) if found.is_cut else gaps
        missing_s = sum(job.piece.speech_between(start_s, end_s) for start_s, end_s in uncovered)
        voice.covered_s += max(0.0, job.piece.speech_s - missing_s)
        if not job.is_gap:
            self._try_again(job, gaps)

    def _again(self, job: _Job, found: Recognised, is_looping_now: bool) -> list[_Job]:
        """Return how a whole piece is recognised again, in place of what was found; set the language of its voice."""
        if is_looping_now and not job.avoids_repetition:
            return [replace(job, is_counted=True, avoids_repetition=True)]
        if job.voice.language is None and self._takes_hint(job.voice, found):
            return [replace(job, is_counted=True)]  # it was recognised in another language
        if found.is_cut and not is_looping_now and job.piece.duration_s >= HALVED_S:
            halves = job.piece.halves()
            return [replace(job, piece=half, is_counted=True, avoids_repetition=False) for half in halves]
        return []

    def _takes_hint(self, voice: VoiceTranscript, found: Recognised) -> bool:
        """Set the language of a voice; return whether it is the hint, and not the language that was detected."""
        is_unsure = found.language_share < UNSURE_BELOW and voice.hint in self._recogniser.languages
        voice.language, voice.language_share = (
            (voice.hint, 1.0) if is_unsure else (found.language, found.language_share)
        )
        return voice.language != found.language

    def _try_again(self, job: _Job, gaps: Sequence[tuple[float, float]]) -> None:
        """Recognise the long gaps of a piece alone, unless the gap is the whole piece."""
        for start_s, end_s in gaps:
            is_all = end_s - start_s >= job.piece.duration_s
            if job.piece.speech_between(start_s, end_s) > GAP_S and not is_all:
                gap = job.piece.between(start_s, end_s)
                self.waiting.insert(0, _Job(job.voice, gap, is_counted=True, is_gap=True))


def _gaps(phrases: Sequence[Phrase], duration_s: float) -> list[tuple[float, float]]:
    """Return the times of a piece that no phrase accounts for."""
    gaps, at_s = [], 0.0
    for phrase in sorted(phrases, key=lambda each: each.start_s):
        if phrase.start_s > at_s:
            gaps.append((at_s, min(phrase.start_s, duration_s)))
        at_s = max(at_s, phrase.end_s)
    if at_s < duration_s:
        gaps.append((at_s, duration_s))
    return gaps
