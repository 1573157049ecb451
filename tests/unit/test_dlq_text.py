"""Dead letters as text and JSON: complete, and harmless to a terminal whatever they contain.

A green run does not prove that every terminal shows each character that Python calls printable as one plain character.
"""

import json
from dataclasses import replace
from datetime import timedelta

import pytest

from millrace.dead_letter_text import (
    VALUE_CHARS,
    dead_letter_json,
    describe,
    duration,
    escaped,
    histogram_json,
    histogram_lines,
    line,
)
from shared.deadletters.envelope import DeadLetter, WithoutEnvelope, read_dead_letter
from shared.deadletters.histogram import Histogram
from shared.records import Message
from tests.support.letters import NOON, dead_letter, message, record_of

HOSTILE = "\x1b[2Ja\r\nb\u202ec\x07\x9b\u2028\x7f\x00"
FOREIGN = WithoutEnvelope(record_of(Message("tickets.dlq", b"k", b"v")), "millrace-origin-topic")


def hostile() -> DeadLetter:
    raw = HOSTILE.encode()
    return dead_letter(3, field=HOSTILE, key=raw + b":1", value=raw + b"\xff", headers=((HOSTILE, raw + b"\xfe"),))


def test_a_line_shows_when_which_record_why_where_whose_and_what() -> None:
    assert line(dead_letter(3)).split() == [
        "2026-05-01T12:00:00Z",
        "tickets/0@3",
        "model_failed",
        "body",
        "acme",
        "found",
        "x",
    ]


def test_a_line_shows_how_often_it_was_replayed() -> None:
    assert line(dead_letter(headers=(("millrace-replays", b"2"),))).endswith("(replayed 2 times)")


def test_the_trace_is_shown_if_the_record_has_a_valid_context() -> None:
    trace_id = "0af7651916cd43dd8448eb211c80319c"
    traced = dead_letter(headers=(("traceparent", f"00-{trace_id}-b7ad6b7169203331-01".encode()),))
    assert line(traced).endswith(f"(trace {trace_id})")
    assert json.loads(dead_letter_json(traced))["trace_id"] == trace_id
    assert f"{trace_id}\n" in describe(traced)
    assert "(trace" not in line(dead_letter(headers=(("traceparent", b"\x1b[2J"),)))


def test_a_message_without_an_envelope_is_listed_as_unreadable() -> None:
    assert "tickets.dlq/0@0" in line(FOREIGN)
    assert "unreadable  the header millrace-origin-topic is missing" in line(FOREIGN)
    assert json.loads(dead_letter_json(FOREIGN))["unreadable"] == "no millrace-origin-topic"
    assert "k" in describe(FOREIGN)


@pytest.mark.parametrize("show", [line, dead_letter_json])
def test_a_line_is_one_plain_line_whatever_it_contains(show: object) -> None:
    assert callable(show)
    assert show(hostile()).isprintable()


def test_all_output_is_plain_text_whatever_the_dead_letter_contains() -> None:
    shown = describe(hostile())
    assert shown.replace("\n", "").isprintable()
    assert "\\x1b[2Ja" in shown
    assert "\\xfe" in shown, "bytes that are not text are shown as escapes"


def test_a_value_keeps_its_newlines_tabs_and_accented_letters() -> None:
    assert describe(dead_letter(value="a\tb\nü €".encode())).endswith("value, 10 bytes:\na\tb\nü €")


def test_a_long_value_is_truncated_and_the_output_states_it() -> None:
    shown = describe(dead_letter(value=b"x" * (VALUE_CHARS + 7)))
    assert shown.endswith("x... (7 bytes more; --raw writes all)")


def test_a_missing_value_and_a_missing_key_are_shown() -> None:
    shown = describe(dead_letter(value=None, key=None))
    assert shown.endswith("no value")
    assert "key                           none" in shown


def test_a_dead_letter_as_json_has_everything_but_the_value() -> None:
    fields = json.loads(dead_letter_json(dead_letter(3)))
    assert fields.pop("value_bytes") > 100
    assert fields == {
        "position": "tickets.dlq/0@3",
        "written_at": "2026-05-01T12:00:00Z",
        "origin": "tickets/0@3",
        "reason": "model_failed",
        "field": "body",
        "detail": "found x",
        "stage": "embed",
        "tenant": "acme",
        "attempts": 1,
        "replays": 0,
        "first_failed_at": "2026-05-01T12:00:00+00:00",
        "last_failed_at": "2026-05-01T12:00:00+00:00",
        "trace_id": None,
    }


def test_the_histogram_shows_the_age_of_the_oldest() -> None:
    histogram, now = Histogram(), NOON + timedelta(hours=2, minutes=5)
    assert histogram_lines(histogram, "tickets.dlq", now) == ["tickets.dlq: no dead letters"]
    assert json.loads(histogram_json(histogram, "tickets.dlq", now))["oldest_age_s"] is None
    histogram.add(dead_letter(field=HOSTILE))
    histogram.add(dead_letter(1, minutes=3))
    lines = histogram_lines(histogram, "tickets.dlq", now)
    assert lines[0] == "tickets.dlq: 2 dead letters, the oldest 2 h 5 min old"
    assert all(each.isprintable() for each in lines)
    reported = json.loads(histogram_json(histogram, "tickets.dlq", now))
    assert (reported["topic"], reported["count"], reported["oldest_age_s"]) == ("tickets.dlq", 2, 7_500.0)
    assert sum(kind["count"] for kind in reported["kinds"]) == 2


def test_clocks_that_disagree_give_no_negative_age() -> None:
    histogram = Histogram()
    histogram.add(dead_letter(minutes=5))
    assert json.loads(histogram_json(histogram, "tickets.dlq", NOON))["oldest_age_s"] == 0


@pytest.mark.parametrize(
    ("timestamp_ms", "text"), [(-1, "-"), (0, "1970-01-01T00:00:00Z"), (2**61, "-"), (2**63 - 1, "-")]
)
def test_a_time_outside_the_calendar_is_shown_as_a_dash(timestamp_ms: int, text: str) -> None:
    """The writer of a message chooses its time: a dead letter past the year 9999 must not hide the others."""
    found = replace(record_of(message()), timestamp_ms=timestamp_ms)
    histogram = Histogram()
    for each in (read_dead_letter(found), read_dead_letter(replace(found, headers=()))):
        assert line(each).startswith(f"{text}  ")
        assert json.loads(dead_letter_json(each))["written_at"] == text
        histogram.add(each)
    reported = json.loads(histogram_json(histogram, "tickets.dlq", NOON))
    assert {(kind["oldest_at"], kind["newest_at"]) for kind in reported["kinds"]} == {(text, text)}


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.9, "0 s"), (59, "59 s"), (61, "1 min 1 s"), (3_700, "1 h 1 min"), (90_000, "1 d 1 h"), (999_999, "11 d 13 h")],
)
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_characters_of_all_scripts_are_kept() -> None:
    text = "Ünï 漢字 हिन्दी عربى 😀 \\"
    assert escaped(text) == text
    assert escaped("\ud800") == "\\ud800"
