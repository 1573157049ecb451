"""A whole worker with Redis well, frozen, killed, restarted or full of invalid values: the output bytes are equal.

A green run does not prove anything about the time it takes, nor about a broker or a store other than the embedded ones.
"""

from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest
import redis
from pydantic import SecretStr

from schemas.points import point_id
from shared.broker.embedded import EmbeddedBroker
from shared.broker.reader import TopicReader
from shared.settings import BrokerSettings, CacheSettings, Settings, StoreSettings
from shared.stream_settings import BatchSettings, StreamSettings
from shared.vectorstore.edge.store import EdgeStore
from tests.support.fakes import FakeModel
from tests.support.in_process import Seen, process_of, produce, running_worker
from tests.support.redis.caches import PATIENT_S, RecordingObserver
from tests.support.redis.server import RedisServer
from tests.support.tickets import event
from workers.tickets.stages import TICKETS

SOLVED = [
    event(ticket_id=f"S-{n}", reason="solved", body=f"question {n}", agent_label="delivery", resolution=f"answer {n}")
    for n in range(8)
]
ARRIVING = [event(ticket_id=f"T-{n}", body=f"question {n % 12}") for n in range(24)]
AGAIN = [event(ticket_id=f"U-{n}", body=f"question {n % 12}") for n in range(24)]


@dataclass(frozen=True)
class Outcome:
    """The results and points of a worker, and its cost."""

    results: list[bytes]
    vectors: list[bytes]
    embedded: int
    reported: RecordingObserver


def work(folder: Path, cache: CacheSettings, trouble: Callable[[], None]) -> Outcome:
    """Run a worker over three waves of tickets; the trouble comes before the last."""
    model, reported, seen = FakeModel(), RecordingObserver(), Seen()
    with EmbeddedBroker() as broker, closing(EdgeStore(folder)) as store:
        broker.create([topic.name for topic in TICKETS.topics()])
        own = StreamSettings(batch=BatchSettings(max_records=6))
        settings = Settings(
            broker=BrokerSettings(bootstrap=broker.bootstrap),
            store=StoreSettings(path=folder),
            cache=cache,
        )
        with running_worker(process_of(settings, broker.bootstrap, store), model, [seen, reported], own):
            settled = 0
            for wave in (SOLVED, ARRIVING, AGAIN):
                if wave is AGAIN:
                    trouble()
                produce(broker.bootstrap, *wave)
                settled += len(wave)
                seen.wait_settled(settled)
        results = sorted(record.value or b"" for record in TopicReader(broker.bootstrap).read("tickets.routed"))
        collection = store.open_alias("tickets")
        assert collection is not None
        ids = [point_id("acme", "tickets", each["ticket_id"]) for each in (*SOLVED, *ARRIVING, *AGAIN)]
        found = collection.lookup(ids)
        vectors = [found[which].vectors["text"].tobytes() for which in ids]
    return Outcome(results, vectors, sum(len(call) for call in model.calls), reported)


@pytest.fixture(scope="module")
def without_cache(tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    """Return the outcome of a worker that has no cache at all."""
    return work(tmp_path_factory.mktemp("without_cache"), CacheSettings(memory_mib=0), lambda: None)


def invalid(server: RedisServer) -> None:
    """Store under every key the value of another, and under every third something else."""
    with closing(redis.Redis(port=server.port)) as client:
        keys = sorted(client.keys())
        values = client.mget(keys)
        for number, key in enumerate(keys):
            client.set(key, b"rubbish" if number % 3 == 0 else values[number - 1] or b"")


def restart(server: RedisServer) -> None:
    """Kill the server and start it again, empty."""
    server.kill()
    server.start()


TROUBLES: dict[str, Callable[[RedisServer], None]] = {
    "none": lambda _: None,
    "frozen": RedisServer.freeze,
    "killed": RedisServer.kill,
    "killed and started": restart,
    "rubbish": invalid,
}


@pytest.fixture(params=list(TROUBLES))
def troubled(request: pytest.FixtureRequest, own_redis: RedisServer, tmp_path: Path) -> tuple[str, Outcome]:
    """Return the name of a trouble and the outcome of a worker whose only cache is Redis."""
    timeout_s = 0.3 if request.param == "frozen" else PATIENT_S
    cache = CacheSettings(memory_mib=0, redis_url=SecretStr(own_redis.url), timeout_s=timeout_s)
    return request.param, work(tmp_path, cache, lambda: TROUBLES[request.param](own_redis))


def test_results_and_points_are_the_same(without_cache: Outcome, troubled: tuple[str, Outcome]) -> None:
    trouble, found = troubled
    assert len(without_cache.results) == len(ARRIVING) + len(AGAIN)
    assert found.results == without_cache.results
    assert found.vectors == without_cache.vectors
    kinds = {kind for _, kind in found.reported.failures}
    if trouble == "none":
        assert kinds == set()
        assert found.embedded < without_cache.embedded / 2
    elif trouble == "rubbish":
        assert found.reported.invalid > 0
        assert kinds == set()
    elif trouble == "frozen":
        assert kinds == {"timeout"}
    else:
        assert kinds <= {"connection"}
        assert trouble == "killed and started" or kinds
