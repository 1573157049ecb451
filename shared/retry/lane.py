"""When a deferred record is tried again, and the headers it waits with. Only this module writes and reads them.

The headers are replaced at each attempt, never added to, so that a record does not outgrow the limits of its topic.
This module imports neither the engine nor a broker.
"""

import random
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from schemas.failures import RetryHeader, count_of
from schemas.topics import redo_topic, retry_topics
from shared.clock import Clock
from shared.deadletters.envelope import (
    MOST_HEADERS,
    DeadLetter,
    envelope_of,
    own_headers,
    parse_position,
    read_dead_letter,
    write_dead_letter,
)
from shared.errors import Deferred, Rejected
from shared.records import Deferral, Message, Provenance, Record, RecordPosition, header_texts
from shared.stream_settings import RetrySettings

JITTER = 0.25
"""The largest share by which a waiting time is extended at random, so that records deferred together come back apart."""

MOST_MS = 10**15
"""Due times beyond this many milliseconds, the year 33658, were not written by Millrace."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """A record of the retry lane.

    Attributes:
        record: The record as it is in the lane: the original bytes and key, with its state in the headers.
        deferred: Where the deferred record was and why it failed.
        source: The position of the input record; None if the header is absent or not valid.
        tier: The tier that it waits in, from 1.
        due_at_ms: When it is due, in milliseconds since the Unix epoch.
        attempts: Number of attempts made so far.
    """

    record: Record
    deferred: DeadLetter
    source: RecordPosition | None
    tier: int
    due_at_ms: int
    attempts: int


class RetryLane:
    """Decides when deferred records are tried again.

    Args:
        stream: The stream.
        settings: The tiers and the number of attempts.
        clock: Gives the time of each deferral.
        random_source: Draws the jitter.
    """

    def __init__(self, stream: str, settings: RetrySettings, clock: Clock, random_source: random.Random) -> None:
        self._redo, self._settings = redo_topic(stream), settings
        self._clock, self._random = clock, random_source

    def next_attempt(self, record: Record, failure: Deferred) -> Deferral | Rejected:
        """Return when a record is tried again; if no attempt is left, the rejection with the last reason.

        Attempts are counted only in records of the redo topic, because there Millrace wrote the count. A failure without
        an attempt leaves the count and the tier as they were.
        """
        now = self._clock.now()
        before = header_texts(record.headers) if record.topic == self._redo else {}
        attempts = count_of(before.get(RetryHeader.ATTEMPTS)) + failure.attempted
        since = _time(before.get(RetryHeader.DEFERRED_SINCE)) or now
        slot = max(0, attempts - 1)
        per_tier, tiers_s = self._settings.attempts_per_tier, self._settings.tiers_s
        expired = failure.expires and now - since >= timedelta(seconds=self._settings.give_up_after_s)
        if slot >= per_tier * len(tiers_s) or expired or len(record.headers) > MOST_HEADERS:
            made = f"{attempts} attempt{'' if attempts == 1 else 's'}, the first at {since:%Y-%m-%dT%H:%M:%SZ}"
            return Rejected(failure.reason, failure.field, f"{failure.detail} ({made})", failure.stage)
        tier, step = divmod(max(slot, (failure.least_tier - 1) * per_tier), per_tier)
        wait_s = tiers_s[tier] * 2**step * self._random.uniform(1, 1 + JITTER)
        due_at_ms = int((now.timestamp() + wait_s) * 1000)
        return Deferral(failure, tier + 1, due_at_ms, attempts, since)


def sent_at_ms(record: Record, stream: str) -> int:
    """Return a record's timestamp, or when it was deferred first, in ms since the epoch; -1 if not known."""
    if record.topic != redo_topic(stream):
        return record.timestamp_ms
    since = _time(header_texts(record.headers).get(RetryHeader.DEFERRED_SINCE))
    return record.timestamp_ms if since is None else int(since.timestamp() * 1000)


def write_waiting(record: Record, deferral: Deferral, provenance: Provenance, now: datetime) -> Message:
    """Return a deferred record as a message to its tier: its original bytes under its original key.

    If the topic refuses it as too large, it is dead-lettered instead.
    """
    topic = retry_topics(provenance.stream)[deferral.tier - 1]
    texts = header_texts(record.headers) if record.topic == redo_topic(provenance.stream) else {}
    state = {
        RetryHeader.TIER: str(deferral.tier),
        RetryHeader.DUE_AT_MS: str(deferral.due_at_ms),
        RetryHeader.ATTEMPTS: str(deferral.attempts),
        RetryHeader.DEFERRED_SINCE: deferral.since.isoformat(),
        RetryHeader.INPUT: texts.get(RetryHeader.INPUT) or str(record.position),
    }
    envelope = envelope_of(record, deferral.failure, provenance, now)
    headers = (*own_headers(record), *envelope, *((name.value, text.encode()) for name, text in state.items()))
    failure = deferral.failure
    refused = Rejected(failure.reason, failure.field, f"{failure.detail} (too large to wait)", failure.stage)
    return Message(topic, record.key, record.value, headers, write_dead_letter(record, refused, provenance, now))


def read_waiting(record: Record) -> Waiting | None:
    """Parse the headers of a record of the retry lane or the redo topic; None if it was not deferred by Millrace."""
    texts = header_texts(record.headers)
    tier, due_at_ms = texts.get(RetryHeader.TIER, ""), texts.get(RetryHeader.DUE_AT_MS, "")
    letter = read_dead_letter(record)
    if not (isinstance(letter, DeadLetter) and _is_count(tier) and _is_count(due_at_ms) and int(due_at_ms) <= MOST_MS):
        return None
    source = parse_position(texts.get(RetryHeader.INPUT, ""))
    return Waiting(record, letter, source, int(tier), int(due_at_ms), count_of(texts.get(RetryHeader.ATTEMPTS)))


def redo_message(record: Record, stream: str) -> Message:
    """Return a record of the lane as a message to the redo topic, with all its headers."""
    return Message(redo_topic(stream), record.key, record.value, record.headers)


def _is_count(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) <= len(str(MOST_MS))


def _time(text: str | None) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text or "")
    except ValueError:
        return None
    return None if moment.tzinfo is None else moment.astimezone(UTC)
