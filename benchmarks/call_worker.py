"""A worker of calls in this process, on the embedded broker and Edge, that reads recordings from a folder."""

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from millrace.resources import Process
from millrace.streams import RECORDED
from millrace.wiring import Running
from schemas.points import point_id
from shared.audit.comparison import audit
from shared.broker.embedded import EmbeddedBroker
from shared.broker.reader import TopicReader
from shared.embedding.audio.port import Recogniser
from shared.embedding.port import TextModel
from shared.media_settings import MediaSettings
from shared.metrics.registry import Registry
from shared.records import Record
from shared.settings import OperationSettings, Settings, StoreSettings
from shared.stream_settings import StreamSettings
from shared.vectorstore.edge.store import EdgeStore
from tests.support.fakes import PRIVACY
from tests.support.in_process import Seen, produce, running_worker

TENANT = "bench"


@dataclass(frozen=True, slots=True)
class CallWorker:
    """A running worker with its broker and its store."""

    bootstrap: str
    store: EdgeStore
    running: Running

    def send(self, file: Path, **changes: Any) -> None:
        """Send a call, whose id is the name of its file."""
        event = {
            "schema_version": 1, "event_id": file.name, "tenant_id": TENANT, "event_version": 1, "call_id": file.name,
            "occurred_at": "2026-05-01T10:00:00Z", "reason": "recorded", "audio": {"uri": file.as_uri()},
        }  # fmt: skip
        produce(self.bootstrap, event | changes, stream=RECORDED)

    def stored(self, call_id: str) -> Mapping[str, Any]:
        """Return the payload of a call's point."""
        collection = self.store.open_alias(RECORDED.name)
        assert collection is not None
        named = point_id(TENANT, RECORDED.name, call_id)
        return collection.lookup([named])[named].payload

    def results(self) -> list[Record]:
        """Return the messages with the results."""
        return list(self._reader.read(RECORDED.result_topic))

    def is_clean(self, calls: int) -> bool:
        """Return whether the audit finds that this number of calls was settled, each once."""
        found = audit(self._reader, RECORDED, self.store.open_alias(RECORDED.name))
        return found.clean and (found.settled, found.pending, found.repeated) == (calls, 0, 0)

    @property
    def _reader(self) -> TopicReader:
        return TopicReader(self.bootstrap, f"millrace-{RECORDED.name}")


@contextmanager
def call_worker(root: Path, text_model: TextModel, recogniser: Recogniser, seen: Seen) -> Iterator[CallWorker]:
    """Run a worker that reads recordings from the folder `root`."""
    with (
        tempfile.TemporaryDirectory() as folder,
        EmbeddedBroker() as broker,
        closing(EdgeStore(Path(folder) / "store")) as store,
    ):
        broker.create([topic.name for topic in RECORDED.topics()])
        settings = Settings(
            store=StoreSettings(path=Path(folder) / "store"),
            privacy=PRIVACY,
            media=MediaSettings(file_root=root),
            operation=OperationSettings(state_dir=Path(folder) / "state"),
        )
        process = Process(settings, broker.bootstrap, store, Registry())
        with running_worker(process, text_model, [seen], StreamSettings(), RECORDED, recogniser) as running:
            yield CallWorker(broker.bootstrap, store, running)
