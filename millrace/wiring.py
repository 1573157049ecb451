"""The composition root of workers: the only file that puts a worker together from concrete adapters."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

from millrace.canaries import upkeep_of
from millrace.configured import collection_spec, configured
from millrace.resources import Process, group_of, open_cache, opened_collection
from millrace.stage_resources import Given, decider_of, dimensions_of, resources_of, routing_of, with_sound
from millrace.summing import summer_of
from schemas.topics import input_topic, redo_topic, retry_topics
from shared.broker.consumer import Membership
from shared.broker.forwarder import Forwarder
from shared.broker.pace import Pace
from shared.broker.producer import KafkaSink
from shared.broker.security import Address
from shared.broker.source import KafkaSource
from shared.clock import Clock, SystemClock
from shared.embedding.audio.port import Recogniser
from shared.embedding.port import Model
from shared.embedding.service import Embedder
from shared.engine.announcing import Announcer
from shared.engine.apart import ApartLoader
from shared.engine.gather import Cost, Gatherer
from shared.engine.loop import FailurePolicies, Parts, Worker
from shared.engine.media import LoadsMedia, MediaLoader, ReadsMedia
from shared.engine.pipeline import Pipeline, PipelineParts
from shared.engine.resources import Resources
from shared.engine.settle import Settler
from shared.engine.stages import ReadsApart, Stages
from shared.engine.stream import Stream
from shared.errors import Fatal
from shared.logs import bound
from shared.media.decoding.decoder import Decoder
from shared.media.fetching.fetcher import MediaFetcher
from shared.media.fetching.pool import HostPool
from shared.media.spooling import SpoolingFetcher
from shared.metrics.observer import Metrics
from shared.metrics.registry import Registry
from shared.metrics.results import Named
from shared.metrics_settings import MetricsSettings
from shared.observers import Observer, Observers
from shared.operation.lifecycle import PREPARE, Lifecycle
from shared.records import Provenance
from shared.retry.lane import RetryLane
from shared.retry.survey import REDRIVE_GROUP
from shared.routing.decider import Routing
from shared.settings import Settings
from shared.stream_settings import StreamSettings
from shared.vectorstore.port import Aliased, Collection, CollectionSpec
from workers.services.redrive import Redrive

FINISHING_SHARE = 0.5
"""Recognition that takes longer than this share of the drain timeout is abandoned; the rest is for its last call of the
model, and for leaving the group."""


@dataclass(frozen=True, slots=True)
class Running:
    """A worker, and the parts of it that its surroundings use."""

    stream: Stream[Any, Any]
    worker: Worker[Any]
    lifecycle: Lifecycle
    metrics: Metrics
    registry: Registry
    source: KafkaSource

    @property
    def name(self) -> str:
        """The name of its stream."""
        return self.stream.name

    def run(self) -> None:
        """Run the worker until it is asked to stop."""
        with bound(stream=self.name):
            self.worker.run()


@contextmanager
def stream_worker(
    stream: Stream[Any, Any],
    own: StreamSettings,
    process: Process,
    models: Mapping[str, Model[Any]],
    observers: Sequence[Observer] = (),
    recogniser: Recogniser | None = None,
) -> Iterator[Running]:
    """Build the worker of a stream; at the end, close its resources in reverse order.

    Args:
        stream: The stream.
        own: The settings of the stream.
        process: What it shares with other streams.
        models: Its models by modality.
        observers: Observers that receive the same events as the worker's metrics.
        recogniser: Its model of speech; None if it has no recordings.

    Raises:
        Fatal: a configured part cannot be used.
    """
    settings, clock, stream = process.settings, SystemClock(), configured(stream, own)
    given, routing = Given(stream, own, process, models, recogniser), routing_of(stream, own, models)
    backfill = process.backfill
    named = named_in(routing, settings.metrics)
    metrics = Metrics(stream.name, process.registry, named, backfills=backfill is not None)
    group = group_of(own, stream.name) if backfill is None else backfill.mark.group
    tracer = process.tracing.tracer(stream.name, group)
    observer = Observers([metrics, *tracer.observers, *observers])
    lifecycle = _lifecycle(settings, clock)
    with ExitStack() as held:
        spec = collection_spec(own, stream, dimensions_of(models, recogniser))
        collection = _watched_collection(process, spec, observer, lifecycle)
        upkeep = upkeep_of(given, observer, lifecycle, clock)
        watch = _Watch(observer, lifecycle, upkeep.doubts())
        pipeline, resources = held.enter_context(_pipeline(given, routing, collection, watch))
        sink = held.enter_context(closing(KafkaSink(process.address, settings.broker)))
        source = held.enter_context(closing(_source(stream, own, process, clock)))
        lifecycle.watch("poll", lambda: source.last_poll_s)
        lifecycle.ask("consumer", lambda: source.fault)
        mark = None if backfill is None else backfill.mark
        provenance = Provenance(stream.name, "+".join(resources.models.values()), routing.fingerprint, mark)
        announcer = Announcer(provenance, summer_of(given, routing.fingerprint, clock))
        settler = Settler(collection, source, sink, announcer, clock, observer)
        gatherer = Gatherer(source, own.batch, Cost(stream.cost, stream.cost_unit), clock, observer)
        parts = Parts(source, gatherer, pipeline, settler, lifecycle, tracer, upkeep.keep)
        worker = Worker(parts, process.policies, clock, observer)
        yield Running(stream, worker, lifecycle, metrics, process.registry, source)


@contextmanager
def trial_pipeline(
    stream: Stream[Any, Any],
    own: StreamSettings,
    process: Process,
    models: Mapping[str, Model[Any]],
    collection: Collection,
    recogniser: Recogniser | None = None,
) -> Iterator[Pipeline[Any]]:
    """Yield the pipeline of a stream's worker without what reads, writes and settles: its outcomes are only looked at.

    Args:
        stream: The stream.
        own: The settings of the stream.
        process: The settings, and the store in which items of other streams are looked up.
        models: Its models by modality.
        collection: The points that are looked up and that vote.
        recogniser: Its model of speech; None if it has no recordings.

    Raises:
        Fatal: a configured part cannot be used.
    """
    stream = configured(stream, own)
    given, routing = Given(stream, own, process, models, recogniser), routing_of(stream, own, models)
    watch = _Watch(Observer(), _lifecycle(process.settings, SystemClock()), {})
    with _pipeline(given, routing, collection, watch) as (pipeline, _):
        yield pipeline


@dataclass(frozen=True, slots=True)
class _Watch:
    """What is notified of a pipeline's work."""

    observer: Observer
    lifecycle: Lifecycle
    doubts: Mapping[str, Callable[[], None]]


@contextmanager
def _pipeline(
    given: Given, routing: Routing, collection: Collection, watch: _Watch
) -> Iterator[tuple[Pipeline[Any], Resources]]:
    """Yield a pipeline, and what its stages work with.

    Raises:
        Fatal: a configured part cannot be used.
    """
    stream, process, lifecycle, clock = given.stream, given.process, watch.lifecycle, SystemClock()
    with ExitStack() as held:
        decoder = held.enter_context(_decoder(stream, process.settings))
        decider = decider_of(stream, given.own, routing, collection)
        resources = resources_of(given, decider, collection, decoder, lifecycle)
        beat = partial(lifecycle.beat_or_abandon, "process")
        embedding = with_sound(given.models, resources.speech)
        embedders = held.enter_context(
            _embedders(stream, embedding, process.settings, watch.observer, beat, watch.doubts)
        )
        stages = stream.stages(resources)
        media = held.enter_context(_media_loader(stream, stages, process, partial(lifecycle.beat_or_abandon, PREPARE)))
        held.callback(decoder.close)  # before the loader, which waits for what is being decoded
        mark = None if process.backfill is None else process.backfill.mark
        lane = RetryLane(stream.name, given.own.retry, clock, process.policies.random_source)
        yield (
            Pipeline(stream, PipelineParts(stages, embedders, collection, lane, media, mark), clock, watch.observer),
            resources,
        )


def _lifecycle(settings: Settings, clock: Clock) -> Lifecycle:
    operation = settings.operation
    return Lifecycle(clock, operation.stuck_after_s, FINISHING_SHARE * operation.drain_timeout_s)


def _watched_collection(process: Process, spec: CollectionSpec, observer: Observer, lifecycle: Lifecycle) -> Collection:
    """Return the collection of a stream, with a report if its alias leads elsewhere."""
    collection = opened_collection(process.settings, process.store, spec)
    if isinstance(collection, Aliased):
        collection.watch_alias(observer.alias_elsewhere)
        lifecycle.ask("alias", collection.alias_fault)
    return collection


def redrive_of(
    streams: Sequence[Stream[Any, Any]], settings: Settings, address: Address, registry: Registry
) -> Redrive:
    """Return the redrive of some streams."""
    clock = SystemClock()
    topics = tuple(topic for stream in streams for topic in retry_topics(stream.name))
    member = Membership(address, topics, REDRIVE_GROUP, settings.broker)
    observers = {stream.name: Metrics(stream.name, registry) for stream in streams}
    lifecycle = Lifecycle(clock, settings.operation.stuck_after_s)
    return Redrive(lambda: Forwarder(member), lifecycle, FailurePolicies(), clock, observers)


def named_in(routing: Routing, limits: MetricsSettings) -> Named:
    """Return the names that are labels of metrics: the first of the policy, then those of the head."""
    policy, head = routing.policy, routing.head
    labels = dict.fromkeys((*policy.labels_in_order, *(() if head is None else head.labels)))
    queues = dict.fromkeys((*policy.queues, *(policy.rule(None, label).queue for label in labels)))
    return Named(
        queues=frozenset(list(queues)[: limits.named]),
        labels=frozenset(list(labels)[: limits.named]),
        tenants=frozenset(limits.tenants),
    )


@contextmanager
def _embedders(
    stream: Stream[Any, Any],
    models: Mapping[str, Model[Any]],
    settings: Settings,
    observer: Observer,
    beat: Callable[[], None],
    doubts: Mapping[str, Callable[[], None]],
) -> Iterator[dict[str, Embedder[Any]]]:
    """Yield the embedder of each modality of a stream, each with a cache of its own."""
    with ExitStack() as held:
        found: dict[str, Embedder[Any]] = {}
        for modality in {each.modality.name: each.modality for each in stream.inputs}.values():
            model = models[modality.name]
            cache = held.enter_context(open_cache(settings, model.dim, SystemClock(), observer))
            found[modality.name] = Embedder(modality, model, cache, observer, beat, doubts.get(modality.name))
        yield found


@contextmanager
def _decoder(stream: Stream[Any, Any], settings: Settings) -> Iterator[Decoder]:
    """Yield the decoder of a stream's media; its processes are started only if its events have media.

    Raises:
        Fatal: they cannot be started.
    """
    with closing(Decoder(settings.decoding, settings.media.max_mib << 20, SystemClock())) as decoder:
        if stream.media is not None:
            decoder.start()
        yield decoder


@contextmanager
def _media_loader(
    stream: Stream[Any, Any], stages: Stages[Any], process: Process, beat: Callable[[], None]
) -> Iterator[LoadsMedia[Any] | None]:
    """Yield the loader of a stream's media; None if its events have none.

    Raises:
        Fatal: its stages lack the method that reads them.
    """
    if stream.media is None:
        yield None
        return
    settings = process.settings.media
    clock = SystemClock()
    fetcher = SpoolingFetcher(
        process.fetcher or MediaFetcher(settings, clock), process.settings.operation.state_dir / "spool"
    )
    pool = HostPool(settings.parallel, settings.parallel_per_host)
    loader: LoadsMedia[Any]
    if stream.follows and isinstance(stages, ReadsApart):
        loader = ApartLoader(stream.media, stages, fetcher, pool, clock)
    elif isinstance(stages, ReadsMedia):
        loader = MediaLoader(stream.media, stages, fetcher, pool, clock, beat)
    else:
        raise Fatal(f"the stages of stream {stream.name} do not read media, but its events have media")
    with closing(loader):
        yield loader


def _source(stream: Stream[Any, Any], own: StreamSettings, process: Process, clock: Clock) -> KafkaSource:
    backfill = process.backfill
    if backfill is not None:  # the redo topic belongs to the workers of live traffic
        topics, pace = [input_topic(stream.name)], Pace(backfill.rate, clock)
        return KafkaSource(process.address, topics, backfill.mark.group, process.settings.broker, clock, pace)
    topics = [input_topic(stream.name), redo_topic(stream.name)]
    return KafkaSource(process.address, topics, group_of(own, stream.name), process.settings.broker, clock)
