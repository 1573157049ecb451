"""How old the records of healthy hosts become while another host is down: `python -m benchmarks.media_outage`.

A worker of the test stream, notes, runs on a real Kafka with the real fetcher. Half of the attachments are on a server that
answers, half on one that first answers and then is down: it refuses connections, or accepts them and is silent. The age of
a record is the time from its append to the input until its result is appended.
"""

import argparse
import json
import tempfile
import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import numpy as np

from millrace.resources import Process
from shared.broker.producer import KafkaSink
from shared.broker.provision import create_topics
from shared.broker.reader import TopicReader
from shared.clock import SystemClock
from shared.engine.loop import FailurePolicies
from shared.logs import configure
from shared.media_settings import MediaSettings
from shared.metrics.registry import Registry
from shared.records import Message, RecordPosition
from shared.settings import BrokerSettings, Settings, StoreSettings
from shared.stream_settings import RetrySettings, StreamSettings
from shared.vectorstore.edge.store import EdgeStore
from tests.support.fakes import PRIVACY, FakeModel
from tests.support.in_process import Seen, running_worker
from tests.support.kafka.server import KafkaServer
from tests.support.media_server import Answer, MediaServer, body, silent
from tests.support.streams import NOTE_KIND

NOTES_PER_S = 40
HEALTHY = "healthy"


@contextmanager
def worker_of(server: KafkaServer, folder: Path, hosts: list[str]) -> Iterator[None]:
    """Run a worker of notes that may fetch from these hosts."""
    settings = Settings(
        broker=BrokerSettings(bootstrap=server.bootstrap),
        store=StoreSettings(path=folder),
        privacy=PRIVACY,
        media=MediaSettings(hosts=tuple(hosts), plain_http=True, private_addresses=("127.0.0.1",)),
    )
    own = StreamSettings(retry=RetrySettings(tiers_s=(600, 601, 602)))
    with ExitStack() as held:
        store = held.enter_context(closing(EdgeStore(folder)))
        process = Process(settings, server.bootstrap, store, Registry(), FailurePolicies())
        held.enter_context(running_worker(process, FakeModel(), [Seen()], own, NOTE_KIND.stream))
        yield


def send(sink: KafkaSink, urls: dict[str, str], seconds: float, phase: str) -> None:
    """Send notes at a constant rate, in turn from each server."""
    clock, never = SystemClock(), threading.Event()
    start_s = clock.monotonic_s()
    for number in range(int(seconds * NOTES_PER_S)):
        clock.wait(never, max(0.0, start_s + number / NOTES_PER_S - clock.monotonic_s()))
        name = list(urls)[number % len(urls)]
        event = NOTE_KIND.event(f"{phase}-{name}-{number}", attachment={"uri": urls[name]})
        key = f"acme:{phase}-{name}-{number}".encode()
        sink.produce([Message(NOTE_KIND.name, key, json.dumps(event).encode())])
    sink.flush()


def ages_ms(bootstrap: str, phase: str) -> list[int]:
    """Return the age of each healthy note of a phase."""
    sent_ms = {record.position: record.timestamp_ms for record in TopicReader(bootstrap).read(NOTE_KIND.name)}
    ages = []
    for result in TopicReader(bootstrap).read(NOTE_KIND.results):
        published = json.loads(result.value or b"")
        source = published["source"]
        position = RecordPosition(source["topic"], source["partition"], source["offset"])
        if published["note_id"].startswith(f"{phase}-{HEALTHY}"):
            ages.append(result.timestamp_ms - sent_ms[position])
    return ages


def measure(down: Answer | None, seconds: float) -> dict[str, list[int]]:
    """Return the ages of healthy notes, undisturbed and while the other host is down (None: it refuses connections)."""
    content = body(b"content")
    with (
        KafkaServer() as kafka,
        tempfile.TemporaryDirectory() as folder,
        MediaServer({"/a": content}) as healthy,
        ExitStack() as ill_server,
        closing(KafkaSink(kafka.bootstrap, BrokerSettings())) as sink,
    ):
        create_topics(kafka.bootstrap, NOTE_KIND.stream.topics(2), 1)
        ill = ill_server.enter_context(MediaServer({"/a": content}))
        urls = {HEALTHY: healthy.url("/a"), "ill": ill.url("/a")}
        with worker_of(kafka, Path(folder), [f"127.0.0.1:{each.port}" for each in (healthy, ill)]):
            send(sink, urls, 5, "warm")
            send(sink, urls, seconds, "before")
            if down is None:
                ill_server.close()
            else:
                ill.answers["/a"] = down
            send(sink, urls, seconds, "down")
            SystemClock().wait(threading.Event(), 3.0)
            return {phase: ages_ms(kafka.bootstrap, phase) for phase in ("before", "down")}


def report(seconds: float) -> None:
    """Measure and print."""
    print(f"\nAge of healthy records in ms, {NOTES_PER_S} records a second, half of them from a host that is down")
    for name, down in (("refuses connections", None), ("is silent", silent)):
        ages = measure(down, seconds)
        cells = [f"{phase} p50 {np.percentile(found, 50):.0f} p99 {np.percentile(found, 99):.0f} ({len(found)})"
                 for phase, found in ages.items()]  # fmt: skip
        ratio = np.percentile(ages["down"], 99) / np.percentile(ages["before"], 99)
        print(f"{name:<22}{'; '.join(cells)}; ratio of p99 {ratio:.2f}")


def main() -> None:
    """Parse the arguments and run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=30.0, help="length of each phase")
    configure("error", json_lines=False)
    report(parser.parse_args().seconds)


if __name__ == "__main__":
    main()
