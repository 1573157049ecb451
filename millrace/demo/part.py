"""What the parts of the demo beside the tickets have in common: a worker that settles the events that they send."""

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from typing import Any

from rich.console import Console

from millrace.demo.counting import Counting
from millrace.demo.sample_files import event_message
from millrace.resources import Process, group_of
from millrace.wiring import stream_worker
from shared.audit.comparison import audit
from shared.broker.producer import KafkaSink
from shared.broker.reader import TopicReader
from shared.embedding.audio.port import Recogniser
from shared.embedding.port import Model, TextModel
from shared.engine.stream import Stream
from shared.errors import MillraceError
from shared.stream_settings import StreamSettings

Events = Sequence[Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Part:
    """A part of the demo: one stream, whose worker runs while the part is played.

    Attributes:
        stream: The stream.
        console: Where it is shown.
        process: Broker, store and settings.
        own: The settings of the stream.
        model: The text model.
        tenant: The tenant of all samples.
        wait_until: Waits until something is done.
    """

    stream: Stream[Any, Any]
    console: Console
    process: Process
    own: StreamSettings
    model: TextModel
    tenant: str
    wait_until: Callable[[Callable[[], bool]], None]

    @property
    def reader(self) -> TopicReader:
        """What reads the topics of the stream, and how far its workers have read."""
        return TopicReader(self.process.address, group_of(self.own, self.stream.name))

    def work(
        self, batches: Iterable[Events], models: Mapping[str, Model[Any]], recogniser: Recogniser | None = None
    ) -> list[Any]:
        """Run the worker until it has settled some batches, each sent after the one before is settled; return the results.

        Args:
            batches: The events; the tenant and what every event has are added.
            models: The models besides the text model, by modality.
            recogniser: The model of speech; None without recordings.

        Raises:
            MillraceError: the worker failed.
            Unavailable: it did not finish in time.
        """
        counting = Counting()
        failure: list[BaseException] = []
        every = {"text": self.model, **models}
        with stream_worker(self.stream, self.own, self.process, every, [counting], recogniser) as running:

            def work() -> None:
                try:
                    running.worker.run()
                except BaseException as error:  # noqa: BLE001  (reported below)
                    failure.append(error)

            def settled(wanted: int) -> bool:
                if failure:
                    raise MillraceError(f"the worker of {self.stream.name} failed: {failure[0]}")
                return counting.settled >= wanted

            worker = threading.Thread(target=work, name=f"worker {self.stream.name}", daemon=True)
            worker.start()
            try:
                sent = 0
                for events in batches:
                    self._send(events)
                    sent += len(events)
                    self.wait_until(partial(settled, sent))
            finally:
                running.lifecycle.stop()
                worker.join()
        results = self.reader.read(self.stream.result_topic)
        return [self.stream.result.model_validate_json(record.value or b"") for record in results]

    def is_clean(self) -> bool:
        """Print the audit of the stream, and return whether it is clean and complete."""
        findings = audit(self.reader, self.stream, self.process.store.open_alias(self.stream.name))
        self.console.print(f"{self.stream.name}: {findings.line()}")
        return findings.clean and findings.pending == 0

    def _send(self, events: Events) -> None:
        messages = [event_message(self.stream, self.tenant, given) for given in events]
        with closing(KafkaSink(self.process.address, self.process.settings.broker)) as sink:
            sink.produce(messages)
            sink.flush()
