"""The requests to the brokers when topics are created.

A green run does not prove that Kafka grants them: the contract suite and `tests/faults/test_leader_killed.py` create
topics.
"""

from concurrent.futures import Future
from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.cimpl import NewTopic

from schemas.topics import DAY_MS, Topic
from shared.broker import provision
from shared.errors import Fatal, MillraceError, Unavailable

TOPIC = Topic("tickets", "key", 12, DAY_MS, 1_000)


class Admin:
    """An admin client that accepts everything, or fails with a given error."""

    failure: KafkaError | None = None

    def __init__(self, config: dict[str, Any]) -> None:
        """Take the settings of a client."""

    def create_topics(self, wanted: list[NewTopic], **_: float) -> dict[str, "Future[None]"]:
        """Keep the requested topics."""
        self.asked.extend(wanted)
        answers: dict[str, Future[None]] = {topic.topic: Future() for topic in wanted}
        for answer in answers.values():
            if self.failure is None:
                answer.set_result(None)
            else:
                answer.set_exception(KafkaException(self.failure))
        return answers

    asked: list[NewTopic]


@pytest.fixture
def admin(monkeypatch: pytest.MonkeyPatch) -> type[Admin]:
    """Replace the real admin client."""

    class Fresh(Admin):
        asked: list[NewTopic] = []  # noqa: RUF012  (of one test)

    monkeypatch.setattr(provision, "AdminClient", Fresh)
    monkeypatch.setattr(provision, "reach", lambda *_: None)
    return Fresh


@pytest.mark.parametrize(("copies", "in_sync"), [(1, None), (2, None), (3, "2"), (5, "2")])
def test_with_three_copies_two_confirm_each_write(admin: type[Admin], copies: int, in_sync: str | None) -> None:
    assert provision.create_topics("b:1", [TOPIC], copies) == ["tickets"]
    [asked] = admin.asked
    assert (asked.num_partitions, asked.replication_factor) == (12, copies)
    config = asked.config or {}
    assert (config.get("min.insync.replicas"), config.get("retention.ms")) == (in_sync, str(DAY_MS))


@pytest.mark.parametrize(
    ("code", "raised"),
    [
        (KafkaError.INVALID_REPLICATION_FACTOR, Fatal),
        (KafkaError.TOPIC_AUTHORIZATION_FAILED, Fatal),
        (KafkaError.CLUSTER_AUTHORIZATION_FAILED, Fatal),
        (KafkaError.REQUEST_TIMED_OUT, Unavailable),
    ],
)
def test_an_error_that_waiting_does_not_fix_is_fatal(
    admin: type[Admin], code: int, raised: type[MillraceError]
) -> None:
    admin.failure = KafkaError(code)
    with pytest.raises(raised, match="topic tickets was not created"):
        provision.create_topics("b:1", [TOPIC], 3)
