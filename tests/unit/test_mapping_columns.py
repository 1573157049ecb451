"""Which column becomes which field: by its name, by a known export, by --map; and what is refused rather than guessed.

A green run does not prove that an export of another version is recognised; `tests/support/ingest_files.py` has
some complete ones.
"""

from pathlib import Path
from typing import Any

import pytest

from millrace.ingest.exports import known_exports, recognise_export
from millrace.ingest.fields import CHOICES, INTEGER_FIELDS, is_field, suggestions
from millrace.ingest.mapping import ColumnMatch, MappingOptions, match_columns
from shared.errors import Fatal

FILE = Path("t.csv")
TEXT = ["subject", "body"]


def fitted(header: list[str], is_header: bool = True, **wanted: Any) -> ColumnMatch:
    return match_columns(FILE, header, MappingOptions("acme", **wanted), is_header)


def mapped(header: list[str], **wanted: Any) -> dict[str, str]:
    return dict(fitted(header, **wanted).mapped.columns)


def refusal(header: list[str], is_header: bool = True, **wanted: Any) -> str:
    with pytest.raises(Fatal) as caught:
        fitted(header, is_header, **wanted)
    return str(caught.value)


def test_names_match_in_any_case_and_with_blanks_around_them() -> None:
    marked = "\N{ZERO WIDTH NO-BREAK SPACE}Ticket_ID"
    assert mapped(["Subject", " BODY ", marked, "\N{NO-BREAK SPACE}language"]) == {
        "Subject": "subject", " BODY ": "body", marked: "ticket_id", "\N{NO-BREAK SPACE}language": "language",
    }  # fmt: skip


def test_attributes_are_fields_too() -> None:
    assert mapped([*TEXT, "Attributes.Colour "])["Attributes.Colour "] == "attributes.Colour"


def test_similar_names_are_suggested_and_not_used() -> None:
    found = fitted([*TEXT, "prioritty", "Rating", "noise"])
    assert set(found.mapped.columns) == set(TEXT)
    assert found.suggested == {"prioritty": "priority", "Rating": "satisfaction"}
    assert found.unused == ("prioritty", "Rating", "noise")


def test_requested_mappings_win() -> None:
    assert mapped(["subject", "body", "text"], columns={"text": "body"}) == {"subject": "subject", "text": "body"}
    assert mapped([*TEXT, "Priority"], columns={"priority": ""}) == {"subject": "subject", "body": "body"}
    assert mapped([*TEXT, "ticket_id", "n"], id_column="n")["n"] == "ticket_id"
    assert "ticket_id" not in mapped([*TEXT, "ticket_id", "n"], id_column="n")


def test_a_mapped_column_is_found_in_any_case() -> None:
    assert mapped([*TEXT, " Notes"], columns={"notes": "resolution"})[" Notes"] == "resolution"


@pytest.mark.parametrize("wanted", [{"columns": {"subjct": "subject"}}, {"id_column": "subjct"}])
def test_a_mapped_column_that_does_not_exist_is_an_error_that_names_similar_ones(wanted: dict[str, Any]) -> None:
    message = refusal(TEXT, **wanted)
    assert "subjct: the file has no such column; perhaps subject?" in message
    assert "columns: subject, body" in message


@pytest.mark.parametrize(
    "wanted", [{"columns": {"text": "content"}}, {"constants": {"colour": "red"}}, {"values": {"x": {}}}]
)
def test_a_field_that_does_not_exist_is_an_error(wanted: dict[str, Any]) -> None:
    with pytest.raises(Fatal, match="a ticket has no field"):
        MappingOptions("acme", **wanted)


def test_a_file_none_of_whose_columns_is_a_field_is_refused_with_suggestions() -> None:
    message = refusal(["Titel", "Nachricht", "Farbe"])
    assert "none of its columns maps to a field" in message
    assert "columns: Titel, Nachricht, Farbe" in message
    assert "fields: event_id, " in message
    assert "--map 'Titel=subject' --map 'Nachricht=body'" in message
    assert "header" not in message


def test_a_single_column_may_need_another_delimiter() -> None:
    assert "--delimiter" in refusal(["ticket_id^subject^body"])
    assert "--delimiter" not in refusal(["a", "b"])


def test_a_missing_header_is_detected() -> None:
    assert "needs a header" in refusal(["T-1", "ann@example.com", "My parcel is late."])
    assert "needs a header" not in refusal(["T-1", "ann@example.com"], is_header=False)


def test_no_text_is_refused_when_a_column_looks_like_it() -> None:
    assert "no column maps to body, but a column has a similar name" in refusal(
        ["ticket_id", "subject", "Ticket Description"]
    )
    assert mapped(["ticket_id", "subject", "Description"], columns={"Description": ""}) == {
        "ticket_id": "ticket_id",
        "subject": "subject",
    }
    assert "no column maps to subject or body" in refusal(["ticket_id", "priority"])
    assert mapped(["ticket_id", "priority"], constants={"reason": "deleted"})
    assert "no column maps to subject or body" in refusal(["ticket_id", "event_version", "reason"])
    zendesk = ["Id", "Subject", "Requester", "Message"]
    assert "no column maps to body, but a column has a similar name" in refusal(zendesk), (
        "a known export is no exception"
    )
    assert mapped(zendesk, columns={"Message": "body"})["Message"] == "body"


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"constants": {"priority": ""}}, "the value is missing"),
        ({"values": {"priority": {"x": "high"}}}, "no column maps to priority"),
        ({"columns": {"subject": ""}}, "no column maps to subject"),
        ({"columns": {"subject": "body", "Subject": "body"}}, "mapped twice"),
        ({"id_column": "subject", "columns": {"subject": "body"}}, "mapped twice"),
    ],
)
def test_an_option_without_effect_is_refused(options: dict[str, Any], says: str) -> None:
    assert says in refusal(TEXT if "columns" not in options else ["subject", "priority"], **options)


def test_a_value_that_no_field_accepts_is_refused_before_the_file_is_read() -> None:
    assert "expected low, normal, high, urgent" in refusal([*TEXT, "priority"], values={"priority": {"P1": "banana"}})


@pytest.mark.parametrize("tenant", ["", "a:b", "a b", "x" * 65, "-a"])
def test_an_invalid_tenant_is_refused_before_the_file_is_read(tenant: str) -> None:
    with pytest.raises(Fatal, match="--tenant"):
        MappingOptions(tenant)


def test_a_column_that_occurs_twice_is_named() -> None:
    assert "the column body appears 2 times" in refusal(["subject", "body", "body"])
    message = refusal([*TEXT, "Notes", "Notes", "Notes"])
    assert "Notes appears 3 times" in message
    assert "--map 'Notes='" in message
    assert mapped([*TEXT, "Notes", "Notes"], columns={"Notes": ""})
    assert mapped([*TEXT, "", ""]), "columns without a name replace no other column"


def test_two_columns_cannot_be_one_field() -> None:
    message = refusal(["subject", "Subject", "body"])
    assert "appears" not in message
    assert "subject and Subject both map to subject" in message
    assert mapped(["subject", "Subject", "body"], columns={"Subject": ""}) == {"subject": "subject", "body": "body"}
    both = fitted(["Subject", "subject"], is_header=False).mapped.columns
    assert set(both) == {"Subject", "subject"}, "the two columns are on different lines of the JSON file"
    assert "both map to body" in refusal(["a", "b"], columns={"a": "body", "b": "body"})


# --- exports ---


def test_every_export_maps_to_fields_and_to_values_that_exist() -> None:
    for export in known_exports():
        assert all(name == "" or is_field(name) for name in export.columns.values()), export.title
        assert {"ticket_id", "subject", "body", "reason"} <= set(export.columns.values()), export.title
        for name, values in export.values.items():
            for target in values.values():
                assert target == "" or target in CHOICES.get(name, (target,)), (export.title, name, target)
                assert name not in INTEGER_FIELDS or target == "" or target.isdecimal()
        assert all(value == value.casefold() for values in export.values.values() for value in values)


@pytest.mark.parametrize(
    ("columns", "title"),
    [
        (["Id", "Requester", "Subject", "Status", "Created at"], "Zendesk"),
        (["ID", "SUBJECT", "REQUESTER EMAIL"], "Zendesk"),
        (["id", "subject", "description", "requester_id", "created_at"], "Zendesk"),
        (["Ticket ID", "Ticket subject", "Ticket status"], "Zendesk"),
        (["id", "subject", "description_text", "responder_id", "requester_id", "created_at"], "Freshdesk"),
        (["ticket_id", "ticket_subject", "ticket_description"], "support ticket set"),
        (["Ticket ID", "Subject", "Status", "Priority", "Source", "Agent"], "Freshdesk"),
        (["Summary", "Issue key", "Issue id", "Comment", "Comment"], "Jira"),
        (
            ["Ticket ID", "Customer Email", "Ticket Subject", "Ticket Description", "Ticket Priority"],
            "support ticket set",
        ),
        (["subject", "body", "Id"], None),
        (["Summary", "Description"], None),
    ],
)
def test_exports_are_recognised_by_their_header(columns: list[str], title: str | None) -> None:
    export = recognise_export(columns)
    assert (export is None) if title is None else (export is not None and title in export.title)


def test_a_column_of_an_export_with_the_name_of_a_field_may_be_something_else() -> None:
    found = fitted(["Summary", "Issue key", "Resolution", "Description"])
    assert "Resolution" not in found.mapped.columns, "Jira's resolution is a state such as Fixed"
    assert "Resolution" not in found.suggested
    assert mapped(["Summary", "Issue key", "Resolution"], columns={"Resolution": "resolution"})["Resolution"]


def test_of_two_columns_for_one_field_the_first_in_the_export_s_list_wins() -> None:
    found = mapped(["Id", "Subject", "Requester id", "Requester email"])
    assert found["Requester email"] == "customer_id"
    assert "Requester id" not in found


def test_repeated_columns_of_an_export_are_left_out_unless_they_are_used() -> None:
    columns = ["Summary", "Issue key", "Comment", "Comment"]
    assert "Comment" in fitted(columns).unused
    assert "Comment appears 2 times" in refusal(columns, columns={"Comment": "resolution"})


def test_requested_values_win_over_those_of_the_export() -> None:
    columns = ["Summary", "Issue key", "Priority"]
    values = fitted(columns, values={"priority": {"Major": "normal", "P1": "urgent"}}).mapped.values["priority"]
    own = fitted([*TEXT, "priority"], values={"priority": {"P1": "URGENT"}})
    assert own.mapped.values == {"priority": {"p1": "urgent"}}
    assert (values["major"], values["p1"], values["blocker"]) == ("normal", "urgent", "urgent")


# --- suggestions ---


@pytest.mark.parametrize(
    ("column", "field"),
    [
        ("Ticket Description", "body"), ("message", "body"), ("Betreff", "subject"), ("Descripción", "body"),
        ("Titre", None), ("ticketid", "ticket_id"), ("Ticket No", None), ("Case Number", "ticket_id"),
        ("satisfation", "satisfaction"), ("CSAT", "satisfaction"), ("created_at", "occurred_at"), ("Colour", None),
        ("first_message", "body"), ("Beschreibung des Problems", "body"), ("body text", "body"), ("Message ID", None),
        ("Short Description", "subject"),
        ("#", None), ("Resolution time", None), ("channel_id", None), ("E-Mail", "customer_id"), ("Group", None),
    ],
)  # fmt: skip
def test_an_unknown_name_is_suggested_for_the_field_it_may_mean(column: str, field: str | None) -> None:
    assert suggestions([column], ()) == ({} if field is None else {column: field})


def test_each_field_is_suggested_once_for_the_most_similar_column() -> None:
    assert suggestions(["boddy", "Ticket Body", "Colour"], ()) == {"Ticket Body": "body"}
    assert suggestions(["text"], ["body"]) == {}
