"""The dead-letter topics of one stream on a broker, and the commands that work on them."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from shared.audit.comparison import AuditReport, audit
from shared.broker.producer import KafkaSink
from shared.broker.reader import TopicReader
from shared.records import Message, Record, TopicPartition
from shared.settings import BrokerSettings, Settings, StoreSettings
from shared.vectorstore.edge.store import EdgeStore
from tests.support.fakes import FakeModel
from tests.support.in_process import Seen, process_of, produce, running_worker
from tests.support.sources import ROOT
from tests.support.streams import Kind


class Queue:
    """A broker with the stream's topics, and the commands on it, in this process or in one that can be killed."""

    def __init__(self, kind: Kind, bootstrap: str, main: Callable[[Sequence[str]], tuple[int, str, str]]) -> None:
        self.kind, self.bootstrap, self._main = kind, bootstrap, main
        self.reader = TopicReader(bootstrap)

    def _given(self, arguments: Sequence[str]) -> list[str]:
        return [*arguments, "--stream", self.kind.name, "--bootstrap", self.bootstrap]

    def run(self, *arguments: str, code: int = 0) -> str:
        """Run a command to its end and return its output, or its error text if it failed."""
        ended, out, err = self._main(["millrace", "dlq", *self._given(arguments)])
        assert (ended, "Traceback" in err) == (code, False), err
        return out if code == 0 else " ".join(err.replace("│", " ").split())

    def warned(self, *arguments: str) -> bool:
        """Run a replay, and return whether it warned that its group has no position."""
        ended, _, err = self._main(["millrace", "dlq", *self._given(arguments)])
        assert ended == 0, err
        return "has no committed offset: the replay starts with the oldest dead letter" in err

    def reported(self, *arguments: str) -> Any:
        """Run a command and return the JSON object it printed; a worker of this process may have logged beside it."""
        return json.loads([line for line in self.run(*arguments).splitlines() if line.startswith("{")][-1])

    @contextmanager
    def running(self, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
        """Run a command in a process beside the test; it is killed at the end."""
        command = [sys.executable, "-m", "tests.support.streams", "dlq", *self._given(arguments)]
        process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            yield process
        finally:
            process.kill()
            process.wait()

    @contextmanager
    def working(self, folder: Path, store: EdgeStore, model: FakeModel, seen: Seen) -> Iterator[None]:
        """Run a worker of the stream beside the test."""
        settings = Settings(broker=BrokerSettings(bootstrap=self.bootstrap), store=StoreSettings(path=folder))
        process = process_of(settings, self.bootstrap, store)
        with running_worker(process, model, [seen], stream=self.kind.stream):
            yield

    def send(self, texts: Sequence[str]) -> None:
        """Send an event for each text."""
        events = [self.kind.event(f"T-{n}", text=text) for n, text in enumerate(texts)]
        produce(self.bootstrap, *events, stream=self.kind.stream)

    def audit(self, store: EdgeStore) -> AuditReport:
        """Audit the stream."""
        return audit(TopicReader(self.bootstrap, self.kind.group), self.kind.stream, store.open_alias(self.kind.name))

    def put(self, *sent: Message) -> None:
        sink = KafkaSink(self.bootstrap, BrokerSettings())
        sink.produce(sent)
        assert sink.flush() == []
        sink.close()

    def held(self, topic: str) -> list[Record]:
        return list(self.reader.read(topic))

    def depth(self, topic: str) -> int:
        return sum(high - low for low, high in self.reader.watermarks(topic).values())

    def holds(self, topic: str, dead_letters: int) -> bool:
        return self.depth(topic) >= dead_letters

    def positions(self, group: str) -> dict[TopicPartition, int]:
        return TopicReader(self.bootstrap, group).committed([self.kind.dlq])
