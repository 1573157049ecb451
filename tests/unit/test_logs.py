"""Log lines name positions, not contents. Green covers the engine's lines about records, not the lines of libraries."""

import json

import pytest
import structlog

from shared.logs import configure, get_logger
from tests.support.assembly import Assembly
from tests.support.tickets import event, record

WORDS = "the customer's own words"


def test_a_dead_letter_is_logged_by_position_and_reason_without_a_word_of_the_record() -> None:
    parts = Assembly()
    bad = [record({WORDS: WORDS}, 7), record(event(priority=WORDS), 8), record(event(body=f"POISON {WORDS}"), 9)]
    with structlog.testing.capture_logs() as lines:
        parts.settle(*bad)
    reported = [line for line in lines if line["event"] == "dead-lettered"]
    assert [(line["topic"], line["partition"], line["offset"]) for line in reported] == [
        ("tickets", 0, n) for n in (7, 8, 9)
    ]
    assert [line["reason"] for line in reported] == ["missing_field", "invalid_value", "model_failed"]
    assert WORDS not in repr(lines)


def test_json_logs_are_one_object_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    configure("info", json_lines=True)
    get_logger("test").info("started", port=1)
    get_logger("test").debug("not written")
    (line,) = capsys.readouterr().err.splitlines()
    reported = json.loads(line)
    assert (reported["event"], reported["component"], reported["level"], reported["port"]) == (
        "started",
        "test",
        "info",
        1,
    )
