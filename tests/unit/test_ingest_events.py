"""From a row to a ticket event, once the columns are mapped.

A green run does not prove that a file of another system maps well; `tests/flow/test_ingest_files.py` checks some that
do.
"""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from millrace.ingest.events import EventMaker, row_id
from millrace.ingest.fields import FIELDS
from millrace.ingest.mapping import RowMapping
from millrace.ingest.rows import Row
from millrace.ingest.table_files import TableFile
from millrace.ingest.times import TimeReading, check_format, zone_of
from schemas.failures import FailureReason
from shared.errors import Fatal, Rejected
from shared.records import Message
from tests.support.tickets import record
from workers.tickets.stages import TICKETS

OWN = {name: name for name in FIELDS if name not in ("ticket_id", "tenant_id")}
"""Each column is mapped to the field of the same name."""


def file_of(folder: Path, text: str, name: str = "tickets.jsonl") -> TableFile:
    path = folder / name
    path.write_bytes(text.encode())
    os.utime(path, (1_700_000_000, 1_700_000_000))
    return TableFile.open(path)


@pytest.fixture
def source(tmp_path: Path) -> TableFile:
    """Yield a file; its content does not matter."""
    return file_of(tmp_path, "{}")


def message(row: Mapping[str, Any], source: TableFile, mapped: RowMapping, number: int = 0) -> Message:
    return EventMaker(source, mapped).make(Row(number, number + 1, row)).message


def event_of(row: Mapping[str, Any], source: TableFile, more: Mapping[str, str] | None = None, **how: Any) -> Any:
    return json.loads(message(row, source, RowMapping("acme", {**OWN, **(more or {})}, **how)).value or b"")


def refusal(row: Mapping[str, Any], source: TableFile, more: Mapping[str, str] | None = None, **how: Any) -> Rejected:
    with pytest.raises(Rejected) as caught:
        event_of(row, source, more, **how)
    return caught.value


ID = {"ticket_id": "ticket_id"}


def test_a_row_of_fields_becomes_an_event(source: TableFile) -> None:
    row = {"ticket_id": "T-7", "subject": "Hello", "reason": "rated", "satisfaction": 4, "attributes": {"vip": True}}
    made = message(row, source, RowMapping("acme", {**OWN, **ID}), 3)
    assert (made.topic, made.key) == ("tickets", b"acme:T-7")
    assert json.loads(made.value or b"") == row | {
        "schema_version": 1,
        "event_id": f"{source.digest[:16]}:3",
        "tenant_id": "acme",
        "event_version": 1,
        "occurred_at": "2023-11-14T22:13:20+00:00",
    }


def test_the_event_is_one_that_the_worker_accepts(source: TableFile) -> None:
    made = message({"subject": "Hello"}, source, RowMapping("acme", OWN))
    item = TICKETS.decode(record({}, key=made.key, value=made.value))
    assert item.event.ticket_id == row_id(source, 0)


def test_mapped_columns_are_used_and_others_left_out(source: TableFile) -> None:
    columns = {"text": "body", "intent": "agent_label", "colour": "attributes.colour"}
    made = event_of({"text": "Where?", "intent": "delivery", "colour": "red", "noise": "x"}, source, columns)
    assert (made["body"], made["agent_label"], made["attributes"]) == ("Where?", "delivery", {"colour": "red"})
    assert "noise" not in made


def test_constants_apply_to_every_row_and_win(source: TableFile) -> None:
    constants = {"reason": "solved", "satisfaction": "5", "attributes.origin": "import"}
    made = event_of({"reason": "created", "attributes": {"a": 1}}, source, constants=constants)
    assert (made["reason"], made["satisfaction"]) == ("solved", 5)
    assert made["attributes"] == {"a": 1, "origin": "import"}


def test_empty_cells_are_left_out(source: TableFile) -> None:
    made = event_of({"subject": "", "language": None, "body": "x"}, source)
    assert {"subject", "language"} & set(made) == set()


@pytest.mark.parametrize("cell", ["3", " 3 ", "3.0", "3.00", 3, 3.0])
def test_whole_numbers_become_numbers_where_the_field_is_a_number(source: TableFile, cell: Any) -> None:
    made = event_of({"event_version": "12", "satisfaction": cell, "subject": "5"}, source)
    assert (made["event_version"], made["satisfaction"], made["subject"]) == (12, 3, "5")


def test_numbers_become_text_where_the_field_is_a_text(source: TableFile) -> None:
    made = event_of({"ticket_id": 77, "user": 12.0, "subject": 4.5}, source, ID | {"user": "customer_id"})
    assert (made["ticket_id"], made["customer_id"], made["subject"]) == ("77", "12", "4.5")
    assert "satisfaction" not in event_of({"satisfaction": " "}, source)
    assert event_of({"language": "en_US "}, source)["language"] == "en-US"


def test_a_tenant_in_the_row_wins(source: TableFile) -> None:
    assert event_of({"tenant_id": "other"}, source, {"tenant_id": "tenant_id"})["tenant_id"] == "other"


@pytest.mark.parametrize("row", [{}, {"number": ""}, {"number": None}])
def test_a_row_without_its_id_is_refused(source: TableFile, row: dict[str, Any]) -> None:
    rejected = refusal(row, source, {"number": "ticket_id"})
    assert (rejected.field, rejected.reason) == ("ticket_id", FailureReason.MISSING_FIELD)


def test_ids_are_the_same_on_every_run_and_in_a_renamed_file(tmp_path: Path) -> None:
    one = file_of(tmp_path, '{"subject": "a"}')
    renamed = file_of(tmp_path, '{"subject": "a"}', "renamed.jsonl")
    assert event_of({"subject": "a"}, one) == event_of({"subject": "a"}, renamed)
    assert row_id(one, 0) != row_id(one, 1)
    assert row_id(one, 0) != row_id(file_of(tmp_path, '{"subject": "b"}', "other.jsonl"), 0)


@pytest.mark.parametrize("cell", ["urgent", "URGENT", " Urgent "])
def test_an_enumerated_value_is_recognised_in_any_case(source: TableFile, cell: str) -> None:
    assert event_of({"priority": cell}, source)["priority"] == "urgent"


def test_values_are_mapped_and_an_empty_target_leaves_the_cell_out(source: TableFile) -> None:
    values = {"priority": {"critical": "urgent", "-": ""}, "satisfaction": {"good": "5"}, "language": {"english": "en"}}
    row = {"priority": " Critical", "satisfaction": "Good", "language": "English"}
    made = event_of(row, source, values=values)
    assert (made["priority"], made["satisfaction"], made["language"]) == ("urgent", 5, "en")
    assert "priority" not in event_of({"priority": "-"}, source, values=values)


def test_any_other_value_may_be_given_a_meaning(source: TableFile) -> None:
    values = {"reason": {"closed": "solved", "*": "created"}}
    assert event_of({"reason": "Closed"}, source, values=values)["reason"] == "solved"
    assert event_of({"reason": "Waiting on vendor"}, source, values=values)["reason"] == "created"
    assert event_of({"reason": "Deleted"}, source, values=values)["reason"] == "created", (
        "a status of the other system, not a field value of Millrace"
    )
    assert "reason" in event_of({"reason": " "}, source, values=values)
    other = {"satisfaction": {"*": ""}, "agent_label": {"*": "other"}, "occurred_at": {"n/a": ""}}
    made = event_of({"satisfaction": "9", "agent_label": "x", "occurred_at": "N/A"}, source, values=other)
    assert ("satisfaction" in made, made["agent_label"]) == (False, "other")
    assert made["occurred_at"] == "2023-11-14T22:13:20+00:00"


def test_values_are_mapped_before_they_are_parsed(source: TableFile) -> None:
    values = {
        "occurred_at": {"n/a": ""}, "customer_id": {"unknown": ""}, "attributes.plan": {"n/a": "", "p": "premium"},
    }  # fmt: skip
    columns = {"user": "customer_id", "attributes.plan": "attributes.plan"}
    times = TimeReading(zone_of("UTC"))
    made = event_of(
        {"occurred_at": "2026-03-05 09:14", "user": 12, "attributes.plan": "P"},
        source,
        columns,
        values=values,
        times=times,
    )
    assert (made["occurred_at"], made["customer_id"]) == ("2026-03-05T09:14:00+00:00", "12")
    assert made["attributes"] == {"plan": "premium"}
    assert "attributes" not in event_of({"attributes.plan": "N/A"}, source, columns, values=values)


def test_an_unknown_value_is_refused_with_the_option_that_maps_it(source: TableFile) -> None:
    rejected = refusal({"priority": "Critical"}, source)
    assert (rejected.field, rejected.reason) == ("priority", FailureReason.INVALID_VALUE)
    assert "--value 'priority:Critical=" in rejected.detail


def test_a_deletion_keeps_only_the_ids(source: TableFile) -> None:
    made = event_of({"ticket_id": "T-1", "subject": "a"}, source, ID, constants={"reason": "deleted"})
    assert set(made) == {
        "schema_version", "event_id", "tenant_id", "event_version", "occurred_at", "reason", "ticket_id",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("row", "field"),
    [
        ({"satisfaction": "6"}, "satisfaction"),
        ({"satisfaction": "good"}, "satisfaction"),
        ({"satisfaction": "4.5"}, "satisfaction"),
        ({"satisfaction": "-1"}, "satisfaction"),
        ({"priority": "asap"}, "priority"),
        ({"subject": "x" * 1_001}, "subject"),
        ({"occurred_at": "yesterday"}, "occurred_at"),
        ({"occurred_at": 45906.5}, "occurred_at"),
        ({"subject": True}, "subject"),
        ({"subject": ["a"]}, "subject"),
        ({"subject": "\ud800"}, "value"),
        ({"attributes": {"a": float("nan")}}, "value"),
        ({"attributes": "none"}, "attributes"),
        ({"event_version": "9" * 5_000}, "event_version"),
    ],
)
def test_a_row_that_gives_no_valid_event_is_refused_by_its_field(
    source: TableFile, row: dict[str, Any], field: str
) -> None:
    assert refusal(row, source).field == field


def test_invalid_attributes_are_refused_beside_a_mapped_one_too(source: TableFile) -> None:
    rejected = refusal({"attributes": "none"}, source, constants={"attributes.origin": "import"})
    assert rejected.field == "attributes"


def test_a_text_above_the_limit_is_refused_with_its_reason(source: TableFile) -> None:
    assert refusal({"body": "x" * 100_001}, source).reason is FailureReason.TOO_LARGE


def test_a_row_that_could_not_be_read_is_refused_for_that_reason(source: TableFile) -> None:
    fault = Rejected(FailureReason.UNKNOWN_FIELD, "row", "5 cells")
    with pytest.raises(Rejected) as caught:
        EventMaker(source, RowMapping("acme", OWN)).make(Row(0, 1, {"subject": "a"}, fault))
    assert caught.value is fault


def test_a_row_that_ends_before_its_text_is_refused(source: TableFile) -> None:
    maker = EventMaker(source, RowMapping("acme", {**OWN, **ID}))
    cells = {"ticket_id": "and then it broke", "subject": "", "body": "", "language": ""}
    with pytest.raises(Rejected, match="1 of 4 cells") as caught:
        maker.make(Row(0, 1, cells, None, ("subject", "body", "language")))
    assert caught.value.field == "row"
    assert maker.make(Row(0, 1, cells, None, ("language",))).event.model_dump()["ticket_id"] == "and then it broke"


def test_blanks_around_an_id_are_removed(source: TableFile) -> None:
    made = event_of({"ticket_id": "  T-1 ", "customer_id": " 7\t", "subject": " a "}, source, ID)
    assert (made["ticket_id"], made["customer_id"], made["subject"]) == ("T-1", "7", " a ")
    assert refusal({"ticket_id": "  "}, source, ID).field == "ticket_id"


def test_constants_are_parsed_like_cells_and_refused_at_once(source: TableFile) -> None:
    made = event_of(
        {}, source, constants={"priority": "HIGH", "occurred_at": "2026-03-05T09:14Z", "event_version": "3"}
    )
    assert (made["priority"], made["occurred_at"], made["event_version"]) == ("high", "2026-03-05T09:14:00+00:00", 3)
    with pytest.raises(Rejected, match="priority"):
        EventMaker(source, RowMapping("acme", OWN, {"priority": "asap"}))


# --- times ---

BERLIN = TimeReading(zone_of("Europe/Berlin"))


@pytest.mark.parametrize(
    ("text", "reading", "wanted"),
    [
        ("2026-03-05T09:14:33Z", TimeReading(), "2026-03-05T09:14:33Z"),
        ("2026-03-05 09:14:33 UTC", TimeReading(), "2026-03-05T09:14:33+00:00"),
        ("2026-03-05 09:14:33 +0100", TimeReading(), "2026-03-05T09:14:33+01:00"),
        ("2026-03-05T09:14:33.5+01:00", TimeReading(), "2026-03-05T09:14:33.5+01:00"),
        ("2026-03-05 10:20:30.1234567+00", TimeReading(), "2026-03-05T10:20:30.123456+00:00"),
        ("2026/03/05 10:20:30Z", TimeReading(), "2026-03-05T10:20:30+00:00"),
        ("2026-03-05 10:20:30,123 +0000 UTC", TimeReading(), "2026-03-05T10:20:30.123000+00:00"),
        ("2026-03-05 9:14", BERLIN, "2026-03-05T09:14:00+01:00"),
        (" 2026-07-05 ", BERLIN, "2026-07-05T00:00:00+02:00"),
        ("2026-03-05 09:14", TimeReading(zone_of("-05:30")), "2026-03-05T09:14:00-05:30"),
        ("05/03/2026 09:14", TimeReading(zone_of("UTC"), ("%d/%m/%Y %H:%M",)), "2026-03-05T09:14:00+00:00"),
        ("2026-03-05T09:14Z", TimeReading(None, ("%d/%m/%Y",)), "2026-03-05T09:14:00+00:00"),
    ],
)
def test_an_unambiguous_time_is_parsed(text: str, reading: TimeReading, wanted: str) -> None:
    assert reading.read(text) == wanted


@pytest.mark.parametrize("wrong", ["%d.%m.%Y %Q", "%Y-%", "%d %d", "%H:%M", "%d/%m", "%Y"])
def test_an_invalid_format_is_fatal(wrong: str) -> None:
    with pytest.raises(Fatal, match="--time-format"):
        check_format(wrong)
    assert check_format("%d.%m.%Y") == "%d.%m.%Y"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        *((text, "--time-format") for text in ("20260904", "45906.5", "2026", "05/03/2026 09:14", "now", "2026-02-30")),
        ("2026-03-05 09:14", "--timezone"),
        ("2026-03-05", "--timezone"),
    ],
)
def test_an_ambiguous_time_is_refused_with_the_option_that_helps(text: str, says: str) -> None:
    with pytest.raises(Rejected) as caught:
        TimeReading().read(text)
    assert (caught.value.reason, caught.value.field) == (FailureReason.INVALID_VALUE, "occurred_at")
    assert says in caught.value.detail


URIS = [{"image_id": "1", "image": {"uri": "https://x.example/a"}}, {"image_id": "2", "image": {"uri": "s3://x/b"}}]


@pytest.mark.parametrize(
    "cell",
    [
        "https://x.example/a\n s3://x/b",
        ["https://x.example/a", {"uri": "s3://x/b"}],
        [{"image_id": "1", "image": {"uri": "https://x.example/a"}}, {"image_id": "2", "uri": "s3://x/b"}],
    ],
)
def test_pictures_are_given_as_uris_or_as_objects(source: TableFile, cell: Any) -> None:
    assert event_of({"ticket_id": "T-1", "images": cell}, source)["images"] == URIS


@pytest.mark.parametrize("cell", ["x", [7], [{"image_id": "1"}], 7, {"uri": "https://x.example/a"}])
def test_what_is_no_picture_is_refused(source: TableFile, cell: Any) -> None:
    assert refusal({"ticket_id": "T-1", "images": cell}, source).field.startswith("images")
