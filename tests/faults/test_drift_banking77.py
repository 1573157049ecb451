"""False alarms, changes and a spike among questions of Banking77, through the real drift application on a real Kafka.

A short form of `python -m benchmarks.faults.drift_alarms`: 2,300 questions with the real model, one split of them, one
run of two changes, and one new problem. Green does not show the rate of false alarms, nor how small a change is found;
`docs/drift.md` and `docs/spikes.md` have figures. The worker's loop is not run: its sums and its producer are.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from benchmarks.faults.drift_alarms import RATE_OF_FIVE_PERCENT, read_data
from benchmarks.faults.drift_problems import Raised, Rate, Spikes, problems
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
PROBLEM = "the branch is flooded"


@dataclass(frozen=True)
class Said:
    """What the application has said."""

    alarms: int
    answers: list[Answer]
    raised: dict[bool, Raised]


@pytest.fixture(scope="module")
def said(data_dir: Path) -> Iterator[Said]:
    """Run the application once for all tests of this module."""
    if reason := why_unavailable():
        missing(reason)
    reading = Reading(StreamSettings())
    data, new = read_data(data_dir, reading, QUESTIONS), problems(reading)
    split = Split(data.texts, 1, RESAMPLES)
    reference = split.reference(data.subject("usual"))
    changes = changes_of_all(data, split, 0, CUT_SHARE)[:2]
    spikes = Spikes(data, split, reference, {PROBLEM: new[PROBLEM]}, [Rate(600, 1_800, speed=400)], grows=False)
    references = [reference, *(copied(reference, data.subject(each.tenant)) for each in changes), *spikes.references]
    with KafkaServer() as server, live(server.bootstrap, references, RATE_OF_FIVE_PERCENT * len(references)) as found:
        send_null(found, {"usual": split}, WINDOWS)
        answers = send_changes(found, changes)
        spikes.send(found)
        yield Said(
            alarms(found, "usual")[0],
            answers,
            {each.traffic.is_due: each for each in spikes.raised(found)},
        )


def test_usual_windows_raise_few_alarms(said: Said) -> None:
    assert said.alarms <= MOST_ALARMS


def test_a_change_raises_one_alert_that_names_it_first(said: Said) -> None:
    for answer in said.answers:
        assert answer.alert is not None, answer.change.name
        assert len(answer.alerts) == 1
        assert answer.is_named, answer.alert.causes


def test_a_new_problem_of_several_customers_is_one_spike(said: Said) -> None:
    assert said.raised[True].is_one, said.raised[True].line


def test_a_new_problem_of_one_customer_is_no_spike(said: Said) -> None:
    assert not said.raised[False].own, said.raised[False].line
