"""The packaged models of speech on real recordings, and the properties of the whole way from a file to a transcript.

Eleven clips are too few for an accuracy figure: a green run shows that nothing is broken, not how good the models are.
"""

import csv
from collections.abc import Iterator
from io import StringIO
from pathlib import Path

import av
import numpy as np
import pytest
from typer.testing import CliRunner

from millrace.cli import app
from millrace.learning.speech_rates import Rates, evaluate, read_spoken
from millrace.resources import load_recogniser
from millrace.transcribing import FileTranscriber, SpeechOptions, file_transcriber
from schemas.speech import Transcript
from shared.clock import SystemClock
from shared.embedding.audio.port import RATE_HZ, Piece, Samples
from shared.embedding.audio.whisper import WhisperRecogniser
from shared.settings import Settings
from shared.speech.activity import Activity, load_network
from shared.speech.transcription import Transcriber
from tests.support.hostile_sounds import form, wav
from tests.support.no_speech import MAKERS, no_speech_wav

MU_LAW = 7


@pytest.fixture(scope="module")
def base() -> Iterator[FileTranscriber]:
    with file_transcriber(SpeechOptions("whisper-base"), Settings()) as transcriber:
        yield transcriber


@pytest.fixture(scope="module")
def clips(data_dir: Path) -> Path:
    return data_dir / "speech" / "clips"


def samples_of(file: Path, rate: int = RATE_HZ) -> Samples:
    """Return the samples of a recording, mixed down."""
    resampler = av.AudioResampler("fltp", "mono", rate)
    with av.open(str(file)) as container:
        frames = [made for frame in container.decode(audio=0) for made in resampler.resample(frame)]
    frames += resampler.resample(None)
    return np.concatenate([frame.to_ndarray()[0] for frame in frames])


def telephone(file: Path) -> bytes:
    """Return a recording as a telephone transmits it: 8 kHz, mu-law."""
    pcm = (np.clip(samples_of(file, 8_000), -1, 1) * 32_767).astype("<i2")
    coder = av.CodecContext.create("pcm_mulaw", "w")
    assert isinstance(coder, av.AudioCodecContext)
    coder.sample_rate, coder.layout, coder.format = 8_000, "mono", "s16"
    frame = av.AudioFrame.from_ndarray(pcm[np.newaxis], format="s16", layout="mono")
    frame.sample_rate = 8_000
    return wav(b"".join(bytes(packet) for packet in coder.encode(frame)), form(MU_LAW, 8_000, 8))


def stereo(left: Samples, right: Samples) -> bytes:
    """Return a WAV file of two channels; the shorter one is filled with silence."""
    both = np.zeros((max(len(left), len(right)), 2), np.float32)
    both[: len(left), 0], both[: len(right), 1] = left, right
    return wav((both * 32_767).astype("<i2").tobytes(), form(rate=RATE_HZ, channels=2))


def transcribed(transcriber: FileTranscriber, content: bytes) -> Transcript:
    return transcriber.transcribe(transcriber.reader.analyse(content, "recording"))


def by_speaker(transcript: Transcript, speaker: str) -> str:
    return " ".join(each.text for each in transcript.segments if each.speaker == speaker).lower()


@pytest.mark.parametrize(("model", "highest"), [("whisper-base", 0.08), ("whisper-tiny-en", 0.05)])
def test_the_packaged_models_understand_english_clips(model: str, highest: float, clips: Path) -> None:
    with file_transcriber(SpeechOptions(model), Settings()) as transcriber:
        _, by_language = evaluate(transcriber, read_spoken(clips / "transcripts.csv"), SystemClock(), lambda _: None)
    english: Rates = by_language["en"]
    assert english.words > 90
    assert english.errors / english.words <= highest
    if model == "whisper-base":
        assert by_language["fr"].errors == 0


def test_a_telephone_line_costs_little(base: FileTranscriber, clips: Path, tmp_path: Path) -> None:
    rows = [row for row in csv.DictReader(StringIO((clips / "transcripts.csv").read_text())) if row["language"] == "en"]
    lines = ["file,transcript,language"]
    for row in rows:
        (tmp_path / f"{row['file']}.wav").write_bytes(telephone(clips / row["file"]))
        lines.append(f'{row["file"]}.wav,"{row["transcript"]}",en')
    (tmp_path / "table.csv").write_text("\n".join(lines))
    rates, _ = evaluate(base, read_spoken(tmp_path / "table.csv"), SystemClock(), lambda _: None)
    assert rates.recordings == 10
    assert rates.errors / rates.words <= 0.10


def test_a_piece_is_recognised_alone_as_in_a_batch(clips: Path) -> None:
    recogniser = load_recogniser("whisper-base", None, "cpu")
    names = ("jfk.flac", "french.aiff", "arctic_a0024.wav", "whatstheweatherlike.wav")
    pieces = [Piece(samples_of(clips / name)) for name in names]
    together = recogniser.recognise(pieces)
    assert [each.language for each in together] == ["en", "fr", "en", "en"]
    for piece, found in zip(pieces, together, strict=True):
        [alone] = recogniser.recognise([piece])
        assert (alone.phrases, alone.language) == (found.phrases, found.language)
        assert alone.log_probability == pytest.approx(found.log_probability, abs=0.02)
    assert recogniser.recognise([]) == []


def test_speech_with_more_words_than_the_model_returns_at_once_is_not_lost(
    base: FileTranscriber, clips: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = (clips / "jfk.flac").read_bytes()
    assert isinstance(base.recogniser, WhisperRecogniser)
    monkeypatch.setattr(base.recogniser.model, "max_length", 48)
    [cut] = base.recogniser.recognise([Piece(samples_of(clips / "jfk.flac"))])
    assert cut.is_cut
    assert "for your country" not in cut.phrases[-1].text
    transcript = transcribed(base, content)
    assert "for your country" in transcript.segments[-1].text
    assert len(transcript.segments) > 1
    assert transcript.coverage > 0.9


def test_two_channels_are_two_speakers_each_with_a_language_of_its_own(base: FileTranscriber, clips: Path) -> None:
    english, french = samples_of(clips / "jfk.flac"), samples_of(clips / "french.aiff")
    for left, right, languages in ((english, french, ["en", "fr"]), (french, english, ["fr", "en"])):
        transcript = transcribed(base, stereo(left, right))
        assert [each.speaker for each in transcript.speakers] == ["left", "right"]
        assert [each.language for each in transcript.speakers] == languages
        speakers = ("left", "right") if languages[0] == "en" else ("right", "left")
        assert "ask what you can do for your country" in by_speaker(transcript, speakers[0])
        assert "la dictée" in by_speaker(transcript, speakers[1])
        starts = [each.start_s for each in transcript.segments]
        assert starts == sorted(starts), "both speakers are merged by time, also when they speak at once"


def test_a_silent_channel_and_the_same_sound_twice(base: FileTranscriber, clips: Path) -> None:
    speech = samples_of(clips / "arctic_a0024.wav")
    one = transcribed(base, stereo(np.zeros(len(speech), np.float32), 0.05 * speech))
    assert [(each.language, each.speech_s > 3) for each in one.speakers] == [(None, False), ("en", True)]
    assert by_speaker(one, "left") == ""
    assert "report" in by_speaker(one, "right"), "a quiet speaker is levelled"
    same = transcribed(base, stereo(speech, 0.5 * speech))
    assert (same.is_dual_mono, len(same.speakers), same.speakers[0].speaker) == (True, 1, None)
    assert same.text.count("report") == 1


def test_pauses_are_kept_in_the_times(base: FileTranscriber, clips: Path) -> None:
    speech, pause = samples_of(clips / "spk1_snt1.wav"), np.zeros(60 * RATE_HZ, np.float32)
    joined = np.concatenate([pause, speech, pause, speech])
    transcript = transcribed(base, wav((joined * 32_767).astype("<i2").tobytes(), form(rate=RATE_HZ)))
    first, last = transcript.segments[0], transcript.segments[-1]
    assert first.start_s == pytest.approx(60, abs=0.5)
    assert last.start_s == pytest.approx(120 + len(speech) / RATE_HZ, abs=0.7)
    assert transcript.text.lower().count("small dog") == 2


def test_voice_activity_does_not_depend_on_the_portions(clips: Path) -> None:
    network = load_network()
    silence = np.zeros(2 * RATE_HZ, np.float32)
    sound = np.concatenate([silence, samples_of(clips / "jfk.flac"), silence, samples_of(clips / "spk1_snt4.wav")])
    found = []
    for portion in (len(sound), 30 * RATE_HZ, 777):
        activity = Activity(network)
        for begin in range(0, len(sound), portion):
            activity.add(sound[begin : begin + portion])
        found.append(activity.spans())
    assert found[0] == found[1] == found[2]
    assert len(found[0]) >= 2
    assert all(0 <= span.start < span.end <= len(sound) for span in found[0])
    assert found[0][0].start > 1.5 * RATE_HZ


@pytest.mark.parametrize("kind", MAKERS)
def test_nothing_is_invented_where_nobody_speaks(kind: str, base: FileTranscriber) -> None:
    transcript = transcribed(base, no_speech_wav(kind, 60))
    assert transcript.text == ""
    assert transcript.no_speech
    assert transcript.coverage == 1


def test_ringing_before_the_speech_does_not_choose_the_language(base: FileTranscriber, clips: Path) -> None:
    ringing = MAKERS["ringing, US"](20, 0)
    speech = samples_of(clips / "french.aiff", 8_000)
    joined = (np.concatenate([ringing, speech]) * 32_767).astype("<i2")
    transcript = transcribed(base, wav(joined.tobytes(), form(rate=8_000)))
    assert [each.language for each in transcript.speakers] == ["fr"]
    assert transcript.segments[0].start_s > 19


def test_the_transcriber_leaves_nothing_over(base: FileTranscriber, clips: Path) -> None:
    transcriber = Transcriber(base.recogniser, batch_pieces=3)
    recordings = [
        base.reader.analyse((clips / name).read_bytes(), name) for name in ("jfk.flac", "english.wav", "french.aiff")
    ]
    said = [base.reader.submit(recording, transcriber) for recording in recordings]
    transcriber.finish()
    together = [[each.segments for each in voices] for voices in said]
    alone = [base.transcribe(recording) for recording in recordings]
    assert [" ".join(s.text for segments in each for s in segments) for each in together] == [one.text for one in alone]


def test_the_command_transcribes_what_it_can_and_names_what_it_cannot(clips: Path, tmp_path: Path) -> None:
    bad = tmp_path / "bad.wav"
    bad.write_bytes(b"PK\x03\x04")
    run = CliRunner().invoke(
        app, ["transcribe", str(clips / "jfk.flac"), str(bad), "--format", "vtt", "--out", str(tmp_path)]
    )
    assert run.exit_code == 1
    assert "a zip archive" in run.stderr
    assert "<v" not in (written := (tmp_path / "jfk.vtt").read_text(encoding="utf-8"))
    assert written.startswith("WEBVTT")
    assert "ask what you can do for your country" in written
    assert not (tmp_path / "bad.vtt").exists()
