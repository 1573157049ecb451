"""The configuration of a consumer that is a member of a group, and the meaning of its error codes."""

from dataclasses import dataclass
from typing import Any

from confluent_kafka import KafkaError

from shared.broker.client import FETCH_LIMIT_BYTES, client_config
from shared.broker.security import Address
from shared.settings import BrokerSettings

LOST_CODES = frozenset(
    {
        KafkaError.UNKNOWN_MEMBER_ID,
        KafkaError.ILLEGAL_GENERATION,
        KafkaError.STALE_MEMBER_EPOCH,
        KafkaError.FENCED_MEMBER_EPOCH,
        KafkaError.FENCED_INSTANCE_ID,
        KafkaError._ASSIGNMENT_LOST,
    }
)
"""If a commit is refused with one of these, the group has rebalanced: another worker may own the partitions now."""

UNKNOWN_TOPIC_CODES = frozenset({KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._UNKNOWN_TOPIC})

FATAL_CODES = frozenset({KafkaError._FATAL, KafkaError._FENCED, KafkaError._AUTHENTICATION})


NEEDS = "Read on its topics and its group"
"""The access rule that a group member's user needs."""


@dataclass(frozen=True, slots=True)
class Membership:
    """The group that a consumer joins, and the topics that it reads.

    Attributes:
        bootstrap: Addresses of the brokers.
        topics: The topics to subscribe to.
        group: The consumer group.
        settings: The broker's settings.
        bounded: Whether the group is that of a backfill, whose commits hold bounds.
    """

    bootstrap: Address
    topics: tuple[str, ...]
    group: str
    settings: BrokerSettings
    bounded: bool = False


def consumer_config(member: Membership) -> dict[str, Any]:
    """Return the client configuration of a consumer group member."""
    settings = member.settings
    config = client_config(member.bootstrap) | {
        "group.id": member.group,
        "group.protocol": settings.group_protocol,
        "auto.offset.reset": "error",  # `start_offsets.py` chooses where to continue, and counts lost records
        "enable.auto.commit": False,
        "enable.auto.offset.store": False,
        "enable.partition.eof": True,  # reports a partition's end, past transaction markers, which are not records
        "fetch.message.max.bytes": FETCH_LIMIT_BYTES,
        "fetch.max.bytes": FETCH_LIMIT_BYTES,
        "queued.max.messages.kbytes": 16_384,
        "max.poll.interval.ms": int(settings.max_poll_interval_s * 1000),
        "topic.metadata.refresh.interval.ms": 5_000,
    }
    if settings.group_protocol == "consumer":
        # The broker's default, `uniform`, can give one worker all of `tickets` and another all of `tickets.redo`.
        config |= {"group.remote.assignor": "range"}
    else:
        config |= {
            "partition.assignment.strategy": "cooperative-sticky",
            "session.timeout.ms": int(min(settings.session_timeout_s, settings.max_poll_interval_s) * 1000),
        }
    return config
