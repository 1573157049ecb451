"""The composition root of workers: the only file that puts a worker together from concrete adapters."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

from millrace.customer_key import customer_key
from millrace.resources import (
    Process,
    collection_spec,
    group_of,
    load_routing,
    model_card,
    open_cache,
    opened_collection,
)
from schemas.topics import input_topic, redo_topic
from shared.broker.producer import KafkaSink
from shared.broker.source import KafkaSource
from shared.clock import Clock, SystemClock
from shared.embedding.port import TEXT, Model
from shared.embedding.service import Embedder
from shared.engine.gather import Gatherer
from shared.engine.loop import Parts, Worker
from shared.engine.pipeline import Pipeline
from shared.engine.settle import Settler
from shared.engine.stream import Resources, Stream
from shared.metrics import Metrics, Registry
from shared.observers import Observer, Observers
from shared.operation.lifecycle import Lifecycle
from shared.records import Provenance
from shared.routing.decider import Decider, Electorate, Routing
from shared.stream_settings import StreamSettings
from shared.vectorstore.port import Aliased, Collection


@dataclass(frozen=True, slots=True)
class Running:
    """A worker, and the parts of it that its surroundings use."""

    stream: Stream[Any, Any]
    worker: Worker[Any]
    lifecycle: Lifecycle
    metrics: Metrics
    registry: Registry
    source: KafkaSource


@contextmanager
def stream_worker(
    stream: Stream[Any, Any],
    own: StreamSettings,
    process: Process,
    models: Mapping[str, Model[Any]],
    observers: Sequence[Observer] = (),
) -> Iterator[Running]:
    """Build the worker of a stream; at the end, close its resources in reverse order.

    Args:
        stream: The stream.
        own: The settings of the stream.
        process: What it shares with other streams.
        models: Its models by modality.
        observers: Observers that receive the same events as the worker's metrics.

    Raises:
        Fatal: a configured part cannot be used.
    """
    settings, clock = process.settings, SystemClock()
    metrics = Metrics(stream.name, process.registry)
    observer = Observers([metrics, *observers])
    lifecycle = Lifecycle(clock, settings.operation.stuck_after_s)
    card, model = model_card(own), models[TEXT.name]
    routing = load_routing(own, model.fingerprint)
    with ExitStack() as held:
        collection = opened_collection(
            settings, process.store, collection_spec(own, stream, {name: each.dim for name, each in models.items()})
        )
        if isinstance(collection, Aliased):
            collection.watch_alias(observer.alias_elsewhere)
            lifecycle.ask("alias", collection.alias_fault)
        resources = Resources(
            collection=collection,
            decider=decider_of(stream, own, routing, collection),
            preparation=card.preparation,
            customer_key=customer_key(settings),
            search=own.search,
            model=model.fingerprint,
        )
        embedders: dict[str, Embedder[Any]] = {}
        for modality in {each.modality.name: each.modality for each in stream.inputs}.values():
            cache = held.enter_context(open_cache(settings, models[modality.name].dim, clock, observer))
            embedders[modality.name] = Embedder(modality, models[modality.name], cache, observer)
        pipeline = Pipeline(stream, stream.stages(resources), embedders, collection, clock, observer)
        sink = KafkaSink(process.address, settings.broker)
        held.callback(sink.close)
        source = _source(stream, own, process, clock)
        held.callback(source.close)
        lifecycle.watch("poll", lambda: source.last_poll_s)
        lifecycle.ask("consumer", lambda: source.fault)
        provenance = Provenance(stream.name, model.fingerprint, routing.fingerprint)
        settler = Settler(collection, source, sink, provenance, clock, observer)
        gatherer = Gatherer(source, own.batch, stream.cost, clock, observer)
        parts = Parts(source, gatherer, pipeline, settler, lifecycle)
        yield Running(
            stream, Worker(parts, process.policies, clock, observer), lifecycle, metrics, process.registry, source
        )


def decider_of(stream: Stream[Any, Any], own: StreamSettings, routing: Routing, collection: Collection) -> Decider:
    """Return the decider of a stream; without a head, the points of its collection vote."""
    using, points = stream.rules.affecting[0], stream.points
    electorate = Electorate(collection, using, own.decision.neighbours, points.id_field, points.is_ours)
    return Decider(routing, electorate)


def _source(stream: Stream[Any, Any], own: StreamSettings, process: Process, clock: Clock) -> KafkaSource:
    topics = [input_topic(stream.name), redo_topic(stream.name)]
    return KafkaSource(process.address, topics, group_of(own, stream.name), process.settings.broker, clock)
