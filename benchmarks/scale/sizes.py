"""Bytes of a record in each topic and of a point of each stream: `python -m benchmarks.scale.sizes`, in one or two minutes.

The demo's samples go through real workers with real models, on a real Kafka of one node (`make kafka`) and Qdrant Edge.
The bytes on the broker's disk are those of its log files: they are compressed, and include what Kafka adds to records
and batches. Media are sent by reference. Needs the extras of all three streams.
"""

import json
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from importlib.resources import as_file, files
from pathlib import Path
from statistics import mean
from typing import Any, NamedTuple
from uuid import UUID

from rich.console import Console
from typing_extensions import override

from millrace.demo.calls import SENT as SENT_OF_CALLS
from millrace.demo.part import Part
from millrace.demo.products import SENT as SENT_OF_PRODUCTS
from millrace.demo.sample_files import rows_of
from millrace.resources import Process, load_image_model, load_recogniser, load_text_model
from millrace.streams import DEFAULT, PICTURED, RECORDED
from shared.broker.provision import create_topics
from shared.broker.reader import TopicReader
from shared.embedding.port import IMAGE, TextModel
from shared.engine.stream import Stream
from shared.logs import configure
from shared.media_settings import MediaSettings
from shared.metrics.registry import Registry
from shared.records import Point, Record
from shared.settings import OperationSettings, Settings, StoreSettings
from shared.stream_settings import StreamSettings
from shared.vectorstore.edge.store import EdgeCollection, EdgeStore
from shared.vectorstore.port import CollectionSpec
from tests.support import waiting
from tests.support.fakes import PRIVACY
from tests.support.kafka.server import KafkaServer, why_unavailable

TENANT = "bench"
PARTITIONS = 1
"""One partition of each topic, so that batches are as full as with many records."""

TOKENS_OF = 64
TIMEOUT_S = 600.0

Events = Sequence[Mapping[str, Any]]


class WeighedCollection(EdgeCollection):
    """A collection that keeps the points written to it."""

    def __init__(self, inner: EdgeCollection, written: dict[UUID, Point]) -> None:
        self.__dict__.update(inner.__dict__)
        self._written = written

    @override
    def upsert(self, points: Sequence[Point]) -> None:
        """Keep the points, and write them."""
        self._written.update({point.id: point for point in points})
        super().upsert(points)


class WeighedStore(EdgeStore):
    """A store that keeps the points written to it, by the alias of their collection."""

    written: dict[str, dict[UUID, Point]]

    @override
    def open(self, spec: CollectionSpec) -> EdgeCollection:
        """Open a collection that keeps its points."""
        return WeighedCollection(super().open(spec), self.written.setdefault(spec.alias, {}))


@dataclass(frozen=True, slots=True)
class TopicSize:
    """Mean bytes of a record of a topic: its key, value and headers, and its part of the broker's log file."""

    topic: str
    records: int
    raw_bytes: float
    disk_bytes: float


@dataclass(frozen=True, slots=True)
class PointSize:
    """What the points of an alias consist of: bytes of the payload as JSON, share with each vector, terms."""

    alias: str
    points: int
    payload_bytes: float
    vectors: Mapping[str, float]
    terms: float


class Measured(NamedTuple):
    """The sizes, and the mean tokens of the texts of some tickets and of their resolutions."""

    topics: list[TopicSize]
    points: list[PointSize]
    text_tokens: float
    resolution_tokens: float


def measure() -> Measured:
    """Run the samples through a worker of each stream, and return the sizes."""
    streams = (DEFAULT, RECORDED, PICTURED)
    with KafkaServer() as kafka, workbench(kafka.bootstrap) as (process, store, root):
        create_topics(kafka.bootstrap, [each for stream in streams for each in stream.topics(PARTITIONS)], 1)
        own = StreamSettings()
        model = load_text_model(own)

        def part(stream: Stream[Any, Any]) -> Part:
            return Part(stream, Console(quiet=True), process, own, model, TENANT, wait_until)

        part(DEFAULT).work(tickets(), {})
        speech = own.speech
        recogniser = load_recogniser(speech.model, speech.models_file, speech.device)
        part(RECORDED).work([calls(root)], {}, recogniser)
        part(PICTURED).work(products(root), {IMAGE.name: load_image_model(own.image)})
        reader = TopicReader(kafka.bootstrap)
        names = [topic.name for stream in streams for topic in stream.topics()]
        folder = kafka.nodes[0].data
        sizes = [_topic_size(name, list(reader.read(name)), folder) for name in names]
        points = [_point_size(*each) for each in store.written.items()]
        return Measured([each for each in sizes if each.records], points, *tokens(model))


@contextmanager
def workbench(bootstrap: str) -> Iterator[tuple[Process, WeighedStore, Path]]:
    """Yield what workers share, their store, and the folder of the samples, from which media are read."""
    with (
        as_file(files("millrace.demo").joinpath("samples")) as root,
        tempfile.TemporaryDirectory() as folder,
        closing(WeighedStore(Path(folder) / "store")) as store,
    ):
        store.written = {}
        settings = Settings(
            store=StoreSettings(path=Path(folder) / "store"),
            privacy=PRIVACY,
            media=MediaSettings(file_root=root),
            operation=OperationSettings(state_dir=Path(folder) / "state"),
        )
        yield Process(settings, bootstrap, store, Registry()), store, root


def wait_until(done: Callable[[], bool]) -> None:
    """Wait until something is done, but not for ever."""
    waiting.wait_until(done, TIMEOUT_S, "a worker has settled its samples")


def tickets() -> list[Events]:
    """Return the sample tickets: first the solved ones, each with its resolution, then the open ones."""
    rows = rows_of("tickets.jsonl")
    return [[row for row in rows if (row["reason"] == "created") is opened] for opened in (False, True)]


def tokens(model: TextModel) -> tuple[float, float]:
    """Return the mean tokens of the texts of some tickets, and of their resolutions."""
    rows = tickets()[0][:TOKENS_OF]
    texts = [[f"{row['subject']}\n\n{row['body']}" for row in rows], [row["resolution"] for row in rows]]
    text, resolution = (model.embed(each).cost / len(each) for each in texts)
    return text, resolution


def calls(root: Path) -> Events:
    """Return the sample calls, whose recordings are named by reference."""
    return [
        {"reason": "recorded", "audio": {"uri": (root / row["file"]).as_uri()}}
        | {name: row[name] for name in SENT_OF_CALLS}
        for row in rows_of("calls.jsonl")
    ]


def products(root: Path) -> list[Events]:
    """Return the sample pictures by reference, without those that are refused: the catalogued ones come first."""
    rows = [row for row in rows_of("products.jsonl") if row["refused"] is None]
    events = [
        {"image": {"uri": (root / row["file"]).as_uri()}, "agent_label": row["label"]}
        | {name: row[name] for name in SENT_OF_PRODUCTS}
        for row in rows
    ]
    return [[each for each in events if (each["reason"] == "catalogued") is old] for old in (True, False)]


def _topic_size(topic: str, records: Sequence[Record], folder: Path) -> TopicSize:
    raw = sum(len(each.key or b"") + len(each.value or b"") + _header_bytes(each) for each in records)
    disk = sum(file.stat().st_size for file in folder.glob(f"{topic}-*/*.log") if file.parent.name[:-2] == topic)
    count = max(1, len(records))
    return TopicSize(topic, len(records), raw / count, disk / count)


def _header_bytes(record: Record) -> int:
    return sum(len(name) + len(value or b"") for name, value in record.headers)


def _point_size(alias: str, written: Mapping[UUID, Point]) -> PointSize:
    points = list(written.values())
    names = sorted({name for each in points for name in each.vectors})
    return PointSize(
        alias,
        len(points),
        mean(len(json.dumps(each.payload, ensure_ascii=False, default=str).encode()) for each in points),
        {name: mean(name in each.vectors for each in points) for name in names},
        mean(sum(len(sparse.indices) for sparse in each.sparse.values()) for each in points),
    )


def main() -> None:
    """Measure and print."""
    configure("error", json_lines=False)
    if reason := why_unavailable():
        raise SystemExit(f"sizes are measured on a real Kafka: {reason}")
    topics, points, text, resolution = measure()
    print(f"tokens of the tickets: text {text:.1f}, resolution {resolution:.1f}\n")
    print(f"{'topic':<22}{'records':>9}{'raw bytes':>11}{'on disk':>9}")
    for topic in topics:
        print(f"{topic.topic:<22}{topic.records:>9}{topic.raw_bytes:>11.0f}{topic.disk_bytes:>9.0f}")
    print(
        f"\n{'points of':<22}{'points':>9}{'payload':>11}{'terms':>9}  vectors, and the share of points that has each"
    )
    for point in points:
        shares = ", ".join(f"{name} {share:.2f}" for name, share in point.vectors.items())
        print(f"{point.alias:<22}{point.points:>9}{point.payload_bytes:>11.0f}{point.terms:>9.1f}  {shares}")


if __name__ == "__main__":
    main()
