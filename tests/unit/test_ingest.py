"""From rows of a file to ticket events.

A green run does not prove that a file of another system maps well; it shows what the mapping does.
"""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from millrace.ingest import Mapped, TicketFile, row_id, to_message
from schemas.failures import FailureReason
from shared.errors import Fatal, Rejected
from shared.records import Message
from tests.tickets import record
from workers.tickets.prepare import decode_ticket

PLAIN = Mapped(tenant_id="acme")


def ticket_file(folder: Path, text: str | bytes, name: str = "tickets.jsonl") -> TicketFile:
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    os.utime(path, (1_700_000_000, 1_700_000_000))
    return TicketFile.open(path)


@pytest.fixture
def source(tmp_path: Path) -> TicketFile:
    """Give a file; what it holds does not matter."""
    return ticket_file(tmp_path, "{}")


def fields(message: Message) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(message.value or b"")
    return found


def event_of(row: Mapping[str, Any], source: TicketFile, mapped: Mapped = PLAIN, number: int = 0) -> dict[str, Any]:
    return fields(to_message(row, number, source, mapped))


def refusal(row: Mapping[str, Any], source: TicketFile, mapped: Mapped = PLAIN) -> Rejected:
    with pytest.raises(Rejected) as caught:
        to_message(row, 0, source, mapped)
    return caught.value


def test_a_row_of_fields_becomes_an_event(source: TicketFile) -> None:
    row = {"ticket_id": "T-7", "subject": "Hello", "reason": "rated", "satisfaction": 4, "attributes": {"vip": True}}
    message = to_message(row, 3, source, PLAIN)
    assert (message.topic, message.key) == ("tickets", b"acme:T-7")
    assert fields(message) == row | {
        "schema_version": 1,
        "event_id": f"{source.digest[:16]}:3",
        "tenant_id": "acme",
        "event_version": 1,
        "occurred_at": "2023-11-14T22:13:20+00:00",
    }


def test_what_is_made_is_what_the_worker_takes(source: TicketFile) -> None:
    message = to_message({"subject": "Hello"}, 0, source, PLAIN)
    item = decode_ticket(record({}, key=message.key, value=message.value))
    assert item.event.ticket_id == row_id(source, 0)


def test_columns_are_mapped_and_others_left_out(source: TicketFile) -> None:
    mapped = Mapped("acme", {"text": "body", "intent": "agent_label", "colour": "attributes.colour"})
    made = event_of({"text": "Where?", "intent": "delivery", "colour": "red", "noise": "x"}, source, mapped)
    assert (made["body"], made["agent_label"], made["attributes"]) == ("Where?", "delivery", {"colour": "red"})
    assert "noise" not in made


def test_constants_hold_for_every_row_and_win(source: TicketFile) -> None:
    mapped = Mapped("acme", constants={"reason": "solved", "satisfaction": "5", "attributes.origin": "import"})
    made = event_of({"reason": "created", "attributes": {"a": 1}}, source, mapped)
    assert (made["reason"], made["satisfaction"]) == ("solved", 5)
    assert made["attributes"] == {"a": 1, "origin": "import"}


def test_empty_cells_are_left_out(source: TicketFile) -> None:
    made = event_of({"subject": "", "language": None, "body": "x"}, source)
    assert {"subject", "language"} & set(made) == set()


def test_whole_numbers_in_text_become_numbers_where_a_number_belongs(source: TicketFile) -> None:
    made = event_of({"event_version": "12", "satisfaction": " 3 ", "subject": "5"}, source)
    assert (made["event_version"], made["satisfaction"], made["subject"]) == (12, 3, "5")


def test_a_tenant_in_the_row_wins(source: TicketFile) -> None:
    assert event_of({"tenant_id": "other"}, source)["tenant_id"] == "other"


def test_the_id_is_taken_from_its_column(source: TicketFile) -> None:
    mapped = Mapped("acme", id_column="number")
    assert event_of({"number": 77, "ticket_id": "ignored"}, source, mapped)["ticket_id"] == "77"


@pytest.mark.parametrize("row", [{}, {"number": ""}, {"number": None}])
def test_a_row_without_its_id_is_refused(source: TicketFile, row: dict[str, Any]) -> None:
    rejected = refusal(row, source, Mapped("acme", id_column="number"))
    assert rejected.field == "ticket_id"


def test_ids_are_the_same_on_every_run_and_in_a_renamed_file(tmp_path: Path) -> None:
    one = ticket_file(tmp_path, '{"subject": "a"}')
    renamed = ticket_file(tmp_path, '{"subject": "a"}', "renamed.jsonl")
    assert event_of({"subject": "a"}, one) == event_of({"subject": "a"}, renamed)
    assert row_id(one, 0) != row_id(one, 1)
    assert row_id(one, 0) != row_id(ticket_file(tmp_path, '{"subject": "b"}', "other.jsonl"), 0)


@pytest.mark.parametrize(
    ("row", "field"),
    [
        ({"satisfaction": "6"}, "satisfaction"),
        ({"satisfaction": "good"}, "satisfaction"),
        ({"priority": "asap"}, "priority"),
        ({"subject": "x" * 1_001}, "subject"),
        ({"occurred_at": "yesterday"}, "occurred_at"),
        ({"ticket_id": 5}, "ticket_id"),
        ({"subject": "\ud800"}, "value"),
        ({"attributes": {"a": float("nan")}}, "value"),
        ({"attributes": "none"}, "attributes"),
        ({"event_version": "9" * 5_000}, "event_version"),
    ],
)
def test_a_row_that_makes_no_event_is_refused_by_its_field(source: TicketFile, row: dict[str, Any], field: str) -> None:
    assert refusal(row, source).field == field


def test_attributes_that_are_none_are_refused_beside_a_mapped_one_too(source: TicketFile) -> None:
    rejected = refusal({"attributes": "none"}, source, Mapped("acme", constants={"attributes.origin": "import"}))
    assert rejected.field == "attributes"


def test_a_text_beyond_the_limit_names_its_reason(source: TicketFile) -> None:
    assert refusal({"body": "x" * 100_001}, source).reason is FailureReason.TOO_LARGE


@pytest.mark.parametrize("mapped", [{"columns": {"text": "content"}}, {"constants": {"colour": "red"}}])
def test_a_field_that_does_not_exist_is_fatal(mapped: dict[str, Any]) -> None:
    with pytest.raises(Fatal, match="a ticket has no field"):
        Mapped("acme", **mapped)


def test_csv_rows(tmp_path: Path) -> None:
    source = ticket_file(tmp_path, 'subject,body\n"a, b","two\nlines"\nc,d\n', "tickets.csv")
    assert list(source.rows()) == [{"subject": "a, b", "body": "two\nlines"}, {"subject": "c", "body": "d"}]


def test_json_lines(tmp_path: Path) -> None:
    source = ticket_file(tmp_path, '{"subject": "a"}\n\n  \n{"subject": "b"}')
    assert [row["subject"] for row in source.rows()] == ["a", "b"]


@pytest.mark.parametrize(("name", "text"), [("t.csv", "subject\na\n"), ("t.jsonl", '{"subject": "a"}\n')])
def test_a_byte_order_mark_is_no_part_of_the_first_name(tmp_path: Path, name: str, text: str) -> None:
    assert list(ticket_file(tmp_path, b"\xef\xbb\xbf" + text.encode(), name).rows()) == [{"subject": "a"}]


@pytest.mark.parametrize(
    "line",
    ['{"subject": ', "[1]", "5", "{} {}", '{"n": ' + "9" * 5_000 + "}", "[" * 100_000],
    ids=lambda line: line[:12],
)
def test_a_line_that_is_no_object_is_fatal_and_named(tmp_path: Path, line: str) -> None:
    source = ticket_file(tmp_path, '{"subject": "a"}\n\n' + line + "\n")
    with pytest.raises(Fatal, match="line 3"):
        list(source.rows())


@pytest.mark.parametrize("name", ["t.csv", "t.jsonl"])
def test_bytes_that_are_not_utf_8_are_fatal(tmp_path: Path, name: str) -> None:
    with pytest.raises(Fatal, match="utf-8"):
        list(ticket_file(tmp_path, b'subject\n"\xff"\n', name).rows())


def test_a_broken_csv_is_fatal_and_its_line_named(tmp_path: Path) -> None:
    source = ticket_file(tmp_path, 'subject\na\n"b" c\n', "tickets.csv")
    with pytest.raises(Fatal, match="line 3"):
        list(source.rows())


def test_another_ending_is_fatal(tmp_path: Path) -> None:
    with pytest.raises(Fatal, match=r"\.csv or \.jsonl"):
        ticket_file(tmp_path, "", "tickets.xlsx")


def test_a_missing_file_is_fatal(tmp_path: Path) -> None:
    with pytest.raises(Fatal, match="cannot be read"):
        TicketFile.open(tmp_path / "none.csv")


def test_the_digest_is_of_the_content_alone(tmp_path: Path) -> None:
    assert ticket_file(tmp_path, "{}").digest == ticket_file(tmp_path, "{}", "other.csv").digest
