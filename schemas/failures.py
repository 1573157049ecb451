"""Why a record was deferred or dead-lettered, and the headers that its dead letter carries beside the original bytes."""

from enum import StrEnum


class FailureReason(StrEnum):
    """The closed list of reasons; each names a problem of the record or of its media, never an outage of the system."""

    EMPTY_VALUE = "empty_value"
    TOO_LARGE = "too_large"
    UNREADABLE = "unreadable"
    INVALID_UTF8 = "invalid_utf8"
    INVALID_JSON = "invalid_json"
    TOO_DEEP = "too_deep"
    NOT_AN_OBJECT = "not_an_object"
    DUPLICATE_KEY = "duplicate_key"
    NOT_FINITE = "not_finite"
    LONE_SURROGATE = "lone_surrogate"
    UNKNOWN_FIELD = "unknown_field"
    MISSING_FIELD = "missing_field"
    WRONG_TYPE = "wrong_type"
    INVALID_VALUE = "invalid_value"
    KEY_MISMATCH = "key_mismatch"
    MODEL_FAILED = "model_failed"
    VECTOR_NOT_FINITE = "vector_not_finite"
    VECTOR_WRONG_DIM = "vector_wrong_dim"
    VECTOR_NOT_UNIT = "vector_not_unit"
    VECTOR_CONSTANT = "vector_constant"
    MEDIA_FORBIDDEN = "media_forbidden"
    """The settings do not allow this reference: its scheme, host, address or path."""

    MEDIA_TOO_LARGE = "media_too_large"
    MEDIA_WRONG_KIND = "media_wrong_kind"
    """The content is of a kind that the stream does not accept, whatever its name says."""

    MEDIA_WRONG_DIGEST = "media_wrong_digest"
    MEDIA_UNREADABLE = "media_unreadable"
    """The content is of an accepted kind, but is damaged or incomplete."""

    MEDIA_DECODING_LIMIT = "media_decoding_limit"
    """Decoding needed more time or memory than the settings allow, or ended the decoding process."""

    MEDIA_NOT_FOUND = "media_not_found"
    MEDIA_FETCH_FAILED = "media_fetch_failed"
    MEDIA_HOST_DOWN = "media_host_down"
    """Recent fetches from this host failed, so this one was not tried."""

    MEDIA_SLOW = "media_slow"
    """The fetch takes longer than fetches from its host usually do, so the batch did not wait for its end."""


HEADER_PREFIX = "millrace-"
"""The prefix of the headers that Millrace adds; headers of the source never keep a name with this prefix."""

BACKFILL_HEADER = "millrace-backfill"
"""The header that names the consumer group of the backfill from which a message comes."""

INDEX_ONLY_HEADER = "millrace-backfill-index-only"
"""The header, `true`, of what comes from a backfill that publishes no results."""

COUNT_DIGITS = 9


def count_of(text: str | None) -> int:
    """Return the count in a header; 0 if the header is absent or is not a valid count."""
    return int(text) if text and text.isascii() and text.isdecimal() and len(text) <= COUNT_DIGITS else 0


class FailureHeader(StrEnum):
    """Header names of a dead letter. Values are UTF-8 text; times are ISO 8601 in UTC."""

    ORIGIN_TOPIC = "millrace-origin-topic"
    ORIGIN_TOPIC_ID = "millrace-origin-topic-id"
    ORIGIN_PARTITION = "millrace-origin-partition"
    ORIGIN_OFFSET = "millrace-origin-offset"
    ORIGIN_TIMESTAMP_MS = "millrace-origin-timestamp-ms"
    REASON = "millrace-reason"
    FIELD = "millrace-field"
    DETAIL = "millrace-detail"
    STAGE = "millrace-stage"
    ATTEMPTS = "millrace-attempts"
    REPLAYS = "millrace-replays"
    FIRST_FAILED_AT = "millrace-first-failed-at"
    LAST_FAILED_AT = "millrace-last-failed-at"
    MODEL = "millrace-model"


class RetryHeader(StrEnum):
    """Additional headers of a record that waits for another attempt; its `FailureHeader`s say why.

    The origin in those headers is the record that was deferred: the input record, or the record of an earlier attempt.
    """

    TIER = "millrace-retry-tier"
    DUE_AT_MS = "millrace-retry-due-at-ms"
    ATTEMPTS = "millrace-retry-attempts"
    DEFERRED_SINCE = "millrace-retry-deferred-since"
    INPUT = "millrace-retry-input"
    """The position of the input record, such as `tickets/3@41`."""


class CutHeader(StrEnum):
    """Additional headers of a dead letter that does not hold the whole record; the whole record is at its origin."""

    VALUE_BYTES = "millrace-cut-value-bytes"
    VALUE_SHA256 = "millrace-cut-value-sha256"
    KEY_SHA256 = "millrace-cut-key-sha256"
    HEADERS = "millrace-cut-headers"
