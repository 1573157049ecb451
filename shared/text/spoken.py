"""Masks personal data that is said aloud, in the transcript of a call, over the borders of segments and speakers.

`shared/text/speech` reads the words; this module joins segments to channels and cuts the masked text again.
`docs/decisions/0024-spoken-personal-data.md` has the reasons.
"""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from shared.text.masking import find_personal_data, mask
from shared.text.phones import MIN_DIGITS
from shared.text.shadow import IBAN, MAIL, Span
from shared.text.speech.apart import PARTS, joined
from shared.text.speech.cues import LOOK_BACK, NEAR, THING_CUES, cue_before
from shared.text.speech.echoes import echoes
from shared.text.speech.groups import groups_of
from shared.text.speech.ibans import find_ibans
from shared.text.speech.mails import find_mails
from shared.text.speech.numbers import Library, Run, extended, is_area_code, kind_of, late_extension, runs_of, trimmed
from shared.text.speech.tokens import BREAK, Kind, Piece, Token, is_hesitation, tokens_of
from shared.text.speech.written import stays

PASSES = 8
"""Maximum number of passes over a transcript; a mask can change what the words around it mean."""

INTERJECTED_WORDS = 15
"""The number of words another speaker may say within a number or an address."""


@dataclass(frozen=True, slots=True)
class SpokenSegment:
    """A segment of a transcript.

    Attributes:
        text: What was said.
        speaker: Who said it; None if unknown. Two segments without a speaker count as one speaker's.
        language: The language it was recognised in, a BCP 47 tag; None if unknown.
    """

    text: str
    speaker: str | None = None
    language: str | None = None


@dataclass(frozen=True, slots=True, order=True)
class Part:
    """A stretch of one segment that is masked.

    Attributes:
        start: Position of its first character in the joined transcript.
        end: Position after its last character.
        mask: The mask that replaces it; empty if the mask is in an earlier segment.
    """

    start: int
    end: int
    mask: str


def mask_segments(segments: Sequence[SpokenSegment], region: str) -> list[str]:
    """Return the texts of a transcript, one for each segment, with masks in place of personal data.

    Spoken and written data are masked. What covers several segments has its mask in the first and is removed from the
    others. Masking is idempotent.

    Args:
        segments: The segments of one call, in the order in which they were said.
        region: Region of phone numbers without a country code, ISO 3166-1 alpha-2.
    """
    texts = [segment.text for segment in segments]
    for _ in range(PASSES):
        current = [SpokenSegment(text, each.speaker, each.language) for text, each in zip(texts, segments, strict=True)]
        parts = _parts(current, region)
        if not parts:
            return texts
        texts = _cut(texts, parts)
    return [mask(text, region) for text in texts]  # only a text constructed for it needs more passes


def mask_spoken(text: str, region: str, language: str | None) -> str:
    """Return a text with masks in place of personal data, spoken and written; see `mask_segments`."""
    return mask_segments([SpokenSegment(text, None, language)], region)[0]


def find_spoken(text: str, region: str, language: str | None) -> list[Span]:
    """Return the spans of spoken personal data in a text, in order and without overlaps."""
    segment = SpokenSegment(text, None, language)
    return [(part.start, part.end, part.mask) for part in _merged(list(_spoken(_listener([segment], region))))]


def _parts(segments: Sequence[SpokenSegment], region: str) -> list[Part]:
    """Return what one pass masks, in order and without overlaps, as positions in the joined transcript."""
    listener = _listener(segments, region)
    starts = [token.start for token in listener.tokens]
    parts = list(_spoken(listener))
    at = 0
    for segment in segments:
        for start, end, kind in find_personal_data(segment.text, region):
            first = max(0, bisect_right(starts, at + start) - 1)
            if not stays(listener.tokens, first, segment.text[start:end], kind):
                parts.append(Part(at + start, at + end, kind))
        at += len(segment.text) + 1
    return _merged(parts)


def _merged(parts: list[Part]) -> list[Part]:
    """Return parts without overlaps; of two that overlap, the one that begins first, or is longer, gives the mask.

    The order of equal parts stays: the spoken ones come first.
    """
    merged: list[Part] = []
    for part in sorted(parts, key=lambda part: (part.start, -part.end)):
        if merged and part.start < merged[-1].end:
            last = merged[-1]
            is_same = (part.start, part.end) == (last.start, last.end)
            mask = last.mask or (part.mask if is_same else "")
            merged[-1] = Part(last.start, max(last.end, part.end), mask)
        else:
            merged.append(part)
    return merged


def _cut(texts: Sequence[str], parts: Sequence[Part]) -> list[str]:
    """Return the texts of the segments without the masked parts, which are in order."""
    result = []
    at = index = 0
    for text in texts:
        kept: list[str] = []
        done = at
        end = at + len(text)
        while index < len(parts) and parts[index].start < end:
            part = parts[index]
            kept += (text[done - at : part.start - at], part.mask)
            done = part.end
            index += 1
        rest = "".join((*kept, text[done - at :]))
        result.append(_tidied(rest) if kept else text)
        at = end + 1
    return result


def _tidied(text: str) -> str:
    """Return a text from which something was removed: empty if only blanks and punctuation are left."""
    return text if any(char.isalnum() for char in text) else ""


def _listener(segments: Sequence[SpokenSegment], region: str) -> "_Listener":
    """Return what searches the tokens of some segments."""
    pieces: list[Piece] = []
    at = 0
    for segment in segments:
        pieces.append(Piece(at, at + len(segment.text), segment.language))
        at += len(segment.text) + 1
    read = tokens_of("\n".join(segment.text for segment in segments), pieces)
    tokens = [token for each in read for token in each]
    places = {id(token): place for place, token in enumerate(tokens)}
    segment_of = [index for index, each in enumerate(read) for _ in each]
    return _Listener(tokens, places, segment_of, list(zip(segments, read, strict=True)), Library(region))


def _spoken(listener: "_Listener") -> Iterator[Part]:
    """Yield the parts of spoken data, once for each channel in which they are found."""
    for channel in _channels(listener.read):
        yield from listener.parts(channel)


def _channels(read: Sequence[tuple[SpokenSegment, list[Token]]]) -> Iterator[list[Token]]:
    """Yield the tokens of each speaker without the short answers of the others, and then those of the whole call."""
    speakers = dict.fromkeys(segment.speaker for segment, _ in read)
    for speaker in speakers if len(speakers) > 1 else ():
        channel: list[Token] = []
        between = 0
        for segment, tokens in read:
            if segment.speaker != speaker:
                between += sum(token.kind not in (Kind.PAUSE, Kind.SIGN, Kind.HYPHEN) for token in tokens)
            elif tokens:
                if between > INTERJECTED_WORDS:
                    channel.append(BREAK)
                channel += tokens
                between = 0
        yield channel
    yield [token for _, tokens in read for token in tokens]


@dataclass(slots=True)
class _Listener:
    """Searches channels of one transcript.

    Attributes:
        tokens: All tokens of the transcript.
        places: The index in `tokens` of each token, by its identity.
        segment_of: The segment of each token.
        read: Each segment with its tokens.
        library: What knows the numbers of a region.
    """

    tokens: list[Token]
    places: dict[int, int]
    segment_of: list[int]
    read: list[tuple[SpokenSegment, list[Token]]]
    library: Library

    def parts(self, channel: list[Token]) -> Iterator[Part]:
        """Yield the parts of a channel: first IBANs and addresses, then numbers in what is left."""
        for find, kept in ((find_ibans, IBAN), (find_mails, MAIL)):
            spans = find(channel)
            for first, last in spans:
                said = [token for token in channel[first : last + 1] if not is_hesitation(token)]
                yield from self._divided(said, kept)
                if kept == IBAN:
                    yield from self._echoed(said, kept)
            channel = _covered(channel, spans)
        yield from self._numbers(channel)

    def _numbers(self, channel: Sequence[Token]) -> Iterator[Part]:
        """Yield the parts of the phone and card numbers of a channel."""
        runs = list(runs_of(channel))
        area: Run | None = None
        index = 0
        while index < len(runs):
            run = runs[index]
            count, kind = self._joined(channel, runs[index : index + PARTS])
            last = runs[index + count - 1].said[-1].at if kind else -1
            if not kind:
                count, (last, kind) = 1, self._judged(channel, run)
            if not kind:
                area = run if is_area_code(channel, run) else None
            else:
                number = [*([area] if area is not None else ()), *runs[index : index + count]]
                for part in number:
                    yield from self._divided(_masked(channel, part, last), kind)
                if extension := late_extension(channel, last):
                    yield from self._divided(extension, kind)
                yield from self._echoed([each.token for part in number for each in part.said if each.at <= last], kind)
                area = None
            index += count

    def _echoed(self, said: Sequence[Token], kind: str) -> Iterator[Part]:
        """Yield what other speakers repeat of a number between its parts and in the segment after it."""
        first, last = self._segment(said[0]), self._segment(said[-1])
        speakers = {self.read[segment][0].speaker for segment in (first, last)}
        for segment, tokens in self.read[first + 1 : last + 2]:
            if segment.speaker in speakers:
                continue
            for repeated in echoes(said, tokens, has_characters=kind == IBAN):
                yield from self._divided(repeated, "")

    def _joined(self, channel: Sequence[Token], runs: Sequence[Run]) -> tuple[int, str]:
        """Return how many runs are the parts of one number, and its mask; an empty one if they are not."""
        count, kind = joined(channel, runs)
        for run in runs[:count] if kind else ():
            look_back = LOOK_BACK if run is runs[0] else 1
            if cue_before(self.tokens, self.places[id(channel[run.first])], look_back) in THING_CUES:
                return 0, ""
        return count, kind

    def _judged(self, channel: Sequence[Token], run: Run) -> tuple[int, str]:
        """Return the last token of the number in a run, and its mask; an empty one if it stays."""
        groups = trimmed(groups_of(run.said), run.after)
        if sum(len(group.digits) for group in groups) < MIN_DIGITS:
            return -1, ""
        look_back = NEAR if len(groups) == 1 else LOOK_BACK
        cue = cue_before(self.tokens, self.places[id(channel[run.first])], look_back)
        return groups[-1].last, kind_of(groups, run, cue, self.library) or ""

    def _divided(self, tokens: Sequence[Token], mask: str) -> Iterator[Part]:
        """Yield one part for each segment in which some tokens are; the first has the mask."""
        first, last = tokens[0], tokens[0]
        for token in (*tokens[1:], None):
            if token is not None and self._segment(token) == self._segment(first):
                last = token
                continue
            yield Part(first.start, last.end, mask)
            if token is not None:
                first, last, mask = token, token, ""

    def _segment(self, token: Token) -> int:
        return self.segment_of[self.places[id(token)]]


def _masked(channel: Sequence[Token], run: Run, last: int) -> list[Token]:
    """Return the tokens of a run that are masked: those up to the last of its number, with `plus` and an extension."""
    tokens = [channel[run.first]] if run.has_plus else []
    tokens += [each.token for each in run.said if each.at <= last]
    if last == run.said[-1].at:
        tokens += channel[last + 1 : extended(channel, last) + 1]
    return tokens


def _covered(channel: list[Token], spans: Sequence[tuple[int, int]]) -> list[Token]:
    """Return a channel in which the tokens of spans are breaks."""
    if not spans:
        return channel
    channel = list(channel)
    for first, last in spans:
        channel[first : last + 1] = [BREAK] * (last + 1 - first)
    return channel
