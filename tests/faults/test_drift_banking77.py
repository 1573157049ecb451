"""False alarms and changes among questions of Banking77, through the real drift application on a real Kafka.

A short form of `python -m benchmarks.faults.drift_alarms`: 2,300 questions with the real model, one split of them, and
one run of two changes. Green does not show the rate of false alarms, nor how small a change is found; `docs/drift.md` has
figures. So few questions make too coarse a reference for spikes, which `tests/golden/test_spikes_banking77.py` tests. The
worker's loop is not run: its sums and its producer are.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from benchmarks.faults.drift_alarms import RATE_OF_FIVE_PERCENT, read_data
from benchmarks.faults.drift_tickets import Split, copied
from benchmarks.faults.drift_windows import Answer, alarms, changes_of_all, send_changes, send_null
from millrace.learning.labelled_files import Reading
from shared.stream_settings import StreamSettings
from tests.support.drift_live import live
from tests.support.kafka.server import KafkaServer, why_unavailable
from tests.support.services import missing

pytestmark = pytest.mark.timeout(600)

QUESTIONS = 2_300
RESAMPLES = 250
WINDOWS, MOST_ALARMS = 40, 8
"""At 5 %, more than eight of forty windows raise an alarm with a probability of 1 in 5,000."""

CUT_SHARE = 0.2


@dataclass(frozen=True)
class Said:
    """What the application has said."""

    alarms: int
    answers: list[Answer]


@pytest.fixture(scope="module")
def said(data_dir: Path) -> Iterator[Said]:
    """Run the application once for all tests of this module."""
    if reason := why_unavailable():
        missing(reason)
    reading = Reading(StreamSettings())
    data = read_data(data_dir, reading, QUESTIONS)
    split = Split(data.texts, 1, RESAMPLES)
    reference = split.reference(data.subject("usual"))
    changes = changes_of_all(data, split, 0, CUT_SHARE)[:2]
    references = [reference, *(copied(reference, data.subject(each.tenant)) for each in changes)]
    with KafkaServer() as server, live(server.bootstrap, references, RATE_OF_FIVE_PERCENT * len(references)) as found:
        send_null(found, {"usual": split}, WINDOWS)
        answers = send_changes(found, changes)
        yield Said(alarms(found, "usual")[0], answers)


def test_usual_windows_raise_few_alarms(said: Said) -> None:
    assert said.alarms <= MOST_ALARMS


def test_a_change_raises_one_alert_that_names_it_first(said: Said) -> None:
    for answer in said.answers:
        assert answer.alert is not None, answer.change.name
        assert len(answer.alerts) == 1
        assert answer.is_named, answer.alert.causes
