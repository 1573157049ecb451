"""How a group's consumer is configured, and what its errors mean."""

from dataclasses import dataclass
from typing import Any

from confluent_kafka import KafkaError

from shared.broker.kafka import FETCH_LIMIT_BYTES, client_config
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
"""A commit refused with one of these says that the group has moved on: the partitions may be another's by now."""

UNKNOWN_TOPIC_CODES = frozenset({KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._UNKNOWN_TOPIC})

FATAL_CODES = frozenset({KafkaError._FATAL, KafkaError._FENCED, KafkaError._AUTHENTICATION})


NEEDS = "Read on its topics and its group"
"""The access rule that a member's user must have."""


@dataclass(frozen=True, slots=True)
class Membership:
    """Which group a consumer joins, and for what.

    Attributes:
        bootstrap: Addresses of the brokers.
        topics: What to subscribe to.
        group: The consumer group.
        settings: The broker's settings.
    """

    bootstrap: Address
    topics: tuple[str, ...]
    group: str
    settings: BrokerSettings


def consumer_config(member: Membership) -> dict[str, Any]:
    """Return what a member of a consumer group is configured with."""
    settings = member.settings
    config = client_config(member.bootstrap) | {
        "group.id": member.group,
        "group.protocol": settings.group_protocol,
        "auto.offset.reset": "error",  # `positions.py` says where to go on, and counts what is gone
        "enable.auto.commit": False,
        "enable.auto.offset.store": False,
        "enable.partition.eof": True,  # says how far a partition reaches, behind markers that are no records
        "fetch.message.max.bytes": FETCH_LIMIT_BYTES,
        "fetch.max.bytes": FETCH_LIMIT_BYTES,
        "queued.max.messages.kbytes": 16_384,
        "max.poll.interval.ms": int(settings.max_poll_interval_s * 1000),
        "topic.metadata.refresh.interval.ms": 5_000,
    }
    if settings.group_protocol == "consumer":
        # The broker's default, `uniform`, was seen to give one worker all of `tickets` and the other all of `tickets.redo`.
        config |= {"group.remote.assignor": "range"}
    else:
        config |= {
            "partition.assignment.strategy": "cooperative-sticky",
            "session.timeout.ms": int(min(settings.session_timeout_s, settings.max_poll_interval_s) * 1000),
        }
    return config
