"""A worker's connection to Kafka cut, silent, lost by a proxy, slow, or answered by something else, under load.

Green shows that the worker continues by itself and that nothing is missing, stale or dead-lettered. It does not show
how soon with the product's own limit for an answer, which is longer (`benchmarks/faults/brokers.py` measures that), nor
brokers that cannot reach each other.
"""

from pathlib import Path

import pytest

from schemas.outcomes import Outcome
from shared.broker import client
from tests.support.kafka.server import why_unavailable
from tests.support.outage import FAULTS, proxied_kafka, trial
from tests.support.services import missing

OUTAGE_S = 4.0
WITHIN_S = 50.0
"""Less than the minute after which the client by itself gives up a silent connection."""

ANSWER_TIMEOUT_MS = 8_000


def test_a_disturbed_connection_to_the_broker_costs_only_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert ANSWER_TIMEOUT_MS < client.ANSWER_TIMEOUT_MS < WITHIN_S * 1_000
    monkeypatch.setattr(client, "ANSWER_TIMEOUT_MS", ANSWER_TIMEOUT_MS)
    if reason := why_unavailable():
        missing(reason)
    with proxied_kafka() as (server, proxy), trial(server, tmp_path, 3, 50, proxy.address) as on:
        for fault in FAULTS.values():
            on.disturb(fault, proxy, OUTAGE_S, WITHIN_S)
        findings = on.finish()
        assert findings.clean, findings
        assert (findings.settled, findings.pending) == (on.load.sent, 0)
        assert Outcome.DEAD_LETTERED not in findings.outcomes
