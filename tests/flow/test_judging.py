"""`millrace duplicates judge` on the embedded broker: what it sends is an event that the worker of products accepts.

A green run does not prove that a worker uses the verdict: `tests/unit/test_product_verdicts.py` does.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from schemas.products import DuplicateJudged
from shared.broker.embedded import EmbeddedBroker
from shared.broker.reader import TopicReader
from tests.support.command import millrace
from workers.products.stages import PRODUCTS


@pytest.fixture
def broker() -> Iterator[EmbeddedBroker]:
    """Run a broker with the topics of products."""
    with EmbeddedBroker() as started:
        started.create([topic.name for topic in PRODUCTS.topics()])
        yield started


def judge(broker: EmbeddedBroker, folder: Path, *arguments: str) -> CompletedProcess[str]:
    return millrace("duplicates", "judge", *arguments, "--bootstrap", str(broker.bootstrap), folder=folder)


def sent(broker: EmbeddedBroker) -> list[DuplicateJudged]:
    """Return the events as a worker decodes them, which checks their keys."""
    events = [PRODUCTS.decode(record).event for record in TopicReader(broker.bootstrap).read(PRODUCTS.name)]
    assert all(isinstance(event, DuplicateJudged) for event in events)
    return [event for event in events if isinstance(event, DuplicateJudged)]


def test_verdicts_on_a_pair_in_any_order_are_versions_of_one_item(broker: EmbeddedBroker, tmp_path: Path) -> None:
    first = judge(broker, tmp_path, "img-9", "img-10", "--tenant", "acme", "--verdict", "different")
    assert first.returncode == 0, first.stderr
    second = judge(broker, tmp_path, "img-10", "img-9", "--tenant", "acme", "--verdict", "withdrawn", "--json")
    reported = json.loads(second.stdout)
    assert reported["verdict"] is None
    different, withdrawn = sorted(sent(broker), key=lambda each: each.event_version)
    assert different.image_id == withdrawn.image_id
    assert (different.verdict, withdrawn.verdict) == ("different", None)
    assert reported["event_version"] == withdrawn.event_version


def test_a_given_version_is_sent(broker: EmbeddedBroker, tmp_path: Path) -> None:
    judge(broker, tmp_path, "a", "b", "--tenant", "acme", "--verdict", "same_product", "--version", "7")
    [event] = sent(broker)
    assert (event.event_version, event.verdict) == (7, "same_product")


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("a", "a", "--tenant", "acme", "--verdict", "different"), "images"),
        (("a", "b", "--tenant", "no tenant", "--verdict", "different"), "tenant_id"),
        (("a", "b", "--tenant", "acme", "--verdict", "maybe"), "maybe"),
        (("a", "b\x1fc", "--tenant", "acme", "--verdict", "different"), "images"),
    ],
)
def test_what_is_not_valid_is_named_and_nothing_is_sent(
    broker: EmbeddedBroker, tmp_path: Path, arguments: tuple[str, ...], named: str
) -> None:
    found = judge(broker, tmp_path, *arguments)
    assert found.returncode == 2
    assert named in found.stderr
    assert "Traceback" not in found.stderr
    assert sent(broker) == []
