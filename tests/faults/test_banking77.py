"""Tickets end to end, as a user runs them, on a real Kafka with the real model: train a head, route with a worker, audit.

960 real questions of 16 intents (Banking77): 640 for training and as solved tickets, then 320 to route. Green shows
that the audit is clean, and that the accuracy and calibration of the worker's results match those that `router evaluate`
gives for the head. It does not show the figures of a head of all 77 intents, nor a history of ten thousand tickets:
`python -m benchmarks.end_to_end`, a part of `make bench`, makes the same assertions with all 13,083 questions. Green
does not show anything about speed (`benchmarks/`), nor about tickets longer than one sentence.
"""

from pathlib import Path

import pytest

from tests.support.end_to_end import FEW, run_end_to_end
from tests.support.kafka.server import KafkaServer

pytestmark = pytest.mark.timeout(600)


def test_banking77_is_routed_and_the_audit_is_clean(own_kafka: KafkaServer, data_dir: Path, tmp_path: Path) -> None:
    figures = run_end_to_end(own_kafka, data_dir, tmp_path, FEW)
    assert (figures.trained, figures.routed) == (640, 320)
