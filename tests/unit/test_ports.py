"""The real classes and the stand-ins have the members that the broker's ports require.

The annotations are the test: mypy compares every signature with the port's. The code that runs only finds a missing
member. A green run does not prove that anything behaves as the ports require: the contract suite on brokers checks
that.
"""

import pytest

from shared.broker.port import Reader, Sink, Source
from shared.broker.producer import KafkaSink
from shared.broker.reader import TopicReader
from shared.broker.source import KafkaSource
from tests.support.audited import MemoryReader
from tests.support.fakes import FakeSource
from tests.unit.test_dlq import MemoryQueue

SOURCES: list[type[Source]] = [KafkaSource, FakeSource]
READERS: list[type[Reader]] = [TopicReader, MemoryReader, MemoryQueue]
SINKS: list[type[Sink]] = [KafkaSink]

PAIRS: list[tuple[type, type]] = [
    *((Source, each) for each in SOURCES),
    *((Reader, each) for each in READERS),
    *((Sink, each) for each in SINKS),
]


def promised(port: type) -> set[str]:
    """Return the names of a port's methods and properties."""
    return {name for name in vars(port) if not name.startswith("_")}


@pytest.mark.parametrize(("port", "real"), PAIRS, ids=lambda each: each.__name__)
def test_a_class_has_every_member_of_its_port(port: type, real: type) -> None:
    assert promised(port)
    assert promised(port) - set(dir(real)) == set()


@pytest.mark.parametrize("port", [Source, Sink, Reader])
def test_every_member_of_a_port_has_a_docstring(port: type) -> None:
    assert [name for name in promised(port) if not (getattr(port, name).__doc__ or "").strip()] == []


def test_every_member_of_a_source_documents_whether_it_blocks_and_which_thread_calls_it() -> None:
    explained = {name: getattr(Source, name).__doc__ or "" for name in promised(Source)}
    assert [name for name, text in explained.items() if "thread" not in text] == []
    assert [name for name, text in explained.items() if "block" not in text and "not wait for" not in text] == []
