"""Lag after a replay of dead letters on a real Kafka: what operators do with dead letters is no lag of a worker.

Green does not show the replay of a quarantine, whose groups differ in their names only (`tests/unit/test_lag_watch.py`),
nor a replay with `--group`, whose group is measured like any other.
"""

from collections.abc import Callable
from contextlib import closing

import pytest
from typer.testing import CliRunner, Result

from millrace.cli import app
from shared.broker.producer import KafkaSink
from shared.broker.provision import create_topics
from shared.settings import BrokerSettings
from tests.support.kafka.server import KafkaServer
from tests.support.lag_truth import Truth
from tests.support.letters import message
from workers.tickets.stages import TICKETS

REPLAYS = ("--group", "millrace-*-dlq-replay-*")


@pytest.fixture
def run(own_kafka: KafkaServer) -> Callable[..., Result]:
    """Return what runs a command."""
    return lambda *words: CliRunner().invoke(app, [*words, "--bootstrap", own_kafka.bootstrap])


def put(bootstrap: str, number: int) -> None:
    """Write a dead letter."""
    with closing(KafkaSink(bootstrap, BrokerSettings())) as sink:
        sink.produce([message(number)])
        assert sink.flush() == []


def test_dead_letters_after_a_replay_and_a_purge_are_nobody_s_lag(
    own_kafka: KafkaServer, run: Callable[..., Result]
) -> None:
    create_topics(own_kafka.bootstrap, TICKETS.topics(1), 1)
    truth = Truth(own_kafka.bootstrap)
    truth.produce("tickets", 1)
    truth.commit("millrace-tickets", "tickets", 1)

    def lag(*words: str) -> Result:
        return run("lag", "--for", "0.3", *words)

    put(own_kafka.bootstrap, 0)
    replayed = run("dlq", "replay", "--stream", "tickets")
    assert replayed.exit_code == 0, replayed.output
    assert (lag().exit_code, lag(*REPLAYS).exit_code) == (0, 0)
    for number in (1, 2):  # one alone would be taken for a transaction's marker once it is purged, see docs/lag.md
        put(own_kafka.bootstrap, number)
    done = lag()
    assert done.exit_code == 0, done.output
    assert "millrace-tickets" in done.stdout
    named = lag(*REPLAYS)
    assert (named.exit_code, "stalled" in named.stdout) == (1, True), "the group of the replay is there"
    purged = run("dlq", "purge", "--stream", "tickets", "--all", "--yes")
    assert purged.exit_code == 0, purged.output
    assert lag().exit_code == 0
    named = lag(*REPLAYS)
    assert (named.exit_code, "expired" in named.stdout) == (1, True)
