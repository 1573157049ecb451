"""The capacity model: from a load to workers, partitions, Qdrant, Kafka, Redis and resources for 1,000 units.

Rates are per second, a day has 86,400 of them, and sizes are bytes. docs/scale.md explains each formula.
"""

from dataclasses import dataclass
from math import ceil

from benchmarks.scale import costs
from benchmarks.scale.costs import CORES, GIB, LEDGER, POINTS, RECORDS, US, Size, Stored
from millrace.streams import STREAMS
from schemas.topics import PARTITIONS, input_topic
from shared.settings import CacheSettings
from shared.stream_settings import BatchSettings

DAY_S = 86_400
DAY_MS = DAY_S * 1000
MONTH_DAYS = 365 / 12
QDRANT_FACTOR = 1.5
"""Memory and disk for a byte of vectors or payload. Source: https://qdrant.tech/documentation/guides/capacity-planning"""

NUMBER_BYTES = 4
TERM_BYTES = 8
"""An index and a value of a sparse vector."""

REPLICAS_PER_BROKER = 4_000
"""The generic recommendation. Source: KIP-578, https://cwiki.apache.org/confluence/spaces/KAFKA/pages/148641509"""


@dataclass(frozen=True, slots=True)
class Assumptions:
    """What a user knows of the load and the machines; none of it is measured.

    Attributes:
        peak: The highest rate as a multiple of the mean rate of the day.
        utilisation: The share of their time that workers are busy at the peak.
        kept_days: How long points are kept.
        kafka_copies: Replicas of each partition.
        qdrant_copies: Replicas of each shard.
        node_gib: Memory of a Qdrant node that data may use.
        tokens: Tokens of a ticket's text.
        resolution_tokens: Tokens of a resolution.
        call_minutes: Minutes of a call.
        readers: Groups that read the results.
    """

    peak: float = 3.0
    utilisation: float = 0.6
    kept_days: float = 90.0
    kafka_copies: int = 3
    qdrant_copies: int = 2
    node_gib: float = 64.0
    tokens: float = 50.0
    resolution_tokens: float = 18.0
    call_minutes: float = 5.0
    readers: int = 1


@dataclass(frozen=True, slots=True)
class Profile:
    """What one unit of a stream costs: a ticket, a minute of a call, or a picture.

    Attributes:
        stream: The stream.
        unit: The name of a unit.
        core_s: Core seconds in a worker, the model on the CPU included.
        host_core_s: The same without the model: what remains if a GPU runs it.
        inputs: Input records.
        results: Results.
        record: The size of an input record.
        result: The size of a result.
        points: Points that stay stored.
        point: A point.
        searches: Searches of the store for a unit.
        cached: Numbers of each vector that Redis caches.
        worker_mib: Memory of a worker.
    """

    stream: str
    unit: str
    core_s: float
    host_core_s: float
    inputs: float
    results: float
    record: Size
    result: Size
    points: float
    point: Stored
    searches: float
    cached: tuple[int, ...]
    worker_mib: float


@dataclass(frozen=True, slots=True)
class Workers:
    """Workers on CPUs at the peak, and the cores beside a GPU: what remains if it runs the models.

    `units_per_core_s` is what one core settles a second if it is always busy.
    """

    units_per_core_s: float
    workers: int
    cores: int
    memory_gib: float
    cores_beside_gpus: float


@dataclass(frozen=True, slots=True)
class Kafka:
    """Topics and brokers. Rates are those of all brokers at the peak, with replication, not compressed."""

    partitions: int
    brokers: int
    written_mb_s: float
    read_mb_s: float
    disk_raw_gb: float
    disk_zstd_gb: float


@dataclass(frozen=True, slots=True)
class Store:
    """Qdrant with all its copies. `shards` are those that fit into the memory of nodes; rates are those of the peak."""

    points: float
    memory_gib: float
    disk_gb: float
    shards: int
    writes_per_s: float
    writing_servers: int
    searches_per_s: float


@dataclass(frozen=True, slots=True)
class Spent:
    """Resources for 1,000 units: cores of workers, memory of workers, Qdrant and Redis, disk of Kafka and Qdrant."""

    core_hours: float
    memory_gib_hours: float
    disk_gb_months: float
    written_gb: float


@dataclass(frozen=True, slots=True)
class Needs:
    """What a load needs."""

    stream: str
    unit: str
    per_day: float
    mean_per_s: float
    peak_per_s: float
    workers: Workers
    kafka: Kafka
    store: Store
    redis_gib: float
    per_1000: Spent


def text_core_s(tokens: float) -> float:
    """Return the core seconds that the text model takes for a text."""
    return tokens * CORES / (costs.TEXTS.value * costs.MEASURED_TOKENS)


@dataclass(frozen=True, slots=True)
class Check:
    """Tickets per second that the model expects of a whole worker, and what was measured: the median."""

    what: str
    expected: float
    measured: float
    command: str


def checks() -> tuple[Check, ...]:
    """Return what the model expects of whole workers on two cores, beside what was measured."""
    banking_s = text_core_s(costs.BANKING_TOKENS)
    searches_s = costs.EDGE_SEARCHES_US * US
    own_s, client_s, index_s = (each.value * US for each in (costs.ROUTING_US, costs.CLIENT_US, costs.INDEXING_US))
    throughput = "python -m benchmarks.run"
    return (
        Check("Banking77's questions are indexed", CORES / (banking_s + index_s), 377, throughput),
        Check(
            "they are routed, and Edge searches in the worker", CORES / (banking_s + own_s + searches_s), 298, throughput
        ),
        Check(
            "tickets of 60 tokens are routed, with Kafka and a Qdrant server on the same cores",
            CORES / (text_core_s(60) + own_s + client_s), 98, costs.BY_HAND,
        ),
    )  # fmt: skip


def ticket(assumed: Assumptions) -> Profile:
    """Return the costs of a ticket: it is created and routed, and later solved and indexed with its resolution.

    The text is not embedded again when it is solved. Bytes grow with the tokens, as if nothing else were in a record.
    """
    host_s = (costs.ROUTING_US.value + costs.INDEXING_US.value + costs.CLIENT_US.value) * US
    model_s = text_core_s(assumed.tokens) + text_core_s(assumed.resolution_tokens)
    longer = max(1.0, assumed.tokens / costs.MEASURED_TOKENS)
    stored = POINTS["tickets"]
    return Profile(
        "tickets", "ticket", model_s + host_s, host_s, 2, 1, _scaled(RECORDS["tickets"], longer),
        _scaled(RECORDS["tickets.routed"], longer), 1,
        Stored(stored.payload_bytes * longer, stored.numbers, stored.terms * longer), 1, (384, 384), costs.TICKET_MIB.value,
    )  # fmt: skip


def call_minute(assumed: Assumptions) -> Profile:
    """Return the costs of a minute of a call in which somebody speaks all the time.

    What a call of the samples has, each call has; words are added by its minutes, in the payload as in the result.
    """
    calls = 1 / assumed.call_minutes
    words_bytes = costs.WORDS_KIB.value * 1024 / 60 * assumed.call_minutes
    per_call_s = (costs.ROUTING_US.value + costs.CLIENT_US.value) * US
    speech_s = 60 * costs.SPEECH.value + costs.TRANSCRIPT_S.value / 60
    # Decoding and finding speech are part of what `SPEECH` measures, but a GPU does not take them over.
    host_s = costs.HEARING_S.value / 60 * CORES + per_call_s * calls
    result, stored = RECORDS["calls.routed"], POINTS["calls"]
    longer = _scaled(result, 1 + words_bytes / result.raw_bytes)
    point = Stored(stored.payload_bytes + words_bytes, stored.numbers, stored.terms)
    return Profile(
        "calls", "call minute", speech_s * CORES + per_call_s * calls, host_s, calls, calls, RECORDS["calls"], longer,
        calls, point, 2 * calls, (384,), costs.CALL_MIB.value,
    )  # fmt: skip


def picture(assumed: Assumptions) -> Profile:
    """Return the costs of a picture of a product."""
    client_s = costs.CLIENT_US.value * US
    host_s = costs.PREPARING_US.value * US + client_s
    return Profile(
        "products", "picture", CORES / costs.PICTURES.value + client_s, host_s, 1, 1, RECORDS["products"],
        RECORDS["products.classified"], 1,
        POINTS["products"], 1, (1280, 384), costs.PICTURE_MIB.value,
    )  # fmt: skip


PROFILES = {"tickets": ticket, "calls": call_minute, "products": picture}


def needs(stream: str, per_day: float, assumed: Assumptions) -> Needs:
    """Return what a number of units a day needs."""
    profile = PROFILES[stream](assumed)
    mean = per_day / DAY_S
    workers = _workers(profile, mean * assumed.peak, assumed)
    kafka = _kafka(profile, per_day, workers.workers, assumed)
    store = _store(profile, per_day, assumed)
    cached_bytes = sum(
        costs.CACHED.value + (numbers - costs.CACHED_NUMBERS) * NUMBER_BYTES for numbers in profile.cached
    )
    redis = per_day * profile.points * cached_bytes * CacheSettings().ttl_s / DAY_S / GIB
    core_hours = profile.core_s / assumed.utilisation * 1000 / 3600
    of_workers = core_hours / CORES * profile.worker_mib / 1024
    thousands = per_day / 1000
    spent = Spent(
        core_hours=core_hours,
        memory_gib_hours=of_workers + (store.memory_gib + redis) * 24 / thousands,
        disk_gb_months=(kafka.disk_raw_gb + store.disk_gb) / MONTH_DAYS / thousands,
        written_gb=kafka.written_mb_s / assumed.peak * DAY_S / 1000 / thousands,
    )
    return Needs(stream, profile.unit, per_day, mean, mean * assumed.peak, workers, kafka, store, redis, spent)


def gpus(stream: str, per_day: float, units_per_s: float, assumed: Assumptions) -> int:
    """Return the GPUs for the peak, if one of them settles `units_per_s` with all of its workers."""
    return max(1, ceil(per_day / DAY_S * assumed.peak / assumed.utilisation / units_per_s))


def _workers(profile: Profile, peak_per_s: float, assumed: Assumptions) -> Workers:
    cores = peak_per_s * profile.core_s / assumed.utilisation
    workers = max(1, ceil(cores / CORES))
    beside_gpus = peak_per_s * profile.host_core_s / assumed.utilisation
    return Workers(1 / profile.core_s, workers, workers * CORES, workers * profile.worker_mib / 1024, beside_gpus)


def _kafka(profile: Profile, per_day: float, workers: int, assumed: Assumptions) -> Kafka:
    partitions = PARTITIONS * ceil(workers / PARTITIONS)
    copies = assumed.kafka_copies
    replicas = partitions * len(STREAMS[profile.stream].topics()) * copies
    raw, compressed = (_unit_bytes(profile, name) for name in ("raw_bytes", "disk_bytes"))
    peak_per_s = per_day / DAY_S * assumed.peak
    written = sum(raw.values()) * peak_per_s * copies
    read = (raw["input"] + raw["result"] * assumed.readers + raw["other"]) * peak_per_s
    disk_raw, disk_zstd = (_kept_bytes(profile.stream, each) * per_day * copies for each in (raw, compressed))
    return Kafka(
        partitions=partitions,
        brokers=max(copies, ceil(replicas / REPLICAS_PER_BROKER)),
        written_mb_s=written / 1e6,
        read_mb_s=read / 1e6,
        disk_raw_gb=disk_raw / 1e9,
        disk_zstd_gb=disk_zstd / 1e9,
    )


def _store(profile: Profile, per_day: float, assumed: Assumptions) -> Store:
    points = per_day * profile.points * assumed.kept_days
    vectors = profile.point.numbers * NUMBER_BYTES * QDRANT_FACTOR
    payload = (profile.point.payload_bytes + profile.point.terms * TERM_BYTES) * QDRANT_FACTOR
    peak_per_s = per_day / DAY_S * assumed.peak
    writes = peak_per_s * profile.inputs
    return Store(
        points=points,
        memory_gib=points * vectors * assumed.qdrant_copies / GIB,
        disk_gb=points * (vectors + payload) * assumed.qdrant_copies / 1e9,
        shards=max(1, ceil(points * vectors / GIB / assumed.node_gib)),
        writes_per_s=writes,
        writing_servers=max(1, ceil(writes * assumed.qdrant_copies / costs.WRITES.value)),
        searches_per_s=peak_per_s * profile.searches,
    )


def _unit_bytes(profile: Profile, name: str) -> dict[str, float]:
    """Return the bytes that a unit writes, of one field of `Size`: its input, its results, and the ledger with the sums."""
    result = getattr(profile.result, name) * profile.results
    other = getattr(LEDGER, name) * profile.inputs / BatchSettings().max_records + result * costs.SUMS.value
    return {"input": getattr(profile.record, name) * profile.inputs, "result": result, "other": other}


def _kept_bytes(stream: str, unit_bytes: dict[str, float]) -> float:
    """Return the bytes that the topics hold for one unit a day, by their retention; sums are kept as long as results."""
    days = {topic.name: topic.retention_ms / DAY_MS for topic in STREAMS[stream].topics()}
    results_days = days[STREAMS[stream].result_topic]
    return unit_bytes["input"] * days[input_topic(stream)] + (unit_bytes["result"] + unit_bytes["other"]) * results_days


def _scaled(size: Size, by: float) -> Size:
    return Size(size.raw_bytes * by, size.disk_bytes * by)
