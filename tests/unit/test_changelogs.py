"""What has no changelogs is said at once. Green does not show that a Kafka makes them: `tests/faults` does."""

from types import SimpleNamespace

import pytest

from shared.broker.changelogs import Size, _size, ensure_changelogs
from shared.broker.embedded import EmbeddedBroker
from shared.errors import Fatal, Unavailable


def test_an_embedded_broker_is_refused_at_once() -> None:
    with EmbeddedBroker() as broker:
        broker.create(["tickets.sums"])
        with pytest.raises(Fatal, match=r"embedded broker.*a Kafka is needed"):
            ensure_changelogs(broker.bootstrap, {"a-changelog": "tickets.sums"})


def test_a_topic_without_metadata_is_waited_for() -> None:
    with pytest.raises(Unavailable, match=r"tickets\.sums has no partitions yet"):
        _size("tickets.sums", {})
    assert _size("tickets.sums", {0: SimpleNamespace(replicas=[1, 2, 3])}) == Size(1, 3)
