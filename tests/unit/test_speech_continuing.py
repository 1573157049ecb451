"""What is kept of a recording that goes on, and from where on it is recognised again."""

from schemas.speech import SpeakerSummary, Transcript, TranscriptSegment
from shared.embedding.audio.port import RATE_HZ
from shared.media.decoding.kinds import Kind
from shared.media.decoding.replies import Sound
from shared.speech.activity import Span
from shared.speech.analysis import Analysed, Mark, Voice
from shared.speech.continuing import continued
from shared.speech.recordings import Recording

MARK = Mark(60 * RATE_HZ, "a" * 64)
SOUND = Sound(Kind.WAV, "pcm_s16le", RATE_HZ, 1, 90.0, 0, False)


def longer(*spans: tuple[float, float]) -> Recording:
    voice = Voice(0, tuple(Span(round(begin * RATE_HZ), round(end * RATE_HZ)) for begin, end in spans))
    return Recording(b"", "audio", SOUND, Analysed((voice,), 90 * RATE_HZ, False, (MARK,)))


def known(*segments: tuple[float, float, str], language_share: float = 1.0) -> Transcript:
    summary = SpeakerSummary(
        speaker=None, language="en", language_share=language_share, speech_s=40.0, no_speech_s=0.0, covered_s=40.0
    )
    return Transcript(
        duration_s=60.0,
        segments=tuple(
            TranscriptSegment(start_s=begin, end_s=end, speaker=None, text=text) for begin, end, text in segments
        ),
        speakers=(summary,),
        coverage=1.0,
        no_speech=False,
        is_dual_mono=False,
        is_truncated=False,
        model="5bee0000",
    )


def kept_and_new(recording: Recording, transcript: Transcript) -> tuple[list[str], list[tuple[float, float]]]:
    found = continued(recording, transcript, MARK, ("left", "right"), None)
    assert found is not None
    rest, [voice] = found
    spans = [(span.start / RATE_HZ, span.end / RATE_HZ) for span in rest.analysed.voices[0].spans]
    return [segment.text for segment in voice.segments], spans


def test_what_ends_before_the_border_is_kept_and_the_rest_is_new() -> None:
    spans = [(0.0, 20.0), (30.0, 50.0), (70.0, 80.0)]
    assert kept_and_new(longer(*spans), known((0, 20, "one"), (30, 50, "two"))) == (["one", "two"], [(70.0, 80.0)])


def test_speech_that_goes_on_at_the_border_is_recognised_again_as_a_whole() -> None:
    spans = [(0.0, 20.0), (50.0, 75.0)]
    assert kept_and_new(longer(*spans), known((0, 20, "one"), (50, 60, "cut off"))) == (["one"], [(50.0, 75.0)])


def test_a_segment_across_a_pause_at_the_border_is_not_lost() -> None:
    spans = [(0.0, 20.0), (50.0, 57.6), (58.2, 64.0)]
    assert kept_and_new(longer(*spans), known((0, 20, "one"), (50, 63.9, "across"))) == (
        ["one"],
        [(50.0, 57.6), (58.2, 64.0)],
    )


def test_a_short_word_at_the_border_is_not_doubled() -> None:
    spans = [(0.0, 20.0), (57.9, 70.0)]
    assert kept_and_new(longer(*spans), known((0, 20, "one"), (57.9, 58.1, "Yes."))) == (["one"], [(57.9, 70.0)])


def test_masked_data_shortly_before_the_border_are_heard_again() -> None:
    spans = [(0.0, 10.0), (20.0, 30.0), (40.0, 50.0), (70.0, 80.0)]
    segments = known((0, 10, "one"), (20, 30, "two"), (40, 50, "my card is [card]"))
    assert kept_and_new(longer(*spans), segments) == (["one", "two"], [(40.0, 50.0), (70.0, 80.0)])
    early = known((0, 10, "my number is [phone]"), (20, 30, "two"), (40, 50, "three"))
    assert kept_and_new(longer(*spans), early)[0] == ["my number is [phone]", "two", "three"]


def test_another_beginning_and_other_speakers_are_not_continued() -> None:
    recording, transcript = longer((0.0, 20.0)), known((0, 20, "one"))
    assert continued(recording, transcript, Mark(60 * RATE_HZ, "b" * 64), ("left", "right"), None) is None
    stereo = transcript.model_copy(update={"speakers": transcript.speakers * 2})
    assert continued(recording, stereo, MARK, ("left", "right"), None) is None


def test_a_language_of_little_speech_that_was_uncertain_is_detected_again() -> None:
    short, long = longer((0.0, 5.0), (70.0, 80.0)), longer((0.0, 25.0), (70.0, 80.0))
    for recording, share, language in ((short, 0.6, None), (short, 0.95, "en"), (long, 0.6, "en")):
        found = continued(recording, known((0, 5, "one"), language_share=share), MARK, ("left", "right"), None)
        assert found is not None
        assert found[1][0].language == language
