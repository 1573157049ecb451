"""The calls stream: what is recognised, when it is not recognised again, what is stored and what is published.

Recordings and recogniser are stand-ins: `tests/golden/test_speech.py` has real ones.
"""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from schemas.calls import CallPayload, CallRouted
from schemas.outcomes import Outcome
from schemas.search import SimilarLeftOut
from schemas.speech import Transcript, TranscriptSegment
from schemas.tickets import TICKET_POINTS
from shared.embedding.audio.port import Phrase, Piece, Recognised
from shared.engine.resources import Resources
from shared.records import Record, Settled
from shared.search.elsewhere import ASK_AGAIN_S, SearchElsewhere
from shared.search.shown import SOLVED_TICKETS
from shared.search.similar import Found, Question
from shared.speech.resources import Speech
from shared.speech.transcripts import EXCERPT_CHARS, RESULT_CHARS, cut_to_size, opening_of, text_of
from shared.stream_settings import SearchSettings
from tests.support.assembly import Assembly
from tests.support.calls import FakeReader, audio
from tests.support.fakes import FakeCollection, ManualClock
from tests.support.speech import FakeRecogniser, mark_of, said
from tests.support.tickets import event, record
from workers.calls.stages import CALLS, CallStages

TEXTS = {
    1: "My parcel has not arrived.",
    2: "Let me see.",
    3: "Call me at two oh two, five five five, oh one four three, or +1 202 555 0143.",
    4: "",
}


class Calls:
    """A worker of calls over stand-ins."""

    def __init__(self, answer: Callable[[Piece], Recognised] | None = None) -> None:
        self.reader = FakeReader()
        self.recogniser = FakeRecogniser(
            answer or (lambda piece: said(TEXTS[mark_of(piece)], len(piece.samples) / 16_000, piece.language or "en"))
        )
        stream = replace(CALLS, stages=self._stages)
        self.parts = Assembly(stream=stream)
        self._offset = 0

    def _stages(self, resources: Resources) -> CallStages:
        return CallStages.of(replace(resources, speech=Speech(self.reader, self.recogniser, 4)))

    def record(self, call_id: str = "C-1", version: int = 1, reason: str = "recorded", **changes: Any) -> Record:
        fields = {
            "schema_version": 1, "event_id": "e", "tenant_id": "acme", "event_version": version,
            "occurred_at": "2026-05-01T10:00:00Z", "reason": reason, "call_id": call_id, "audio": audio((1, 10)),
        } | changes  # fmt: skip
        if reason == "deleted":
            del fields["audio"]
        self._offset += 1
        key = f"acme:{call_id}".encode()
        return Record("calls", 0, self._offset, 1_700_000_000_000, key, json.dumps(fields).encode())

    def settle(self, *records: Record) -> list[Settled]:
        return self.parts.settle(*records)

    def results(self) -> list[CallRouted]:
        return [
            CallRouted.model_validate_json(message.value or b"") for message in self.parts.delivered("calls.routed")
        ]

    def stored(self, call_id: str = "C-1") -> dict[str, Any]:
        return dict(self.parts.collection.points[CALLS.point_id("acme", call_id)].payload)


def test_a_call_is_transcribed_stored_and_routed() -> None:
    calls = Calls()
    [settled] = calls.settle(
        calls.record(audio=audio((2, 6), (1, 10)), agent_channel="left", ticket_id="T-7", language="en-GB")
    )
    assert settled.outcome is Outcome.ROUTED
    [result] = calls.results()
    assert {(each.speaker, each.text) for each in result.transcript.segments} == {
        ("customer", TEXTS[1]),
        ("agent", TEXTS[2]),
    }
    assert (result.call_id, result.ticket_id, result.language) == ("C-1", "T-7", "en")
    assert result.transcript.coverage == 1
    assert result.left_out_s == 0
    assert result.decision.action_reason == "no_labelled_neighbours"
    payload = calls.stored()
    assert CallPayload.model_validate(payload, strict=False).transcript == result.transcript
    assert payload["linked_ticket_id"] == "T-7"


def test_personal_data_in_a_transcript_and_in_attributes_are_masked() -> None:
    calls = Calls()
    calls.settle(
        calls.record(audio=audio((3, 10)), attributes={"mail": "jo@example.com"}, customer_id="jo@example.com")
    )
    [result] = calls.results()
    assert result.transcript.text == "Call me at [phone], or [phone]."
    payload = calls.stored()
    assert payload["attributes"] == {"mail": "[mail]"}
    assert "example.com" not in json.dumps(payload)
    assert "0143" not in json.dumps(payload)
    assert "five" not in json.dumps(payload)


def test_an_unchanged_recording_is_not_recognised_again() -> None:
    calls = Calls()
    calls.settle(calls.record())
    [settled] = calls.settle(calls.record(version=2, reason="rated", satisfaction=5))
    assert settled.outcome is Outcome.INDEXED
    [again] = calls.settle(calls.record(version=3, reason="updated", attributes={"line": "sales"}))
    assert again.outcome is Outcome.INDEXED
    assert len(calls.recogniser.batches) == 1
    assert calls.stored()["transcript"]["segments"][0]["text"] == TEXTS[1]
    assert calls.stored()["satisfaction"] is None, "each event is a snapshot of the whole call"


def test_a_longer_recording_is_recognised_and_routed_again() -> None:
    calls = Calls()
    calls.settle(calls.record(reason="progress"))
    [settled] = calls.settle(calls.record(version=2, reason="progress", audio=audio((2, 20))))
    assert settled.outcome is Outcome.ROUTED
    assert [result.transcript.text for result in calls.results()] == [TEXTS[1], TEXTS[2]]


def test_a_repeat_publishes_the_stored_result_without_recognising() -> None:
    calls = Calls()
    calls.settle(calls.record())
    calls.settle(calls.record())
    first, again = calls.results()
    assert first.model_copy(update={"source": again.source}) == again
    assert len(calls.recogniser.batches) == 1


def test_a_call_finds_earlier_calls_that_are_over_understood_and_rated_well_enough() -> None:
    calls = Calls()
    calls.settle(
        calls.record("C-good", reason="rated", satisfaction=5, ticket_id="T-3", customer_id="C-1"),
        calls.record("C-unrated"),
        calls.record("C-bad", reason="rated", satisfaction=1),
        calls.record("C-going-on", reason="progress", satisfaction=5),
        calls.record("C-mumbled", satisfaction=5, audio=audio((4, 10))),
        calls.record("C-other", satisfaction=5, audio=audio((2, 10))),
    )
    calls.settle(calls.record("C-new", customer_id="C-1"))
    result = calls.results()[-1]
    [found] = [hit for hit in result.similar_calls if hit.excerpt == TEXTS[1]]
    assert (found.call_id, found.linked_ticket_id, found.satisfaction) == ("C-good", "T-3", 5)
    assert found.same_customer
    assert {hit.call_id for hit in result.similar_calls} == {"C-good", "C-other"}
    assert result.similar_calls[0].parts.dense == pytest.approx(1, abs=1e-3)
    assert {"parcel", "arrived"} <= set(found.shared_terms)


def test_a_call_says_why_no_earlier_one_is_offered_and_is_never_offered_itself(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("shared.search.similar.NOTHING_HOLDS_S", 0.0)
    monkeypatch.setattr("shared.search.similar.COUNTS_HOLD_S", 0.0)
    calls = Calls()
    calls.settle(calls.record("C-unrated"), calls.record("C-bad", reason="rated", satisfaction=1))
    calls.settle(calls.record("C-new", satisfaction=5), calls.record("C-silent", audio=audio((1, 0))))
    calls.settle(calls.record("C-new", version=2, reason="recorded", satisfaction=5))
    calls.settle(calls.record("C-new", version=3, reason="recorded"))
    calls.settle(calls.record("C-new", version=4, reason="recorded"))
    new, silent, again, _, unrated = calls.results()[-5:]
    assert new.similar_calls == silent.similar_calls == again.similar_calls == ()
    for result in (new, again, unrated):
        assert result.similar_calls_left_out == SimilarLeftOut(unrated=1, rated_too_low=1), "it does not count itself"
    assert silent.similar_calls_left_out is None, "nobody speaks, so that nothing was asked"


def test_the_excerpt_is_what_the_customer_says_first() -> None:
    calls = Calls()
    calls.settle(calls.record(audio=audio((2, 6), (1, 10)), agent_channel="left"))
    assert calls.stored()["excerpt"] == TEXTS[1]
    segments = tuple(
        TranscriptSegment(start_s=at, end_s=at + 1, speaker=None, text=f"Word {at}.", is_repetition=at == 0)
        for at in range(100)
    )
    excerpt = opening_of(transcript(segments), EXCERPT_CHARS)
    assert excerpt.startswith("Word 1. Word 2.")
    assert excerpt.endswith(("Word…", ".…"))
    assert len(excerpt) <= EXCERPT_CHARS


def test_a_record_that_came_twice_in_a_batch_is_recognised_once() -> None:
    calls = Calls()
    settled = calls.settle(calls.record(), calls.record(), calls.record(attributes={"line": "sales"}))
    assert [each.outcome for each in settled] == [Outcome.ROUTED, Outcome.SUPERSEDED, Outcome.SUPERSEDED]
    assert calls.recogniser.batches == [[1]]
    assert ("version_conflict", 1) in calls.parts.reported.hooks


def test_calls_of_a_batch_are_recognised_together() -> None:
    calls = Calls()
    calls.settle(*(calls.record(f"C-{number}", audio=audio((number % 2 + 1, 5))) for number in range(4)))
    assert calls.recogniser.batches == [[1, 2, 1, 2]]


@pytest.mark.parametrize(
    ("voices", "reason"),
    [([(1, 0)], "no_speech"), ([(4, 10)], "poor_transcript"), ([(1, 10)], "no_labelled_neighbours")],
)
def test_a_call_without_words_abstains_and_says_why(voices: list[tuple[int, float]], reason: str) -> None:
    calls = Calls()
    [settled] = calls.settle(calls.record(audio=audio(*voices)))
    [result] = calls.results()
    assert settled.outcome is Outcome.ROUTED
    assert (result.decision.action, result.decision.action_reason) == ("abstain", reason)
    assert result.transcript.no_speech is (reason == "no_speech")


def test_an_uncertain_language_abstains() -> None:
    calls = Calls(lambda piece: said("hm", 10, "cy", 0.2))
    calls.settle(calls.record())
    assert calls.results()[0].decision.action_reason == "uncertain_language"


def test_a_recording_that_cannot_be_decoded_is_one_dead_letter() -> None:
    calls = Calls()
    good, bad = calls.record("C-1"), calls.record("C-2", audio={"inline": "eHl6"})
    assert [each.outcome for each in calls.settle(good, bad)] == [Outcome.ROUTED, Outcome.DEAD_LETTERED]


def test_a_call_on_which_the_model_fails_is_one_dead_letter() -> None:
    def answer(piece: Piece) -> Recognised:
        if mark_of(piece) == 2:
            raise ArithmeticError("it broke")
        return said(TEXTS[mark_of(piece)], 10)

    calls = Calls(answer)
    settled = calls.settle(*(calls.record(f"C-{number}", audio=audio((number, 10))) for number in (1, 2, 3)))
    assert [each.outcome for each in settled] == [Outcome.ROUTED, Outcome.DEAD_LETTERED, Outcome.ROUTED]
    assert settled[1].failure is not None
    assert (settled[1].failure.reason, settled[1].failure.field) == ("model_failed", "audio")


def test_an_older_recording_of_a_batch_is_not_recognised_unless_the_newer_one_fails() -> None:
    calls = Calls()
    settled = calls.settle(
        calls.record(reason="progress"), calls.record(version=2, reason="progress", audio=audio((2, 20)))
    )
    assert [each.outcome for each in settled] == [Outcome.SUPERSEDED, Outcome.ROUTED]
    assert calls.recogniser.batches == [[2]]


@pytest.mark.parametrize("text", ["POISON", "NANVECTOR"])
def test_if_the_text_model_fails_on_the_newest_recording_of_a_batch_the_older_one_is_stored(text: str) -> None:
    def answer(piece: Piece) -> Recognised:
        return said(text if mark_of(piece) == 2 else TEXTS[mark_of(piece)], 10)

    calls = Calls(answer)
    settled = calls.settle(
        calls.record(version=1, reason="progress"),
        calls.record(version=2, reason="progress", audio=audio((1, 15))),
        calls.record(version=3, reason="progress", audio=audio((2, 20))),
    )
    assert [each.outcome for each in settled] == [Outcome.SUPERSEDED, Outcome.ROUTED, Outcome.DEAD_LETTERED]
    assert calls.stored()["event_version"] == 2


def test_a_deleted_call_leaves_no_words() -> None:
    calls = Calls()
    calls.settle(calls.record())
    [settled] = calls.settle(calls.record(version=2, reason="deleted"))
    assert settled.outcome is Outcome.DELETED
    assert "transcript" not in calls.stored()


def test_a_damaged_stored_transcript_is_recognised_again() -> None:
    calls = Calls()
    calls.settle(calls.record())
    point = calls.parts.collection.points[CALLS.point_id("acme", "C-1")]
    point.payload["transcript"] = {"segments": "overwritten"}  # type: ignore[index]  # as another program may
    calls.settle(calls.record(version=2, reason="updated"))
    assert len(calls.recogniser.batches) == 2
    assert calls.stored()["transcript"]["segments"][0]["text"] == TEXTS[1]


def segments(*texts: str, speaker: str | None = None) -> tuple[TranscriptSegment, ...]:
    return tuple(
        TranscriptSegment(start_s=float(at), end_s=at + 1.0, speaker=speaker, text=text)
        for at, text in enumerate(texts)
    )


def transcript(found: tuple[TranscriptSegment, ...]) -> Transcript:
    return Transcript(
        duration_s=float(len(found)), segments=found, speakers=(), coverage=1.0, no_speech=False, is_dual_mono=False,
        is_truncated=False, model="5bee0000",
    )  # fmt: skip


def test_a_transcript_that_does_not_fit_into_a_message_is_cut_and_says_so() -> None:
    long = transcript(segments(*("é" * 1_000 for _ in range(1_000))))
    shown, left_out_s = cut_to_size(long)
    assert 0 < len(shown.segments) < 1_000
    assert left_out_s == 1_000 - len(shown.segments)
    assert len(shown.model_dump_json().encode()) < RESULT_CHARS + 2_000
    short = transcript(segments("a", "b"))
    assert cut_to_size(short) == (short, 0.0)


def test_the_text_has_a_line_for_each_turn_and_no_repetitions() -> None:
    first, second, third = segments("Hello.", "Who is there?", "Me.")
    loop = first.model_copy(update={"text": "la la la", "is_repetition": True})
    spoken = (first, second, loop, third.model_copy(update={"speaker": "agent"}))
    assert text_of(transcript(spoken)) == "Hello. Who is there?\nMe."


def test_a_phrase_that_is_no_speech_is_not_published() -> None:
    calls = Calls(lambda piece: Recognised((Phrase(0, 9, "Thanks for watching!"),), "en", 1.0, 0.95, -1.4))
    calls.settle(calls.record())
    [result] = calls.results()
    assert (result.transcript.text, result.transcript.no_speech) == ("", True)


def test_similar_solved_tickets_are_found_as_soon_as_tickets_exist() -> None:
    clock = ManualClock()
    tickets = Assembly()
    solved = {"reason": "solved", "satisfaction": 5, "resolution": "The carrier delivered it the next day."}
    tickets.settle(record(event(ticket_id="T-1", body=TEXTS[1], **solved)))
    opened: list[str] = []

    def others() -> FakeCollection | None:
        opened.append("asked")
        return tickets.collection if len(opened) > 1 else None

    search = SearchElsewhere(others, SOLVED_TICKETS, SearchSettings(), TICKET_POINTS.is_ours, clock)
    vector = tickets.model.embed([TEXTS[1]]).vectors[0]
    question = Question("acme", TEXTS[1], vector, datetime(2026, 5, 2, tzinfo=UTC))
    assert search.find([question]) == [Found()], "there are no tickets yet"
    assert search.find([question]) == [Found()]
    assert len(opened) == 1, "it is not asked for again at once"
    clock.seconds += ASK_AGAIN_S
    [found] = search.find([question])
    assert [each.ticket_id for each in found.similar] == ["T-1"]
    assert search.find([]) == []
