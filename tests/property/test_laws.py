"""Properties of the small parts: back-off, ranges, windows, micro-batches, the cache, and the schemas' round trip.

A green run does not prove the properties beyond the sizes that are drawn here.
"""

import random
from datetime import UTC, datetime, timedelta, timezone
from itertools import pairwise

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.base import Origin
from schemas.decisions import Decision, LabelScore
from schemas.outcomes import LedgerEntry, OffsetRange, Outcome, to_ranges
from schemas.search import QuotedSentence, ScoreParts, SimilarLeftOut, SimilarTicket, SuggestedReply
from schemas.tickets import TicketRouted, TicketSnapshot
from shared.backoff import Backoff
from shared.cache.memory import ENTRY_OVERHEAD_BYTES, MemoryCache
from shared.cache.port import cache_key
from shared.embedding.microbatch import cut_padded, cut_summed, split_windows
from shared.records import Embedded

FEW = settings(max_examples=60, deadline=None)


@given(st.integers(0, 10_000), st.floats(0.001, 10), st.floats(0.001, 100), st.integers())
def test_a_back_off_stays_between_0_and_its_limit(attempt: int, base: float, ceiling: float, seed: int) -> None:
    backoff = Backoff(base, ceiling)
    assert 0 <= backoff.delay_s(attempt, random.Random(seed)) <= backoff.limit_s(attempt) <= ceiling  # noqa: S311  (no secret)
    assert backoff.limit_s(attempt) <= backoff.limit_s(attempt + 1)


outcomes = st.sampled_from(list(Outcome))


@given(st.dictionaries(st.integers(0, 60), outcomes, max_size=40))
def test_ranges_hold_the_same_pairs(reported: dict[int, Outcome]) -> None:
    ranges = to_ranges(sorted(reported.items()))
    assert {at: span.outcome for span in ranges for at in range(span.first, span.last + 1)} == reported
    assert sum(span.last - span.first + 1 for span in ranges) == len(reported)
    for before, after in pairwise(ranges):
        assert before.last < after.first
        assert before.last + 1 < after.first or before.outcome is not after.outcome


@given(st.lists(st.integers(1, 300), max_size=60), st.integers(1, 1_000))
def test_micro_batches_hold_every_index_once_within_the_limit(lengths: list[int], limit: int) -> None:
    groups = list(cut_padded(lengths, limit))
    assert sorted(index for group in groups for index in group) == list(range(len(lengths)))
    for group in groups:
        longest = max(lengths[index] for index in group)
        assert len(group) * longest <= limit or len(group) == 1
        assert longest == lengths[group[-1]]


costs_of_any_unit = st.lists(st.integers(1, 300) | st.floats(0.01, 60), max_size=60)


@given(costs_of_any_unit, st.floats(0.01, 1_000))
def test_summed_micro_batches_hold_every_index_once_within_the_limit(costs: list[float], limit: float) -> None:
    groups = list(cut_summed(costs, limit))
    assert sorted(index for group in groups for index in group) == list(range(len(costs)))
    for group in groups:
        assert sum(costs[index] for index in group) <= limit or len(group) == 1
    for group, after in pairwise(groups):
        assert sum(costs[index] for index in [*group, after[0]]) > limit, "a group ends only if it is full"


@given(costs_of_any_unit, st.floats(0.01, 1_000))
def test_a_padded_group_costs_at_least_its_sum(costs: list[float], limit: float) -> None:
    assert len(list(cut_padded(costs, limit))) >= len(list(cut_summed(costs, limit)))


@given(st.integers(0, 5_000), st.integers(1, 600))
def test_windows_cover_a_text_without_a_gap_and_evenly(tokens: int, window: int) -> None:
    windows = split_windows(tokens, window)
    assert windows[0][0] == 0
    assert windows[-1][1] == tokens
    assert all(before[1] == after[0] for before, after in pairwise(windows))
    sizes = [end - start for start, end in windows]
    assert max(sizes) <= window
    assert max(sizes) - min(sizes) <= 1
    assert len(windows) == max(1, -(-tokens // window))


puts = st.lists(st.tuples(st.integers(0, 12), st.integers(1, 64)), max_size=40)


@given(puts, st.integers(0, 4_000))
def test_the_cache_never_holds_more_than_its_limit(given_puts: list[tuple[int, int]], limit: int) -> None:
    cache = MemoryCache(limit)
    last: dict[bytes, int] = {}
    for name, dim in given_puts:
        key = bytes([name])
        cache.put_many({key: Embedded(np.full(dim, name, np.float32), 1)})
        last[key] = dim
        found = cache.get_many(list(last))
        assert sum(each.vector.nbytes + ENTRY_OVERHEAD_BYTES for each in found.values()) <= limit
        assert all(each.vector.shape == (last[k],) and set(each.vector) == {float(k[0])} for k, each in found.items())


@given(st.tuples(st.text(), st.binary(), st.text()), st.tuples(st.text(), st.binary(), st.text()))
def test_two_keys_are_equal_only_if_every_field_is(one: tuple[str, bytes, str], other: tuple[str, bytes, str]) -> None:
    assert (cache_key(*one) == cache_key(*other)) == (one == other)


text = st.text(max_size=30)
ids = st.from_regex(r"[^\x00-\x1f\x7f\ud800-\udfff]{1,128}", fullmatch=True)
tenants = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", fullmatch=True)
zones = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
moments = st.datetimes(datetime(1, 1, 3), datetime(9999, 12, 29), timezones=zones)  # noqa: DTZ001  (the zone is drawn)
versions = st.integers(1, 2**53 - 1)
shares = st.floats(0, 1)
values = st.one_of(
    st.text(max_size=20), st.integers(-(2**63), 2**63 - 1), st.floats(allow_nan=False, allow_infinity=False),
    st.booleans(), st.none(),
)  # fmt: skip
snapshots = st.builds(
    TicketSnapshot,
    schema_version=st.just(1),
    event_id=st.text(min_size=1, max_size=20),
    tenant_id=tenants,
    event_version=versions,
    occurred_at=moments,
    reason=st.sampled_from(["created", "updated", "solved", "rated", "reopened"]),
    ticket_id=ids,
    subject=text,
    body=text,
    language=st.none() | st.just("pt-BR"),
    channel=st.none() | st.sampled_from(["email", "api"]),
    customer_id=st.none() | ids,
    priority=st.sampled_from(["low", "normal", "high", "urgent"]),
    attributes=st.dictionaries(st.text(min_size=1, max_size=10), values, max_size=4),
    resolution=st.none() | text,
    satisfaction=st.none() | st.integers(1, 5),
    agent_label=st.none() | st.text(min_size=1, max_size=20),
)


@FEW
@given(snapshots)
def test_a_snapshot_survives_its_json(snapshot: TicketSnapshot) -> None:
    again = TicketSnapshot.model_validate_json(snapshot.model_dump_json())
    assert again == snapshot
    assert again.occurred_at.tzinfo is UTC or again.occurred_at.utcoffset() == timedelta(0)
    assert [type(value) for value in again.attributes.values()] == [type(v) for v in snapshot.attributes.values()]


priorities = st.sampled_from(["low", "normal", "high", "urgent"])
policies = st.from_regex(r"[0-9a-f]{64}", fullmatch=True)
decisions = st.builds(
    Decision,
    action=st.sampled_from(["auto", "review"]),
    action_reason=st.just("vote_clear"),
    label=text,
    queue=text,
    priority=priorities,
    confidence=st.none() | shares,
    top=st.lists(st.builds(LabelScore, label=text, share=shares), max_size=3).map(tuple),
    previous_queue=st.none() | text,
    policy=policies,
    head=st.none() | st.just("0b5e9f21"),
    scope=st.none() | shares,
) | st.builds(
    Decision, action=st.just("abstain"), action_reason=st.just("no_text"), priority=priorities, policy=policies
)
positive = st.floats(0, 1_000)
parts = st.builds(ScoreParts, dense=st.floats(-1, 1), bm25=positive, lexical=positive, decay=shares)
replies = st.builds(
    SuggestedReply,
    text=text,
    sentences=st.lists(st.builds(QuotedSentence, ticket_id=ids, text=text), min_size=1, max_size=3).map(tuple),
)
similar = st.builds(
    SimilarTicket, ticket_id=ids, score=st.floats(-1, 1), parts=parts, shared_terms=st.lists(text, max_size=3).map(tuple),
    label=st.none() | text, subject=text, resolution=st.none() | text, satisfaction=st.none() | st.integers(1, 5),
    occurred_at=moments,
)  # fmt: skip
results = st.builds(
    TicketRouted,
    tenant_id=tenants,
    ticket_id=ids,
    event_version=versions,
    occurred_at=moments,
    decision=decisions,
    similar=st.lists(similar, max_size=5).map(tuple),
    similar_left_out=st.none()
    | st.builds(SimilarLeftOut, unrated=st.integers(0, 2**40), rated_too_low=st.integers(0, 2**40)),
    suggested_reply=st.none() | replies,
    text_windows=st.integers(1, 50),
    model=st.just("3fa9c1d2"),
    source=st.builds(Origin, topic=text, partition=st.integers(0, 99), offset=st.integers(0, 2**62)),
)


@FEW
@given(results)
def test_a_result_survives_its_json(result: TicketRouted) -> None:
    assert TicketRouted.model_validate_json(result.model_dump_json()) == result


spans = st.tuples(st.integers(0, 2**62), st.integers(0, 1_000), outcomes).map(
    lambda drawn: OffsetRange(first=drawn[0], last=drawn[0] + drawn[1], outcome=drawn[2])
)
entries = st.builds(
    LedgerEntry,
    stream=text,
    topic=text,
    partition=st.integers(0, 99),
    ranges=st.lists(spans, min_size=1, max_size=5).map(tuple),
    model=st.just("3fa9c1d2"),
    settled_at=moments,
)


@FEW
@given(entries)
def test_a_ledger_entry_survives_its_json(entry: LedgerEntry) -> None:
    assert LedgerEntry.model_validate_json(entry.model_dump_json()) == entry
