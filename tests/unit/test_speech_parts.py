"""The parts of speech recognition without a model: pieces, levels, loops, the tokens of Whisper, and subtitles."""

from pathlib import Path

import numpy as np
import pytest

from millrace.learning.speech_rates import normalised, read_spoken
from schemas.speech import Transcript, TranscriptSegment
from shared.embedding.audio.port import RATE_HZ, Phrase, Samples
from shared.embedding.audio.tokens import Meaning, phrases_of
from shared.errors import Fatal
from shared.speech.activity import Span
from shared.speech.levels import TARGET, Likeness, levelled
from shared.speech.loops import is_looping
from shared.speech.pieces import PIECE, CutPiece, Cutter, Part
from shared.speech.splitting import split
from shared.speech.subtitles import as_srt, as_text, as_vtt


def ramp(seconds: float) -> Samples:
    """Return samples that differ from each other everywhere."""
    count = round(seconds * RATE_HZ)
    return (np.arange(count) / count).astype(np.float32)


def cut(spans: list[tuple[float, float]], sound: Samples, window: int) -> list[CutPiece]:
    pieces: list[CutPiece] = []
    cutter = Cutter([Span(round(a * RATE_HZ), round(b * RATE_HZ)) for a, b in spans], pieces.append)
    for begin in range(0, len(sound), window):
        cutter.add(sound[begin : begin + window])
    cutter.finish()
    return pieces


def places(piece: CutPiece, start_s: float, end_s: float) -> list[tuple[float, float]]:
    return [(place.start_s, place.end_s) for place in piece.places(start_s, end_s)]


def test_a_long_pause_is_kept_in_part_and_parts_the_words_on_both_sides() -> None:
    [piece] = cut([(1.0, 3.0), (3.5, 5.0), (60.0, 64.0)], ramp(70), RATE_HZ)
    assert piece.duration_s == 2 + 1.5 + 1 + 4
    assert piece.speech_s == 7.5
    assert places(piece, 0.0, 3.0) == [(1.0, 4.5)], "a short pause is removed"
    assert places(piece, 2.5, 6.5) == [(4.0, 5.0), (60.0, 62.0)]
    assert places(piece, 3.4, 6.5) == [(60.0, 62.0)]
    assert piece.speech_between(3.0, 5.0) == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("text", "weights", "parts"),
    [
        ("one two", [5], ["one two"]),
        ("Yes, please. Which one do you mean?", [1, 2], ["Yes, please.", "Which one do you mean?"]),
        ("aa bb cc dd", [1, 1], ["aa bb", "cc dd"]),
        ("aa bb cc dd ee ff", [1, 1, 1], ["aa bb", "cc dd", "ee ff"]),
        ("word", [1, 9], ["", "word"]),
        ("", [1, 1], ["", ""]),
    ],
)
def test_words_are_split_by_the_speech_on_both_sides_of_a_pause(
    text: str, weights: list[int], parts: list[str]
) -> None:
    assert split(text, weights) == parts


@pytest.mark.parametrize("window", [1_000, 30 * RATE_HZ, 7_777, 200 * RATE_HZ])
def test_pieces_hold_every_sample_of_the_spans_once_and_no_more(window: int) -> None:
    spans = [(0.0, 1.0), (3.0, 20.0), (21.0, 28.5), (30.0, 95.0), (99.0, 100.0), (119.0, 120.0)]
    pieces = cut(spans, ramp(120), window)
    parts = [part for piece in pieces for part in piece.parts if not part.is_pause]
    held = np.concatenate([np.arange(part.start, part.start + part.count) for part in parts])
    expected = np.concatenate([np.arange(round(a * RATE_HZ), round(b * RATE_HZ)) for a, b in spans])
    assert np.array_equal(held, expected)
    assert all(0 < len(piece.samples) <= PIECE for piece in pieces)
    assert all(len(piece.samples) == sum(part.count for part in piece.parts) for piece in pieces)


def test_the_cut_does_not_depend_on_the_windows() -> None:
    spans, sound = [(1.0, 80.0), (85.0, 100.0)], ramp(110)
    first = [piece.parts for piece in cut(spans, sound, RATE_HZ)]
    assert [piece.parts for piece in cut(spans, sound, 110 * RATE_HZ)] == first


def test_a_long_span_is_cut_where_it_is_quietest() -> None:
    sound = np.full(60 * RATE_HZ, 0.5, np.float32)
    sound[round(25.0 * RATE_HZ) : round(25.2 * RATE_HZ)] = 0
    first, *_ = cut([(0.0, 60.0)], sound, 10 * RATE_HZ)
    assert first.duration_s == pytest.approx(25.1, abs=0.2)


@pytest.mark.parametrize("seconds", [0.7, 4, 30])
def test_a_piece_is_halved_where_it_is_quietest(seconds: float) -> None:
    sound = np.full(round(seconds * RATE_HZ), 0.5, np.float32)
    sound[round(len(sound) * 0.45) : round(len(sound) * 0.45) + RATE_HZ // 5] = 0
    first, last = CutPiece(sound, (Part(0, 1_000), Part(50_000, len(sound) - 1_000))).halves()
    assert np.array_equal(np.concatenate([first.samples, last.samples]), sound)
    assert sum(part.count for part in (*first.parts, *last.parts)) == len(sound)
    assert first.duration_s == pytest.approx(0.45 * seconds + 0.1, abs=0.2)


def test_times_in_a_piece_are_those_of_the_recording() -> None:
    piece = CutPiece(np.zeros(30_000, np.float32), (Part(16_000, 10_000), Part(160_000, 20_000)))
    assert places(piece, 0.1, 0.5) == [(1.1, 1.5)]
    assert places(piece, 0.625, 1.0) == [(10.0, 10.375)]
    assert places(piece, 0.2, 0.7) == [(1.2, 1.625)], "a moment of the second part does not count"
    assert places(piece, 0.6, 1.6) == [(10.0, 10.975)], "nor does a moment of the first"
    assert places(piece, 0.1, 1.5) == [(1.1, 10.875)]
    assert places(piece, 5, 99) == [(11.25, 11.25)]
    part = piece.between(0.5, 1.0)
    assert part.speech_s == 0.5
    assert part.parts == (Part(24_000, 2_000), Part(160_000, 6_000))


def test_a_quiet_voice_is_levelled_and_silence_is_not() -> None:
    rng = np.random.default_rng(1)
    quiet = rng.normal(0, 0.01, RATE_HZ).astype(np.float32)
    assert np.sqrt((levelled(quiet) ** 2).mean()) == pytest.approx(TARGET, rel=0.1)
    silent = rng.normal(0, 0.0003, RATE_HZ).astype(np.float32)
    assert np.array_equal(levelled(silent), silent)
    assert np.abs(levelled(rng.normal(0, 0.9, RATE_HZ).astype(np.float32))).max() <= 1
    assert len(levelled(np.zeros(5, np.float32))) == 5


@pytest.mark.parametrize(
    ("left", "right", "same"), [(1, 1, True), (1, 0.1, True), (1, -1, True), (1, 0, False), (0, 0, False)]
)
def test_two_channels_are_the_same_whatever_their_level(left: float, right: float, same: bool) -> None:
    sound = np.random.default_rng(2).normal(0, 0.1, RATE_HZ).astype(np.float32)
    likeness = Likeness()
    likeness.add(np.stack([left * sound, right * sound], axis=1))
    assert likeness.is_same is same


def test_loud_music_on_both_channels_does_not_make_two_speakers_one() -> None:
    rng, likeness = np.random.default_rng(4), Likeness()
    music = rng.normal(0, 0.3, 100 * RATE_HZ)
    likeness.add(np.stack([music, music], axis=1).astype(np.float32))
    speech = rng.normal(0, 0.1, 10 * RATE_HZ)
    silence = np.zeros_like(speech)
    likeness.add(np.stack([np.r_[speech, silence], np.r_[silence, speech]], axis=1).astype(np.float32))
    assert not likeness.is_same


def test_two_voices_are_not_the_same() -> None:
    rng, likeness = np.random.default_rng(3), Likeness()
    first, second = (rng.normal(0, 0.1, RATE_HZ) for _ in range(2))
    likeness.add(np.stack([first + 0.2 * second, second + 0.2 * first], axis=1).astype(np.float32))
    assert not likeness.is_same


@pytest.mark.parametrize(
    "text",
    [
        "thank you " * 5,
        "I don't know. I don't know. I don't know. I don't know.",
        "so I called them " + "and they said no " * 6,
        "la " * 60,
        "oh " * 12,
        "1, 2, 1, 2, 1, 2, 1, 2, 1, 2, 1, 2",
        "我不知道 " * 12,
        "a" * 300,
    ],
)
def test_loops_are_found_by_their_structure(text: str) -> None:
    assert is_looping(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "no, no, no, no",
        "Yes. Yes. Yes, exactly.",
        "My number is five five five, five five five, oh one two three.",
        "I called on Monday, I called on Tuesday, and I called on Wednesday, and every time I was told to wait.",
        "Hello? Hello? Is anybody there? Hello?",
        "It was very, very, very bad.",
    ],
)
def test_what_people_repeat_is_no_loop(text: str) -> None:
    assert not is_looping(text)


def meaning() -> Meaning:
    return Meaning(1_000, 0.02, lambda tokens: " ".join(map(str, tokens)))


@pytest.mark.parametrize(
    ("tokens", "phrases"),
    [
        ([1_000, 1, 2, 1_050, 1_060, 3, 1_100], [(0.0, 1.0, "1 2"), (1.2, 2.0, "3")]),
        ([1, 2], [(0.0, 5.0, "1 2")]),
        ([1_000, 1], [(0.0, 5.0, "1")]),
        ([1_100, 1, 1_050], [(2.0, 2.0, "1")]),
        ([1_000, 1, 9_999], [(0.0, 5.0, "1")]),
        ([1_000, 1_100], []),
        ([], []),
    ],
)
def test_tokens_become_phrases_with_times_within_the_piece(
    tokens: list[int], phrases: list[tuple[float, float, str]]
) -> None:
    assert phrases_of(tokens, meaning(), 5.0) == tuple(Phrase(*phrase) for phrase in phrases)


def transcript() -> Transcript:
    segments = (
        TranscriptSegment(start_s=0.0, end_s=1.5, speaker="left", text="a < b & c"),
        TranscriptSegment(start_s=3_661.0014, end_s=3_662.0, speaker="right", text="é"),
    )
    return Transcript(
        duration_s=3_700.0, segments=segments, speakers=(), coverage=1.0, no_speech=False, is_dual_mono=False,
        is_truncated=False, model="5bee0000",
    )  # fmt: skip


def test_subtitles() -> None:
    assert as_text(transcript()) == "left: a < b & c\nright: é"
    assert as_srt(transcript()) == (
        "1\n00:00:00,000 --> 00:00:01,500\nleft: a < b & c\n\n2\n01:01:01,001 --> 01:01:02,000\nright: é\n"
    )
    assert as_vtt(transcript()) == (
        "WEBVTT\n\n00:00:00.000 --> 00:00:01.500\n<v left>a &lt; b &amp; c\n\n"
        "01:01:01.001 --> 01:01:02.000\n<v right>é\n"
    )


@pytest.mark.parametrize(
    ("text", "language", "words"),
    [
        ("Well, 3 of them; it's 4.5!", "en", "well three of them it's four point five"),
        ("Numéro 21.", "fr", "numéro vingt et un"),
        ("No. 7", "xx", "no 7"),
        ("A_b — c", None, "a b c"),
    ],
)
def test_transcripts_are_compared_as_words(text: str, language: str | None, words: str) -> None:
    assert normalised(text, language) == words


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("file,words\na.wav,x\n", "has no column transcript"),
        ("file,transcript\n", "has no rows"),
        ("file,transcript\n,x\n", "line 2: the file or the transcript is missing"),
        ("file,transcript\nmissing.wav,x\n", "line 2: there is no file"),
    ],
)
def test_a_table_that_cannot_be_used_is_refused(content: str, message: str, tmp_path: Path) -> None:
    table = tmp_path / "table.csv"
    table.write_text(content)
    with pytest.raises(Fatal, match=message):
        read_spoken(table)
