"""Every record has exactly one fate, order is kept, and the newest version is what stays, for any mix and any batching.

A green run does not prove this for the real store, whose guard the contract suite tries, nor for two workers at once.
"""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.outcomes import LedgerEntry, Outcome
from schemas.points import point_id
from shared.records import Record
from tests.assembly import Assembly
from tests.tickets import deleted, event, record

FEW = settings(max_examples=60, deadline=None)

tickets = st.sampled_from(["T-1", "T-2", "T-3"])
versions = st.integers(1, 5)
reasons = st.sampled_from(["created", "updated", "solved", "rated", "reopened"])
bodies = st.sampled_from(["One text.", "Another text.", "", "POISON", "NANVECTOR"])
snapshots = st.builds(
    lambda ticket, version, reason, body: event(ticket_id=ticket, event_version=version, reason=reason, body=body),
    tickets, versions, reasons, bodies,
)  # fmt: skip
deletions = st.builds(lambda ticket, version: deleted(ticket_id=ticket, event_version=version), tickets, versions)
rubbish = st.sampled_from([{"nonsense": 1}, event(subject=5), event(event_version=0), event(colour="red")])
mixes = st.lists(st.one_of(snapshots, deletions, rubbish), max_size=25)


def numbered(mix: list[dict[str, Any]]) -> list[Record]:
    return [record(fields, at) for at, fields in enumerate(mix)]


def batches(records: list[Record], cuts: list[int]) -> list[list[Record]]:
    """Cut records into batches of the given sizes, again and again."""
    found: list[list[Record]] = []
    start, turn = 0, 0
    while start < len(records):
        size = cuts[turn % len(cuts)]
        found.append(records[start : start + size])
        start, turn = start + size, turn + 1
    return found


sizes = st.lists(st.integers(1, 8), min_size=1, max_size=4)


@FEW
@given(mixes, sizes)
def test_every_record_has_one_fate_and_order_is_kept(mix: list[dict[str, Any]], cuts: list[int]) -> None:
    parts, records = Assembly(), numbered(mix)
    settled = [each for batch in batches(records, cuts) for each in parts.settle(*batch)]
    assert [each.record for each in settled] == records
    assert [each.offset for each in parts.source.committed] == [each.offset for each in records]
    for each in settled:
        assert (each.outcome is Outcome.DEAD_LETTERED) == (each.failure is not None)
        assert (each.outcome is Outcome.ROUTED) == bool(each.results)


@FEW
@given(mixes, sizes)
def test_the_ledger_gives_each_offset_one_outcome(mix: list[dict[str, Any]], cuts: list[int]) -> None:
    parts, records = Assembly(), numbered(mix)
    settled = [each for batch in batches(records, cuts) for each in parts.settle(*batch)]
    entries = [LedgerEntry.model_validate_json(m.value or b"") for m in parts.delivered("tickets.outcomes")]
    told = [
        (offset, span.outcome)
        for entry in entries
        for span in entry.ranges
        for offset in range(span.first, span.last + 1)
    ]
    assert told == [(each.record.offset, each.outcome) for each in settled]


@FEW
@given(mixes, sizes)
def test_what_is_stored_is_the_newest_that_is_not_poison(mix: list[dict[str, Any]], cuts: list[int]) -> None:
    parts = Assembly()
    settled = [each for batch in batches(numbered(mix), cuts) for each in parts.settle(*batch)]
    newest: dict[str, int] = {}
    for fields, each in zip(mix, settled, strict=True):
        if each.outcome is not Outcome.DEAD_LETTERED:
            newest[fields["ticket_id"]] = max(newest.get(fields["ticket_id"], 0), fields["event_version"])
    stored = {str(point.payload["ticket_id"]): point.version for point in parts.collection.points.values()}
    assert stored == newest


def history(reasons: list[str], texts: list[int]) -> list[dict[str, Any]]:
    """Return one ticket's events, versions 1, 2, 3, ..."""
    events = []
    for at, (reason, text) in enumerate(zip(reasons, texts, strict=False)):
        make = deleted if reason == "deleted" else event
        changes = {} if reason == "deleted" else {"body": f"Text {text}.", "reason": reason}
        events.append(make(event_version=at + 1, **changes))
    return events


histories = st.builds(
    history,
    st.lists(st.sampled_from(["created", "updated", "solved", "reopened", "deleted"]), min_size=1, max_size=6),
    st.lists(st.integers(1, 2), min_size=6, max_size=6),
)
KEPT = ("event_version", "deleted", "content_digest", "text_digest", "flags", "body")


def kept(parts: Assembly) -> dict[str, object]:
    """Return what is stored of the ticket, the decision left out: it may depend on what was seen before."""
    payload = parts.collection.points[point_id("acme", "tickets", "T-1")].payload
    return {name: payload.get(name) for name in KEPT}


@FEW
@given(histories, st.data(), sizes)
def test_any_order_in_any_batching_leaves_the_newest(
    events: list[dict[str, Any]], data: st.DataObject, cuts: list[int]
) -> None:
    alone = Assembly()
    alone.settle(record(events[-1]))
    repeated = events + data.draw(st.lists(st.sampled_from(events), max_size=4))
    shuffled = data.draw(st.permutations(repeated))
    parts = Assembly()
    for batch in batches(numbered(shuffled), cuts):
        parts.settle(*batch)
    assert kept(parts) == kept(alone)
    assert {name: vector.tobytes() for name, vector in vectors(parts).items()} == {
        name: vector.tobytes() for name, vector in vectors(alone).items()
    }


def vectors(parts: Assembly) -> dict[str, Any]:
    return dict(parts.collection.points[point_id("acme", "tickets", "T-1")].vectors)


@FEW
@given(histories, st.integers(0, 5), sizes)
def test_a_replay_from_any_point_changes_nothing_stored(
    events: list[dict[str, Any]], start: int, cuts: list[int]
) -> None:
    parts, records = Assembly(), numbered(events)
    for batch in batches(records, cuts):
        parts.settle(*batch)
    before = kept(parts)
    for batch in batches(records[min(start, len(records) - 1) :], cuts[::-1]):
        parts.settle(*batch)
    assert kept(parts) == before


@FEW
@given(st.lists(st.integers(1, 2), min_size=2, max_size=5), st.data())
def test_the_last_result_of_an_open_ticket_is_always_for_its_newest_text(texts: list[int], data: st.DataObject) -> None:
    """The worker dies between the write and the publication of any batch, once, and reads again from there."""
    events = history(["created", *["updated"] * (len(texts) - 1)], texts)
    records = numbered(events)
    crash_at = data.draw(st.integers(0, len(records) - 1))
    parts = Assembly()
    for each in records[:crash_at]:
        parts.settle(each)
    dying = parts.process(records[crash_at])
    parts.collection.upsert([each.point for each in dying if each.point is not None])
    for batch in batches(records[crash_at:], data.draw(sizes)):
        parts.settle(*batch)
    told = max(result.event_version for result in parts.results())
    assert texts[told - 1] == texts[-1]
