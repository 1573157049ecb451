"""Every record has exactly one outcome, order is kept, and the newest version stays, for any mix and any batching.

A green run does not prove this for the real store, whose guard the contract suite tests, nor for two concurrent
workers.
"""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.outcomes import LedgerEntry, Outcome
from shared.records import Record
from tests.support.assembly import Assembly
from tests.support.streams import Kind, on_each_stream

FEW = settings(max_examples=60, deadline=None)

ids = st.sampled_from(["T-1", "T-2", "T-3"])
versions = st.integers(1, 5)
reasons = st.sampled_from(["created", "updated", "solved", "rated", "reopened"])
texts = st.sampled_from(["One text.", "Another text.", "", "POISON", "NANVECTOR", "MUMBLE"])
snapshots = st.tuples(ids, versions, reasons, st.fixed_dictionaries({"text": texts}))
unchanged: dict[str, Any] = {}
deletions = st.tuples(ids, versions, st.just("deleted"), st.just(unchanged))
spoilt = st.sampled_from(
    [{"nonsense": 1}, {"text": 5}, {"text": {"inline": "eHl6"}}, {"event_version": 0}, {"colour": "red"}]
)
invalid = st.tuples(ids, versions, reasons, spoilt)
Drawn = tuple[str, int, str, dict[str, Any]]
mixes = st.lists(st.one_of(snapshots, deletions, invalid), max_size=25)


def events_of(kind: Kind, mix: list[Drawn]) -> list[dict[str, Any]]:
    """Return the drawn reasons and texts as events of a stream."""
    return [kind.event(source_id, version, reason, **changes) for source_id, version, reason, changes in mix]


def numbered(kind: Kind, events: list[dict[str, Any]]) -> list[Record]:
    return [kind.record(fields, at) for at, fields in enumerate(events)]


def batches(records: list[Record], cuts: list[int]) -> list[list[Record]]:
    """Split records into batches of the given sizes, which are used in a cycle."""
    found: list[list[Record]] = []
    start, turn = 0, 0
    while start < len(records):
        size = cuts[turn % len(cuts)]
        found.append(records[start : start + size])
        start, turn = start + size, turn + 1
    return found


sizes = st.lists(st.integers(1, 8), min_size=1, max_size=4)


@on_each_stream
@FEW
@given(mixes, sizes)
def test_every_record_has_one_outcome_and_order_is_kept(kind: Kind, mix: list[Drawn], cuts: list[int]) -> None:
    parts, records = Assembly(stream=kind.stream), numbered(kind, events_of(kind, mix))
    settled = [each for batch in batches(records, cuts) for each in parts.settle(*batch)]
    assert [each.record for each in settled] == records
    assert [each.offset for each in parts.source.committed] == [each.offset for each in records]
    for each in settled:
        assert (each.outcome is Outcome.DEAD_LETTERED) == (each.failure is not None)
        assert (each.outcome is Outcome.ROUTED) == bool(each.results)


@on_each_stream
@FEW
@given(mixes, sizes)
def test_the_ledger_gives_each_offset_one_outcome(kind: Kind, mix: list[Drawn], cuts: list[int]) -> None:
    parts, records = Assembly(stream=kind.stream), numbered(kind, events_of(kind, mix))
    settled = [each for batch in batches(records, cuts) for each in parts.settle(*batch)]
    entries = [LedgerEntry.model_validate_json(m.value or b"") for m in parts.delivered(kind.ledger)]
    reported = [
        (offset, span.outcome)
        for entry in entries
        for span in entry.ranges
        for offset in range(span.first, span.last + 1)
    ]
    assert reported == [(each.record.offset, each.outcome) for each in settled]


@on_each_stream
@FEW
@given(mixes, sizes)
def test_the_stored_version_is_the_newest_that_is_not_poison(kind: Kind, mix: list[Drawn], cuts: list[int]) -> None:
    parts, events, name = Assembly(stream=kind.stream), events_of(kind, mix), kind.stream.id_field
    settled = [each for batch in batches(numbered(kind, events), cuts) for each in parts.settle(*batch)]
    newest: dict[str, int] = {}
    for fields, each in zip(events, settled, strict=True):
        if each.outcome is not Outcome.DEAD_LETTERED:
            newest[fields[name]] = max(newest.get(fields[name], 0), fields["event_version"])
    stored = {str(point.payload[name]): point.version for point in parts.collection.points.values()}
    assert stored == newest


def history(kind: Kind, reasons: list[str], texts: list[int]) -> list[dict[str, Any]]:
    """Return one item's events, versions 1, 2, 3, ..."""
    pairs = enumerate(zip(reasons, texts, strict=False), 1)
    return [
        kind.event("T-1", version, reason, **({} if reason == "deleted" else {"text": f"Text {text}."}))
        for version, (reason, text) in pairs
    ]


histories = st.tuples(
    st.lists(st.sampled_from(["created", "updated", "solved", "reopened", "deleted"]), min_size=1, max_size=6),
    st.lists(st.integers(1, 2), min_size=6, max_size=6),
)
KEPT = ("event_version", "deleted", "content_digest", "text_digest", "flags")


def kept(kind: Kind, parts: Assembly) -> dict[str, object]:
    """Return the stored point of the item without its decision, which may depend on the records processed before."""
    payload = parts.collection.points[kind.point_id()].payload
    return {name: payload.get(name) for name in KEPT} | {"text": kind.text_of(payload)}


@on_each_stream
@FEW
@given(histories, st.data(), sizes)
def test_any_order_in_any_batching_leaves_the_newest_version(
    kind: Kind, drawn: tuple[list[str], list[int]], data: st.DataObject, cuts: list[int]
) -> None:
    alone, events = Assembly(stream=kind.stream), history(kind, *drawn)
    alone.settle(kind.record(events[-1]))
    repeated = events + data.draw(st.lists(st.sampled_from(events), max_size=4))
    shuffled = data.draw(st.permutations(repeated))
    parts = Assembly(stream=kind.stream)
    for batch in batches(numbered(kind, shuffled), cuts):
        parts.settle(*batch)
    assert kept(kind, parts) == kept(kind, alone)
    assert {name: vector.tobytes() for name, vector in vectors(kind, parts).items()} == {
        name: vector.tobytes() for name, vector in vectors(kind, alone).items()
    }


def vectors(kind: Kind, parts: Assembly) -> dict[str, Any]:
    return dict(parts.collection.points[kind.point_id()].vectors)


@on_each_stream
@FEW
@given(histories, st.integers(0, 5), sizes)
def test_a_replay_from_any_offset_changes_no_stored_point(
    kind: Kind, drawn: tuple[list[str], list[int]], start: int, cuts: list[int]
) -> None:
    parts, records = Assembly(stream=kind.stream), numbered(kind, history(kind, *drawn))
    for batch in batches(records, cuts):
        parts.settle(*batch)
    before = kept(kind, parts)
    for batch in batches(records[min(start, len(records) - 1) :], cuts[::-1]):
        parts.settle(*batch)
    assert kept(kind, parts) == before


@on_each_stream
@FEW
@given(st.lists(st.integers(1, 2), min_size=2, max_size=5), st.data())
def test_the_last_result_of_an_open_item_is_always_for_its_newest_text(
    kind: Kind, texts: list[int], data: st.DataObject
) -> None:
    """The worker dies once, between the write and the publication of any batch, and reads again from there."""
    records = numbered(kind, history(kind, ["created", *["updated"] * (len(texts) - 1)], texts))
    crash_at = data.draw(st.integers(0, len(records) - 1))
    parts = Assembly(stream=kind.stream)
    for each in records[:crash_at]:
        parts.settle(each)
    dying = parts.process(records[crash_at])
    parts.collection.upsert([each.point for each in dying if each.point is not None])
    for batch in batches(records[crash_at:], data.draw(sizes)):
        parts.settle(*batch)
    reported = max(result.version for result in kind.published(parts.delivered(kind.results)))
    assert texts[reported - 1] == texts[-1]
