"""How long topics keep their records, if brokers answer only in part. Green does not show what real brokers leave out."""

import math
from concurrent.futures import Future
from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException

from shared.broker.retention import SETTINGS_FOR_S, UNSURE, Kept, Retention
from tests.support.fakes import ManualClock

COMPACTED = {"cleanup.policy": "compact,delete", "retention.ms": "60000"}


class Setting:
    """A setting with its value."""

    def __init__(self, value: str) -> None:
        self.value = value


class Admin:
    """Answers each topic with settings or an error, and remembers what it was asked."""

    def __init__(self) -> None:
        self.answers: dict[str, dict[str, str] | int] = {}
        self.asked: list[list[str]] = []

    def describe_configs(self, resources: list[Any], request_timeout: float) -> dict[Any, Future[dict[str, Setting]]]:
        """Answer."""
        self.asked.append([each.name for each in resources])
        found = {}
        for each in resources:
            found[each], answer = Future[dict[str, Setting]](), self.answers[each.name]
            if isinstance(answer, int):
                found[each].set_exception(KafkaException(KafkaError(answer)))
            else:
                found[each].set_result({name: Setting(value) for name, value in answer.items()})
        return found


@pytest.fixture
def admin() -> Admin:
    """Return a client that knows no topic."""
    return Admin()


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ({"cleanup.policy": "delete", "retention.ms": "60000"}, Kept(60_000, False)),
        ({"cleanup.policy": "delete", "retention.ms": "-1"}, Kept(math.inf, False)),
        ({"cleanup.policy": "compact", "retention.ms": "60000"}, Kept(math.inf, True)),
        (COMPACTED, Kept(60_000, True)),
        ({"cleanup.policy": "delete"}, Kept(None, False)),
        ({"retention.ms": "60000"}, UNSURE),
        ({}, UNSURE),
    ],
)
def test_what_settings_say(admin: Admin, answer: dict[str, str], expected: Kept) -> None:
    retention = Retention(1, ManualClock())
    admin.answers["orders"] = answer
    retention.refresh(admin, {"orders"})
    assert retention.of("orders") == expected


def test_what_is_not_known_may_be_compacted(admin: Admin) -> None:
    assert UNSURE.is_compacted
    assert Retention(1, ManualClock()).of("orders") == UNSURE


def test_a_refusal_is_remembered_and_a_timeout_is_not(admin: Admin) -> None:
    retention = Retention(1, ManualClock())
    admin.answers |= {"refused": KafkaError.TOPIC_AUTHORIZATION_FAILED, "slow": KafkaError._TIMED_OUT}
    for _ in range(2):
        retention.refresh(admin, {"refused", "slow"})
    assert admin.asked == [["refused", "slow"], ["slow"]]
    admin.answers["slow"] = COMPACTED
    for _ in range(2):
        retention.refresh(admin, {"refused", "slow"})
    assert admin.asked[2:] == [["slow"]]
    assert retention.of("slow") == Kept(60_000, True)


def test_later_a_timeout_leaves_what_was_known(admin: Admin) -> None:
    clock = ManualClock()
    retention = Retention(1, clock)
    admin.answers["orders"] = COMPACTED
    retention.refresh(admin, {"orders"})
    clock.seconds += SETTINGS_FOR_S
    admin.answers["orders"] = KafkaError._TIMED_OUT
    retention.refresh(admin, {"orders"})
    assert retention.of("orders") == Kept(60_000, True)
    assert len(admin.asked) == 2
