"""Each file of `tests/support/ingest_files.py`, imported to the embedded broker; `docs/ingest.md` shows them.

A green run does not prove that the files of other versions of these systems are read as well, nor anything about Kafka.
"""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from schemas.tickets import TICKET_EVENT, TicketDeleted, TicketEvents, TicketSnapshot
from schemas.topics import input_topic
from shared.broker.embedded import EmbeddedBroker
from shared.broker.reader import TopicReader
from tests.support.ingest_files import CASES, Case, millrace, run

TOPIC = input_topic("tickets")


@pytest.fixture
def broker() -> Iterator[EmbeddedBroker]:
    """Yield a broker with the input topic."""
    with EmbeddedBroker() as held:
        held.create([TOPIC])
        yield held


def environment(broker: EmbeddedBroker) -> dict[str, str]:
    return {"MILLRACE_BROKER__BOOTSTRAP": broker.bootstrap}


def events(broker: EmbeddedBroker) -> list[TicketEvents]:
    return [TICKET_EVENT.validate_json(record.value or b"") for record in TopicReader(broker.bootstrap).read(TOPIC)]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.title)
def test_a_file_gives_the_expected_exit_code_and_events(case: Case, broker: EmbeddedBroker, tmp_path: Path) -> None:
    code, printed = run(case, tmp_path, environment(broker))
    assert code == case.exit_code, printed
    assert "Traceback" not in printed
    assert sorted(event.ticket_id for event in events(broker)) == sorted(case.sent or ())
    assert ("error: " in printed) == (code != 0), printed


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.title)
def test_without_a_broker_the_exit_code_is_the_same_and_nothing_is_sent(case: Case, tmp_path: Path) -> None:
    code, printed = run(case, tmp_path, {}, "--dry-run")
    assert code == case.exit_code, printed
    assert ("would send" in printed) == bool(case.sent)
    assert not (tmp_path / "state").exists()


@pytest.mark.parametrize("case", [case for case in CASES if case.sent], ids=lambda case: case.title)
def test_as_json_it_is_one_object_with_the_same_figures(case: Case, tmp_path: Path) -> None:
    code, printed = run(case, tmp_path, {}, "--dry-run", "--json")
    reported = json.loads(printed)
    assert code == case.exit_code
    assert reported["sent"] == len(case.sent or ())
    assert reported["rows"] == reported["sent"] + reported["rows_refused"]
    assert (reported["failure"] is None) == (code == 0)


def by_id(broker: EmbeddedBroker) -> dict[str, TicketSnapshot]:
    return {event.ticket_id: event for event in events(broker) if isinstance(event, TicketSnapshot)}


def imported(name: str, broker: EmbeddedBroker, folder: Path) -> dict[str, TicketSnapshot]:
    [case] = [each for each in CASES if each.name == name]
    run(case, folder, environment(broker))
    return by_id(broker)


def test_columns_of_zendesk_are_mapped(broker: EmbeddedBroker, tmp_path: Path) -> None:
    made = imported("zendesk.csv", broker, tmp_path)
    one, two = made["4711"], made["4712"]
    assert (one.subject, one.body, one.reason, one.priority, one.channel, one.satisfaction) == (
        "Parcel", "Where is it?", "solved", "high", "email", 5,
    )  # fmt: skip
    assert one.occurred_at.isoformat() == "2026-03-05T09:14:33+00:00"
    assert one.customer_id == "ann@example.com"
    assert (two.body, two.reason, two.priority, two.channel, two.satisfaction) == (
        "Please, refund me", "created", "normal", "web", None,
    )  # fmt: skip


def test_columns_of_freshdesk_are_mapped(broker: EmbeddedBroker, tmp_path: Path) -> None:
    made = imported("freshdesk.csv", broker, tmp_path)
    assert (made["71"].reason, made["71"].priority, made["71"].channel, made["71"].satisfaction) == (
        "solved", "normal", "web", 5,
    )  # fmt: skip
    assert (made["72"].reason, made["72"].priority, made["72"].satisfaction) == ("created", "urgent", None)


def test_columns_of_jira_are_mapped(broker: EmbeddedBroker, tmp_path: Path) -> None:
    made = imported("jira.csv", broker, tmp_path)
    one, two = made["SUP-1"], made["SUP-2"]
    assert (one.subject, one.body, one.reason, one.priority, one.resolution) == (
        "Parcel", "Where is it?", "solved", "urgent", None,
    )  # fmt: skip
    assert two.occurred_at.isoformat() == "2026-03-06T16:02:00+00:00"
    assert (two.reason, two.priority) == ("created", "normal")


def test_columns_of_the_support_data_set_are_mapped(broker: EmbeddedBroker, tmp_path: Path) -> None:
    made = imported("customer_support_tickets.csv", broker, tmp_path)
    one, two = made["1"], made["2"]
    assert (one.priority, one.channel, one.satisfaction, one.resolution) == ("urgent", "social", 4, "It was sent.")
    assert (two.priority, two.reason, two.satisfaction) == ("normal", "created", None)


def test_cells_of_a_workbook_are_mapped(broker: EmbeddedBroker, tmp_path: Path) -> None:
    made = imported("tickets.xlsx", broker, tmp_path)
    one, two = made["1001"], made["1002"]
    assert (one.body, one.satisfaction, two.satisfaction) == ("Where is it?\nIt is late.", 5, 4)
    assert one.occurred_at.isoformat() == "2026-03-05T08:14:33+00:00"
    assert two.occurred_at.isoformat() == "2026-03-05T23:00:00+00:00"


def test_a_dry_run_shows_the_first_three_events_as_they_would_be_sent(tmp_path: Path) -> None:
    rows = "".join(f"T-{n},Parcel {n},\x1b[31mWhere is \u202eit?\n" for n in range(5))
    case = Case("", "many.csv", f"ticket_id,subject,body\n{rows}".encode())
    _, printed = run(case, tmp_path, {}, "--dry-run")
    assert [f"key acme:T-{n}" in printed for n in range(5)] == [True] * 3 + [False] * 2
    assert printed.count('"reason": "created"') == 3
    assert "\x1b" not in printed
    assert "\u202e" not in printed


def test_a_second_run_sends_nothing_and_states_it(broker: EmbeddedBroker, tmp_path: Path) -> None:
    case = CASES[0]
    run(case, tmp_path, environment(broker))
    code, printed = run(case, tmp_path, environment(broker))
    assert code == 0
    assert "sent 0 tickets" in printed
    assert "2 were sent before (--restart sends them again)" in printed
    assert len(events(broker)) == 2
    run(case, tmp_path, environment(broker), "--restart")
    assert len(events(broker)) == 4


def test_rows_refused_before_make_a_resumed_run_fail_too(broker: EmbeddedBroker, tmp_path: Path) -> None:
    [case] = [each for each in CASES if each.name == "extra.csv" and each.exit_code]
    run(case, tmp_path, environment(broker))
    code, printed = run(case, tmp_path, environment(broker))
    assert code == 1
    assert "1 refused, row: unknown_field" in printed


def test_all_rows_are_sent_again_to_a_topic_that_was_created_again(broker: EmbeddedBroker, tmp_path: Path) -> None:
    run(CASES[0], tmp_path, environment(broker))
    [progress] = (tmp_path / "state" / "ingest").iterdir()
    progress.write_text(progress.read_text().replace('"sent": 2', '"sent": 2000'))  # the id of a deleted topic
    code, printed = run(CASES[0], tmp_path, environment(broker))
    assert code == 0
    assert "it is a different topic now, so every row is sent" in printed
    assert len(events(broker)) == 4


def test_deletions_need_no_text(broker: EmbeddedBroker, tmp_path: Path) -> None:
    case = Case("", "gone.csv", b"ticket_id,event_version\nT-1,2\nT-2,2\n")
    code, printed = run(case, tmp_path, environment(broker))
    assert code == 1
    assert "no column maps to subject or body" in printed
    code, printed = millrace(
        ["ingest", "gone.csv", "--tenant", "acme", "--set", "reason=deleted"], tmp_path, environment(broker)
    )
    assert code == 0, printed
    assert {type(event) for event in events(broker)} == {TicketDeleted}


def test_tickets_none_of_which_has_a_text_are_a_failure(tmp_path: Path) -> None:
    case = Case("", "blank.csv", b"ticket_id,subject,body\nT-1,,\nT-2, ,\n")
    code, printed = run(case, tmp_path, {}, "--dry-run")
    assert code == 1
    assert "no ticket has a subject or a body" in printed


def test_a_file_of_bad_rows_fails_even_if_bad_rows_are_skipped(tmp_path: Path) -> None:
    case = Case("", "bad.csv", b"ticket_id,subject,priority\nT-1,a,asap\nT-2,b,asap\n")
    code, printed = run(case, tmp_path, {}, "--dry-run", "--skip-bad")
    assert code == 1
    assert "no row could be used" in printed
