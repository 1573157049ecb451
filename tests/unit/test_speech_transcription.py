"""Which pieces share a batch, which language they have, and what is tried again. The recogniser is a stand-in.

Green does not show how a real model behaves: `tests/golden/test_speech.py` does.
"""

from dataclasses import replace

import pytest

from shared.embedding.audio.port import RATE_HZ, Phrase, Piece, Recognised
from shared.errors import DeviceLost, Stopped
from shared.speech.transcription import GAP_S, HALVED_S, Transcriber, VoiceTranscript
from tests.support.speech import FakeRecogniser, mark_of, piece_of, said


def texts(voice: VoiceTranscript) -> list[str]:
    return [segment.text for segment in voice.segments]


def test_pieces_of_several_voices_share_batches() -> None:
    recogniser = FakeRecogniser()
    transcriber = Transcriber(recogniser, batch_pieces=3)
    voices = [VoiceTranscript() for _ in range(4)]
    for number, voice in enumerate(voices, 1):
        transcriber.add(voice, piece_of(number, 10))
    assert recogniser.batches == [[1, 2, 3]], "a full batch runs at once"
    transcriber.finish()
    assert recogniser.batches == [[1, 2, 3], [4]]
    assert [texts(voice) for voice in voices] == [["text 1"], ["text 2"], ["text 3"], ["text 4"]]


def test_a_voice_has_the_language_of_its_first_piece_which_is_recognised_before_the_others() -> None:
    recogniser = FakeRecogniser(lambda piece: said("x", 10, piece.language or ("fr" if mark_of(piece) == 1 else "en")))
    transcriber, voice = Transcriber(recogniser, batch_pieces=8), VoiceTranscript()
    for mark in (1, 2, 3):
        transcriber.add(voice, piece_of(mark, 10))
    transcriber.finish()
    assert recogniser.batches == [[1], [2, 3]]
    assert [piece.language for piece in recogniser.pieces] == [None, "fr", "fr"]
    assert voice.language == "fr"


@pytest.mark.parametrize(("share", "language", "calls"), [(0.9, "en", 1), (0.4, "fr", 2)])
def test_the_hint_is_used_only_if_the_detected_language_is_uncertain(share: float, language: str, calls: int) -> None:
    recogniser = FakeRecogniser(lambda piece: said("x", 10, piece.language or "en", 1.0 if piece.language else share))
    transcriber, voice = Transcriber(recogniser, batch_pieces=1), VoiceTranscript(hint="fr")
    transcriber.add(voice, piece_of(1, 10))
    transcriber.finish()
    assert (voice.language, len(recogniser.batches)) == (language, calls)
    assert texts(voice) == ["x"]


def test_a_hint_that_the_model_does_not_know_is_ignored() -> None:
    recogniser = FakeRecogniser(lambda piece: said("x", 10, "en", 0.1))
    transcriber, voice = Transcriber(recogniser, batch_pieces=1), VoiceTranscript(hint="xx")
    transcriber.add(voice, piece_of(1, 10))
    assert voice.language == "en"


def test_a_long_gap_is_recognised_again_alone_and_once() -> None:
    def answer(piece: Piece) -> Recognised:
        if len(piece.samples) == 20 * RATE_HZ:
            phrases = (Phrase(0, 5, "begin"), Phrase(12, 19, "end"))
            return Recognised(phrases, "en", 1.0, 0.0, -0.1)
        return said("", 7) if len(piece.samples) < 6 * RATE_HZ else said("middle", 3)

    recogniser = FakeRecogniser(answer)
    transcriber, voice = Transcriber(recogniser, batch_pieces=4), VoiceTranscript()
    transcriber.add(voice, piece_of(1, 20, start_s=100))
    transcriber.finish()
    assert sorted((each.start_s, each.end_s, each.text) for each in voice.segments) == [
        (100, 105, "begin"),
        (105, 108, "middle"),
        (112, 119, "end"),
    ]
    assert [len(piece.samples) / RATE_HZ for piece in recogniser.pieces] == [20, 7], "1 s at the end is no long gap"
    assert 1 < GAP_S < 7
    assert voice.coverage == pytest.approx((5 + 7 + 3) / 20)


def test_the_gaps_of_a_first_piece_are_searched_even_if_it_was_recognised_again_with_the_hint() -> None:
    def answer(piece: Piece) -> Recognised:
        language, share = piece.language or "en", 1.0 if piece.language else 0.4
        if len(piece.samples) == 20 * RATE_HZ:
            return Recognised((Phrase(0, 5, "begin"), Phrase(12, 20, "end")), language, share, 0.0, -0.1)
        return said("middle", 7, language, share)

    seen: list[float] = []
    recogniser = FakeRecogniser(answer)
    transcriber, voice = Transcriber(recogniser, 1, seen.append), VoiceTranscript(hint="fr")
    transcriber.add(voice, piece_of(1, 20))
    transcriber.finish()
    assert [(piece.language, len(piece.samples) / RATE_HZ) for piece in recogniser.pieces] == [
        (None, 20),
        ("fr", 20),
        ("fr", 7),
    ]
    assert texts(voice) == ["begin", "end", "middle"]
    assert voice.coverage == 1.0
    assert [seconds for seconds in seen if seconds] == [20], "the piece is counted once"


def test_a_piece_without_any_text_is_not_recognised_again() -> None:
    recogniser = FakeRecogniser(lambda piece: said("", 10))
    transcriber, voice = Transcriber(recogniser, batch_pieces=1), VoiceTranscript()
    transcriber.add(voice, piece_of(1, 10))
    transcriber.finish()
    assert recogniser.batches == [[1]]
    assert (voice.segments, voice.coverage) == ([], 0.0)


def test_a_loop_is_recognised_again_without_repetition_and_marked_if_it_stays() -> None:
    loop = "thank you very much " * 12

    def answer(piece: Piece) -> Recognised:
        heals = mark_of(piece) == 1 and piece.avoids_repetition
        return said("thank you" if heals else loop.strip(), 10)

    recogniser = FakeRecogniser(answer)
    transcriber = Transcriber(recogniser, batch_pieces=1)
    voices = VoiceTranscript(), VoiceTranscript()
    for mark, voice in enumerate(voices, 1):
        transcriber.add(voice, piece_of(mark, 10))
        transcriber.finish()
    assert recogniser.batches == [[1], [1], [2], [2]]
    assert [[each.is_repetition for each in voice.segments] for voice in voices] == [[False], [True]]


def test_a_piece_whose_text_was_cut_off_is_recognised_in_halves_until_nothing_is_missing() -> None:
    def answer(piece: Piece) -> Recognised:
        seconds = len(piece.samples) / RATE_HZ
        return replace(said(f"{seconds:.0f} s", seconds), is_cut=seconds > 12)

    seen: list[float] = []
    recogniser = FakeRecogniser(answer)
    transcriber, voice = Transcriber(recogniser, 1, seen.append), VoiceTranscript()
    transcriber.add(voice, piece_of(1, 27, start_s=100))
    transcriber.finish()
    assert max(each.end_s - each.start_s for each in voice.segments) <= 12
    ends = [(each.start_s, each.end_s) for each in voice.segments]
    assert [start_s for start_s, _ in ends] == [100.0, *(end_s for _, end_s in ends[:-1])], "nothing is left out"
    assert ends[-1][1] == 127
    assert voice.coverage == pytest.approx(1.0)
    assert [seconds for seconds in seen if seconds] == [27], "the piece is counted once"


@pytest.mark.parametrize(("text", "shortest_s"), [("a b c", HALVED_S / 3), ("thank you very much " * 12, 30)])
def test_what_stays_cut_off_is_not_covered(text: str, shortest_s: float) -> None:
    recogniser = FakeRecogniser(lambda piece: replace(said(text, len(piece.samples) / RATE_HZ), is_cut=True))
    transcriber, voice = Transcriber(recogniser, batch_pieces=4), VoiceTranscript()
    transcriber.add(voice, piece_of(1, 30))
    transcriber.finish()
    assert shortest_s <= min(len(piece.samples) for piece in recogniser.pieces) / RATE_HZ
    assert voice.segments, "the words that are known are kept"
    assert voice.coverage == pytest.approx(0.0, abs=1e-6)


def test_what_is_no_speech_has_no_text_and_does_not_count_as_speech() -> None:
    recogniser = FakeRecogniser(lambda piece: Recognised((Phrase(0, 9, "Thanks for watching!"),), "en", 1.0, 0.9, -1.5))
    transcriber, voice = Transcriber(recogniser, batch_pieces=1), VoiceTranscript()
    transcriber.add(voice, piece_of(1, 10))
    assert (voice.segments, voice.no_speech_s, voice.coverage) == ([], 10, 1.0)


def test_a_piece_on_which_the_model_fails_costs_its_voice_alone() -> None:
    def answer(piece: Piece) -> Recognised:
        if mark_of(piece) == 3:
            raise ArithmeticError("it broke")
        return said(f"text {mark_of(piece)}", 10)

    recogniser = FakeRecogniser(answer)
    transcriber = Transcriber(recogniser, batch_pieces=4)
    voices = [VoiceTranscript() for _ in range(4)]
    for mark, voice in enumerate(voices, 1):
        transcriber.add(voice, piece_of(mark, 10))
    transcriber.finish()
    assert [voice.failure is None for voice in voices] == [True, True, False, True]
    assert [texts(voice) for voice in voices] == [["text 1"], ["text 2"], [], ["text 4"]]
    assert recogniser.probes == 1


def test_a_dead_device_is_not_blamed_on_a_piece() -> None:
    def answer(piece: Piece) -> Recognised:
        raise DeviceLost("it is gone")

    transcriber = Transcriber(FakeRecogniser(answer), batch_pieces=1)
    with pytest.raises(DeviceLost):
        transcriber.add(VoiceTranscript(), piece_of(1, 10))


def test_progress_counts_each_piece_once() -> None:
    seen: list[float] = []
    recogniser = FakeRecogniser(lambda piece: said("no " * 40, len(piece.samples) / RATE_HZ))
    transcriber, voice = Transcriber(recogniser, 2, seen.append), VoiceTranscript()
    for mark in (1, 2, 3):
        transcriber.add(voice, piece_of(mark, 10))
    transcriber.finish()
    assert [seconds for seconds in seen if seconds] == [10, 10, 10]
    assert len(seen) > 3, "each call of the model is seen too"


def test_an_error_of_the_progress_abandons_the_recognition_and_blames_no_piece() -> None:
    def stop(_: float) -> None:
        raise Stopped

    recogniser = FakeRecogniser()
    transcriber, voice = Transcriber(recogniser, 2, stop), VoiceTranscript(language="en")
    transcriber.add(voice, piece_of(1, 10))
    with pytest.raises(Stopped):
        transcriber.add(voice, piece_of(2, 10))
    assert (recogniser.batches, recogniser.probes, voice.failure) == ([[1, 2]], 0, None)


def test_pieces_do_not_pile_up_while_the_language_of_a_voice_is_unknown() -> None:
    recogniser = FakeRecogniser(lambda piece: said("x", 10, piece.language or "en"))
    transcriber, voice = Transcriber(recogniser, batch_pieces=4), VoiceTranscript()
    for mark in range(1, 21):
        transcriber.add(voice, piece_of(mark, 10))
        assert len(transcriber.waiting) <= 2 * 4, "a long recording is not held as a whole"
    transcriber.finish()
    assert recogniser.batches[0] == [1]
    assert len(voice.segments) == 20


@pytest.mark.parametrize("first", ["no speech", "loop"])
def test_what_is_no_speech_or_a_loop_does_not_choose_the_language(first: str) -> None:
    def answer(piece: Piece) -> Recognised:
        if mark_of(piece) == 1 and not piece.avoids_repetition:
            text, no_speech, likely = ("la " * 40, 0.1, -0.2) if first == "loop" else ("la", 0.9, -1.5)
            return Recognised((Phrase(0, 9, text),), "cy", 0.7, no_speech, likely)
        return said("bonjour", 10, piece.language or "fr")

    transcriber, voice = Transcriber(FakeRecogniser(answer), batch_pieces=2), VoiceTranscript(hint="en")
    for mark in (1, 2):
        transcriber.add(voice, piece_of(mark, 10))
    transcriber.finish()
    assert voice.language == "fr"
